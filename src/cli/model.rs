//! `electroscope model`: which models there are, what they are, and copies of them.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde_json::json;

use super::common::{self, InForce};
use super::{Exit, Global, ModelCommand};
use crate::model::hub::{self, ModelChoice};
use crate::model::parameters::{Head, parameters};
use crate::model::{self, Checkpoint, ElectraConfig, Weights, packed};

pub(super) fn run(global: &Global, command: ModelCommand) -> anyhow::Result<Exit> {
    let in_force = InForce::new(global)?;
    common::exit_on_interrupt()?;
    match command {
        ModelCommand::List { json } => list(global, &in_force, json),
        ModelCommand::Info { id, json } => info(global, &in_force, id.as_deref(), json),
        ModelCommand::Pull { id } => pull(global, &in_force, &id),
        ModelCommand::Export {
            out,
            generator,
            packed: true,
        } => {
            let generator = generator.context("--packed needs --generator")?;
            let (checkpoint, _) = common::checkpoint(global, &in_force)?;
            open_generator(&generator, &checkpoint.config)?;
            packed::pack(&checkpoint, &generator, &out)?;
            common::remark(
                global,
                &format!("wrote the packed pair into {}", out.display()),
            );
            Ok(Exit::Clean)
        }
        ModelCommand::Export {
            out,
            generator,
            packed: false,
        } => export(global, &in_force, &out, generator.as_deref()),
    }
}

/// Writes the model in Hugging Face layout, and below it the generator: the one named, or for the
/// built-in model its own.
fn export(
    global: &Global,
    in_force: &InForce,
    out: &Path,
    generator: Option<&Path>,
) -> anyhow::Result<Exit> {
    let (checkpoint, _) = common::checkpoint(global, in_force)?;
    // Before anything is written: a generator that is none must not leave half an export behind.
    let named = generator
        .map(|folder| open_generator(folder, &checkpoint.config))
        .transpose()?;
    model::export(
        out,
        &checkpoint.config,
        Head::Discriminator,
        &checkpoint.tokenizer,
        &checkpoint.weights,
        None,
    )?;
    let below = out.join("generator");
    let written = match named {
        Some((config, weights)) => {
            model::export(
                &below,
                &config,
                Head::Generator,
                &checkpoint.tokenizer,
                &weights,
                None,
            )?;
            true
        }
        None if in_force.model == "builtin" => {
            let (config, weights) = model::builtin_generator()?;
            let shared = Some(&checkpoint.weights);
            model::export(
                &below,
                &config,
                Head::Generator,
                &checkpoint.tokenizer,
                &weights,
                shared,
            )?;
            std::fs::write(out.join("README.md"), model::BUILTIN_CARD)
                .with_context(|| format!("cannot write the model card into {}", out.display()))?;
            true
        }
        None => false,
    };
    let what = if written {
        "the discriminator, with its generator in generator/,"
    } else {
        "the discriminator"
    };
    common::remark(global, &format!("wrote {what} into {}", out.display()));
    Ok(Exit::Clean)
}

/// Opens the generator in `folder` and looks at each of its tensors; it must know the same tokens
/// as the discriminator.
fn open_generator(
    folder: &Path,
    discriminator: &ElectraConfig,
) -> anyhow::Result<(ElectraConfig, Weights)> {
    let path = folder.join("config.json");
    let json = std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let config = ElectraConfig::parse(&json, &path)?;
    let (found, wanted) = (config.vocab_size, discriminator.vocab_size);
    anyhow::ensure!(
        found == wanted,
        "{}: vocab_size is {found}, but the discriminator's is {wanted}; the two are no pair",
        path.display()
    );
    let weights = Weights::open_folder(folder)?;
    for parameter in parameters(&config, Head::Generator) {
        weights.numbers(&parameter.name, &parameter.shape)?;
    }
    Ok((config, weights))
}

/// Downloads a hub model.
fn pull(global: &Global, in_force: &InForce, id: &str) -> anyhow::Result<Exit> {
    let fetched = match ModelChoice::parse(id)? {
        ModelChoice::Hub(id) => common::fetch(global, in_force, &id)?,
        ModelChoice::Builtin => {
            anyhow::bail!("builtin is carried in the program: there is nothing to download")
        }
        ModelChoice::Folder(folder) => anyhow::bail!(
            "{} is a folder here, and goes before a hub id: there is nothing to download",
            folder.display()
        ),
    };
    // A model that is there but cannot be used should be known now, not when it is needed.
    Checkpoint::open(&fetched.folder)?;
    writeln!(io::stdout(), "{}", fetched.folder.display())?;
    Ok(Exit::Clean)
}

/// Lists the models at hand.
fn list(global: &Global, in_force: &InForce, as_json: bool) -> anyhow::Result<Exit> {
    let settings = common::hub_settings(global, in_force.offline);
    let cached = hub::cached(&settings);
    let mut out = io::stdout().lock();
    if as_json {
        let models: Vec<_> = std::iter::once(json!({"id": "builtin", "source": "builtin"}))
            .chain(cached.iter().map(|model| {
                json!({
                    "id": model.id, "source": "cache", "path": model.folder, "revision": model.revision,
                    "bytes": model.bytes, "architecture": model.architecture,
                })
            }))
            .collect();
        let object = json!({"schema_version": 1, "configured": in_force.model, "models": models});
        serde_json::to_writer(&mut out, &object)?;
        writeln!(out)?;
        return Ok(Exit::Clean);
    }
    let mark = |id: &str| if id == in_force.model { '*' } else { ' ' };
    writeln!(out, "{} builtin  carried in the program", mark("builtin"))?;
    for model in &cached {
        let megabytes = model.bytes as f64 / 1e6;
        writeln!(
            out,
            "{} {}  {megabytes:.0} MB  {}  {}",
            mark(&model.id),
            crate::text::visible(&model.id),
            crate::text::visible(&model.architecture),
            &model.revision.get(..12).unwrap_or(&model.revision),
        )?;
    }
    let known =
        in_force.model == "builtin" || cached.iter().any(|model| model.id == in_force.model);
    if !known {
        let place = if Path::new(&in_force.model).is_dir() {
            "a folder"
        } else {
            "not downloaded yet"
        };
        writeln!(out, "* {}  {place}", crate::text::visible(&in_force.model))?;
    }
    Ok(Exit::Clean)
}

/// Describes a model.
fn info(
    global: &Global,
    in_force: &InForce,
    id: Option<&str>,
    as_json: bool,
) -> anyhow::Result<Exit> {
    let mut in_force = in_force.clone();
    if let Some(id) = id {
        in_force.model = id.to_owned();
    }
    let (checkpoint, revision) = common::checkpoint(global, &in_force)?;
    let (forward, remark) = model::load(&checkpoint, &in_force.device, &in_force.precision)?;
    if let Some(remark) = remark {
        common::remark(global, &remark);
    }
    let config = &checkpoint.config;
    let card = match &checkpoint.folder {
        Some(folder) => std::fs::read_to_string(folder.join("README.md")).unwrap_or_default(),
        None => model::BUILTIN_CARD.to_owned(),
    };
    let licence = licence(&card);
    let mut files: Vec<(PathBuf, u64, String)> = Vec::new();
    if let Some(folder) = &checkpoint.folder {
        for name in [
            "config.json",
            "tokenizer.json",
            "vocab.txt",
            "model.safetensors",
            "pytorch_model.bin",
        ] {
            let path = folder.join(name);
            if let Ok(metadata) = std::fs::metadata(&path) {
                let hash = hub::sha256(&path)
                    .with_context(|| format!("cannot read {}", path.display()))?;
                files.push((name.into(), metadata.len(), hash));
            }
        }
    }
    let threshold = in_force.threshold(None, config.threshold);
    let mut out = io::stdout().lock();
    if as_json {
        let files: Vec<_> = files
            .iter()
            .map(|(name, bytes, hash)| json!({"name": name, "bytes": bytes, "sha256": hash}))
            .collect();
        let object = json!({
            "schema_version": 1,
            "id": in_force.model,
            "revision": revision,
            "folder": checkpoint.folder,
            "device": forward.device(),
            "precision": forward.precision(),
            "parameters": checkpoint.weights.parameters(),
            "threshold": threshold,
            "false_alarms": config.false_alarms,
            "licence": licence,
            "labels": config.labels,
            "config": config.raw,
            "files": files,
        });
        serde_json::to_writer(&mut out, &object)?;
        writeln!(out)?;
        return Ok(Exit::Clean);
    }
    let place = checkpoint
        .folder
        .as_ref()
        .map_or("carried in the program".into(), |path| {
            path.display().to_string()
        });
    writeln!(out, "model       {}", crate::text::visible(&in_force.model))?;
    if let Some(revision) = &revision {
        writeln!(out, "revision    {}", crate::text::visible(revision))?;
    }
    writeln!(out, "from        {place}")?;
    writeln!(
        out,
        "runs on     {} in {}",
        forward.device(),
        forward.precision()
    )?;
    writeln!(
        out,
        "parameters  {:.1} million",
        checkpoint.weights.parameters() as f64 / 1e6
    )?;
    writeln!(
        out,
        "shape       {} layers of {}, {} heads, embeddings of {}, {} positions, {} tokens",
        config.num_hidden_layers,
        config.hidden_size,
        config.num_attention_heads,
        config.embedding_size,
        config.max_position_embeddings,
        config.vocab_size,
    )?;
    let why = match config.false_alarms {
        Some(share) if config.threshold == Some(threshold) => {
            format!("  ({} % of clean words lie above it)", share * 100.0)
        }
        _ => String::new(),
    };
    writeln!(out, "threshold   {threshold}{why}")?;
    if !config.labels.is_empty() {
        writeln!(
            out,
            "labels      {}",
            crate::text::visible(&config.labels.join(", "))
        )?;
    }
    writeln!(
        out,
        "licence     {}",
        crate::text::visible(licence.as_deref().unwrap_or("not said"))
    )?;
    for (name, bytes, hash) in &files {
        writeln!(
            out,
            "file        {}  {bytes} bytes  sha256 {hash}",
            name.display()
        )?;
    }
    Ok(Exit::Clean)
}

/// The licence that a model card's front matter names.
fn licence(card: &str) -> Option<String> {
    let front = card.strip_prefix("---")?.split("\n---").next()?;
    front
        .lines()
        .find_map(|line| line.strip_prefix("license:"))
        .map(|value| value.trim().to_owned())
}
