//! `electroscope model`: lists, describes, downloads and exports models.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use indicatif::DecimalBytes;
use serde_json::json;

use super::progress::PrintedProgress;
use super::{Exit, Global, ModelCommand, messages, setup, terminal};
use crate::catalog::{self, BUILTIN_PREFIX, Catalog, ListedHead, OpenedHead, builtin};
use electroscope_analysis::HeadChoice;
use electroscope_model::ModelChoice;
use electroscope_model::bounded_read::{limits, read_bounded, read_text_bounded};
use electroscope_model::hub;
use electroscope_model::kernels::FusedDiscriminator;
use electroscope_model::names::{Head, parameters};
use electroscope_model::{
    self as model, Adapter, Checkpoint, ElectraConfig, Problem, Task, Weights, checkpoint::packed,
};

pub(super) fn run(global: &Global, command: ModelCommand) -> anyhow::Result<Exit> {
    let catalog = setup::catalog(global)?;
    terminal::exit_on_interrupt()?;
    match command {
        ModelCommand::List { json } => list(&catalog, json),
        ModelCommand::Info { id, json } => info(global, &catalog, id.as_deref(), json),
        ModelCommand::Pull { id } => pull(global, &catalog, &id),
        ModelCommand::Verify { ids } => verify(&catalog, &ids),
        ModelCommand::Export {
            out,
            packed_head: Some(name),
            ..
        } => export_packed_head(global, &catalog, &name, &out),
        ModelCommand::Export {
            out,
            generator,
            packed: true,
            ..
        } => {
            let generator = generator.context("--packed needs --generator")?;
            let (checkpoint, _) = catalog.open_model(&mut PrintedProgress::new(global))?;
            open_generator(&generator, &checkpoint.config)?;
            packed::pack(&checkpoint, &generator, &out)?;
            messages::remark(
                global,
                &format!("wrote the packed pair into {}", out.display()),
            );
            Ok(Exit::Clean)
        }
        ModelCommand::Export {
            out,
            generator,
            packed: false,
            ..
        } => export(global, &catalog, &out, generator.as_deref()),
    }
}

/// Writes the head that `--head` names into `out` in the compact form of built-in heads.
fn export_packed_head(
    global: &Global,
    catalog: &Catalog,
    name: &str,
    out: &Path,
) -> anyhow::Result<Exit> {
    let is_letter = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    anyhow::ensure!(
        !name.is_empty() && name.chars().all(is_letter),
        "{name:?} is no name for a built-in head; small letters, digits and hyphens are wanted"
    );
    let asked = global.head.as_deref();
    let asked = asked.context("--packed-head needs --head, the folder of the head to be packed")?;
    let revision = global.revision.as_deref();
    let head = catalog.open_head(asked, revision, &mut PrintedProgress::new(global))?;
    packed::pack_head(&head.checkpoint, name, out)?;
    let text = format!(
        "wrote {name}.json, {name}.safetensors and {name}.md into {}; a row in \
         src/catalog/builtin_heads.rs and a new build put them into the binary",
        out.display()
    );
    messages::remark(global, &text);
    Ok(Exit::Clean)
}

/// Writes the model in Hugging Face layout, and below it the generator: the one named, or for the
/// built-in model its own. The built-in model is written with its card and its notice.
fn export(
    global: &Global,
    catalog: &Catalog,
    out: &Path,
    generator: Option<&Path>,
) -> anyhow::Result<Exit> {
    let (checkpoint, _) = catalog.open_model(&mut PrintedProgress::new(global))?;
    if let Some(remark) = checkpoint.weights.remark() {
        messages::remark(global, remark);
    }
    // Checked before anything is written, so that a wrong folder leaves no half export.
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
    if catalog.settings().model == builtin::NAME {
        // The licences of what it was made from require it.
        for (name, text) in [
            ("README.md", builtin::CARD),
            ("NOTICE", builtin::PAIR.notice),
        ] {
            let path = out.join(name);
            std::fs::write(&path, text)
                .with_context(|| format!("cannot write {}", path.display()))?;
        }
    }
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
        None if catalog.settings().model == builtin::NAME => {
            let (config, weights) = builtin::generator()?;
            let shared = Some(&checkpoint.weights);
            model::export(
                &below,
                &config,
                Head::Generator,
                &checkpoint.tokenizer,
                &weights,
                shared,
            )?;
            true
        }
        None => false,
    };
    let what = if written {
        "the discriminator, with its generator in generator/,"
    } else {
        "the discriminator"
    };
    messages::remark(global, &format!("wrote {what} into {}", out.display()));
    Ok(Exit::Clean)
}

/// Opens the generator in `folder` and checks each of its tensors. It must have as many tokens as the
/// discriminator.
pub(super) fn open_generator(
    folder: &Path,
    discriminator: &ElectraConfig,
) -> anyhow::Result<(ElectraConfig, Weights)> {
    let path = folder.join("config.json");
    let json = read_bounded(&path, limits::CONFIG)
        .with_context(|| format!("cannot read {}", path.display()))?;
    let config = ElectraConfig::parse(&json, &path)?;
    let (found, wanted) = (config.vocab_size, discriminator.vocab_size);
    anyhow::ensure!(
        found == wanted,
        "{}: vocab_size is {found}, but the discriminator's is {wanted}; the two are no pair",
        path.display()
    );
    let weights = Weights::open_generator_folder(folder)?;
    for parameter in parameters(&config, Head::Generator) {
        weights.numbers(&parameter.name, &parameter.shape)?;
    }
    Ok((config, weights))
}

/// Downloads a hub model, or the head that a name stands for.
fn pull(global: &Global, catalog: &Catalog, id: &str) -> anyhow::Result<Exit> {
    let mut observer = PrintedProgress::new(global);
    let folder = if id.starts_with(BUILTIN_PREFIX) || catalog.is_head_name(id)? {
        let head = catalog.resolve_head(id)?;
        let revision = global.revision.as_deref();
        let (folder, revision) = catalog.fetch_head(&head, revision, &mut observer)?;
        anyhow::ensure!(
            revision.is_some(),
            "{id} is the folder {}: there is nothing to download",
            folder.display()
        );
        folder
    } else {
        match ModelChoice::parse(id)? {
            ModelChoice::Hub(id) => {
                let revision = catalog.settings().revision.as_deref();
                catalog.fetch(&id, revision, &mut observer)?.folder
            }
            ModelChoice::Builtin => {
                anyhow::bail!("builtin is carried in the program: there is nothing to download")
            }
            ModelChoice::Folder(folder) => anyhow::bail!(
                "{} is a folder here, and goes before a hub id: there is nothing to download",
                folder.display()
            ),
        }
    };
    // A model that was downloaded but cannot be used is reported now, not when it is needed.
    if catalog::is_head(&folder) {
        catalog.open_head_in(&folder, None, &mut observer)?;
    } else {
        Checkpoint::open(&folder)?;
    }
    writeln!(io::stdout(), "{}", folder.display())?;
    Ok(Exit::Clean)
}

/// Compares the files of cached models with their hashes.
fn verify(catalog: &Catalog, ids: &[String]) -> anyhow::Result<Exit> {
    let settings = catalog.hub();
    let revision = catalog.settings().revision.as_deref();
    let named = ids.iter().map(|id| {
        let revision = revision.unwrap_or("main").to_owned();
        (id.clone(), revision)
    });
    let models: Vec<(String, String)> = match ids {
        [] => {
            let heads = hub::cached_heads(settings).into_iter();
            let all = hub::cached(settings).into_iter();
            all.chain(heads.map(|head| head.model))
                .map(|model| (model.id, model.revision))
                .collect()
        }
        _ => named.collect(),
    };
    let mut out = io::stdout().lock();
    let mut is_sound = true;
    for (id, revision) in &models {
        let Some(files) = hub::verify(id, revision, settings) else {
            anyhow::bail!(
                "{id} (revision {revision}) is not in the cache {}; `electroscope model list` shows what is",
                settings.cache.display()
            );
        };
        for file in files {
            let state = match &file.state {
                hub::FileState::Sound => "sound".to_owned(),
                hub::FileState::Unknown => "not known: it is a copy without a hash".to_owned(),
                hub::FileState::Damaged(what) => {
                    is_sound = false;
                    let path = file.path.display();
                    format!("damaged: {what}; remove {path} and run `electroscope model pull {id}`")
                }
            };
            let line = format!("{id}  {}  {state}", file.name);
            writeln!(out, "{}", electroscope_text::visible(&line))?;
        }
    }
    Ok(if is_sound { Exit::Clean } else { Exit::Failed })
}

/// A model in the list.
struct Row {
    id: String,
    /// `builtin`, `cache`, `folder`, `hub` for one that is not downloaded yet, `none` for a name that
    /// means nothing.
    source: &'static str,
    path: Option<PathBuf>,
    revision: Option<String>,
    bytes: Option<u64>,
    architecture: Option<String>,
}

/// Lists the built-in model, those in the cache, and the one of the settings; then the heads that can be
/// chosen.
fn list(catalog: &Catalog, as_json: bool) -> anyhow::Result<Exit> {
    let settings = catalog.settings();
    let bare = |id: &str, source| Row {
        id: id.to_owned(),
        source,
        path: None,
        revision: None,
        bytes: None,
        architecture: None,
    };
    let bytes: usize = builtin::PAIR
        .files()
        .map(|(_, bytes)| bytes.len())
        .iter()
        .sum();
    let mut rows = vec![Row {
        bytes: Some(bytes as u64),
        architecture: architecture(&builtin::discriminator()?.config.raw),
        ..bare("builtin", "builtin")
    }];
    rows.extend(hub::cached(catalog.hub()).into_iter().map(|model| Row {
        id: model.id,
        source: "cache",
        path: Some(model.folder),
        revision: Some(model.revision),
        bytes: Some(model.bytes),
        architecture: Some(model.architecture),
    }));
    let configured = &settings.model;
    match settings.model_choice() {
        // A folder goes before a cached model of the same name.
        Ok(ModelChoice::Folder(folder)) => {
            rows.retain(|row| row.id != *configured);
            rows.push(Row {
                path: Some(folder),
                ..bare(configured, "folder")
            });
        }
        Ok(ModelChoice::Hub(id)) if rows.iter().all(|row| row.id != id) => {
            rows.push(bare(&id, "hub"));
        }
        Ok(_) => {}
        Err(_) => rows.push(bare(configured, "none")),
    }

    let heads = catalog.heads();
    let mut out = io::stdout().lock();
    if as_json {
        let models: Vec<_> = rows
            .iter()
            .map(|row| {
                json!({
                    "id": row.id, "source": row.source, "path": row.path, "revision": row.revision,
                    "bytes": row.bytes, "architecture": row.architecture,
                })
            })
            .collect();
        let heads: Vec<_> = heads.iter().map(head_object).collect();
        let object = json!({
            "schema_version": 1, "configured": configured, "models": models, "heads": heads,
        });
        serde_json::to_writer(&mut out, &object)?;
        writeln!(out)?;
        return Ok(Exit::Clean);
    }
    let is_set = |row: &Row| row.id == *configured;
    let lines: Vec<_> = rows.iter().map(|row| (is_set(row), columns(row))).collect();
    table(&mut out, &lines)?;
    writeln!(out, "\nHeads, by the name that --head takes:")?;
    let lines: Vec<_> = (heads.iter())
        .map(|head| (head.is_chosen, head_columns(head)))
        .collect();
    table(&mut out, &lines)?;
    Ok(Exit::Clean)
}

/// Writes rows of four cells, with a mark before those that are in use.
fn table(out: &mut dyn Write, lines: &[(bool, [String; 4])]) -> io::Result<()> {
    let width = |column: usize| {
        let cells = lines.iter().filter_map(|(_, line)| line.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths = [width(0), width(1), width(2)];
    for (is_set, [id, size, what, place]) in lines {
        let mark = if *is_set { '*' } else { ' ' };
        let line = format!(
            "{mark} {id:0$}  {size:>1$}  {what:2$}  {place}",
            widths[0], widths[1], widths[2]
        );
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}

/// The source of a head: `builtin`, `cache`, `folder`, or `hub` for one that is not downloaded yet.
fn head_source(head: &ListedHead) -> &'static str {
    match (&head.folder, &head.revision) {
        _ if head.builtin.is_some() => "builtin",
        (Some(_), Some(_)) => "cache",
        (Some(_), None) => "folder",
        (None, _) => "hub",
    }
}

fn head_object(head: &ListedHead) -> serde_json::Value {
    let choice = &head.choice;
    json!({
        "name": choice.name, "id": head.id, "task": choice.task, "source": head_source(head),
        "chosen": head.is_chosen, "path": head.folder, "revision": head.revision,
        "bytes": choice.bytes, "architecture": head.class, "about": choice.about,
        "score": head.builtin.map(|head| head.score),
    })
}

/// The cells of a head's row: name, size, task, place.
fn head_columns(head: &ListedHead) -> [String; 4] {
    let HeadChoice {
        name, task, bytes, ..
    } = &head.choice;
    let place = match head_source(head) {
        "cache" => {
            let revision = head.revision.as_deref().unwrap_or_default();
            format!("cached, commit {}", revision.get(..12).unwrap_or(revision))
        }
        "folder" => "a folder".to_owned(),
        "builtin" => format!("built in, {}", head.builtin.map_or("", |head| head.score)),
        _ => "not downloaded yet".to_owned(),
    };
    let place = match head.id == *name {
        true => place,
        false => format!("{}, {place}", head.id),
    };
    let size = bytes.map(|bytes| DecimalBytes(bytes).to_string());
    [
        electroscope_text::visible(name),
        size.unwrap_or_default(),
        task.name().to_owned(),
        electroscope_text::visible(&place),
    ]
}

/// The cells of a row: name, size, class, place.
fn columns(row: &Row) -> [String; 4] {
    let place = match row.source {
        "builtin" => "carried in the program".to_owned(),
        "cache" => {
            let revision = row.revision.as_deref().unwrap_or_default();
            format!("cached, commit {}", revision.get(..12).unwrap_or(revision))
        }
        "folder" => "a folder".to_owned(),
        "hub" => "not downloaded yet".to_owned(),
        _ => "neither a folder nor a hub id".to_owned(),
    };
    let size = row.bytes.map(|bytes| DecimalBytes(bytes).to_string());
    let what = row.architecture.as_deref().unwrap_or_default();
    [
        electroscope_text::visible(&row.id),
        size.unwrap_or_default(),
        electroscope_text::visible(what),
        place,
    ]
}

/// The class that a configuration names.
fn architecture(config: &serde_json::Value) -> Option<String> {
    let class = config.pointer("/architectures/0")?;
    class.as_str().map(str::to_owned)
}

/// Describes a model.
fn info(
    global: &Global,
    catalog: &Catalog,
    id: Option<&str>,
    as_json: bool,
) -> anyhow::Result<Exit> {
    let mut observer = PrintedProgress::new(global);
    if let Some(id) = id
        && (id.starts_with(BUILTIN_PREFIX) || catalog.is_head_name(id)?)
    {
        let head = catalog.open_head(id, global.revision.as_deref(), &mut observer)?;
        return head_info(global, catalog, id, &head, as_json);
    }
    let catalog = &match id {
        Some(id) => catalog.with_model(id),
        None => catalog.clone(),
    };
    let settings = catalog.settings();
    let (folder, revision) = match settings.model_choice()? {
        ModelChoice::Builtin => (None, None),
        ModelChoice::Folder(folder) => (Some(folder), None),
        ModelChoice::Hub(id) => {
            let fetched = catalog.fetch(&id, settings.revision.as_deref(), &mut observer)?;
            (Some(fetched.folder), Some(fetched.revision))
        }
    };
    if let Some(folder) = folder.as_ref().filter(|folder| catalog::is_head(folder)) {
        let id = &settings.model;
        let resolved = catalog.resolve_head(id)?;
        let named = resolved.named.as_ref();
        let checkpoint = catalog.open_head_in(folder, named, &mut observer)?;
        let head = OpenedHead {
            resolved,
            checkpoint,
            revision,
        };
        return head_info(global, catalog, id, &head, as_json);
    }
    let checkpoint = match &folder {
        None => builtin::discriminator()?,
        Some(folder) => Checkpoint::open(folder)?,
    };
    let (forward, remark) = model::load(&checkpoint, &settings.device, &settings.precision)?;
    if let Some(remark) = remark {
        messages::remark(global, &remark);
    }
    let config = &checkpoint.config;
    let card = match &checkpoint.folder {
        Some(folder) => {
            read_text_bounded(&folder.join("README.md"), limits::CARD).unwrap_or_default()
        }
        None => builtin::CARD.to_owned(),
    };
    let licence = licence(&card);
    let files = match &checkpoint.folder {
        Some(folder) => files(folder, &checkpoint.weights)?,
        None => builtin_file_facts(&builtin::PAIR.files())?,
    };
    let threshold = settings.threshold(None, config.threshold);
    let reason = match (settings.precision.as_str(), forward.device().as_str()) {
        ("auto", "cpu") => format!(
            "by auto: {}",
            FusedDiscriminator::choose(&checkpoint)?.reason
        ),
        ("auto", _) => "by auto: on a GPU it means f32".to_owned(),
        _ => "as set".to_owned(),
    };
    let mut out = io::stdout().lock();
    if as_json {
        let files: Vec<_> = files
            .iter()
            .map(|(name, bytes, hash)| json!({"name": name, "bytes": bytes, "sha256": hash}))
            .collect();
        let object = json!({
            "schema_version": 1,
            "id": settings.model,
            "revision": revision,
            "folder": checkpoint.folder,
            "architecture": architecture(&config.raw),
            "device": forward.device(),
            "precision": forward.precision(),
            "precision_reason": reason,
            "path": forward.path(),
            "parameters": checkpoint.weights.parameters(),
            "window": settings.window.min(config.max_position_embeddings),
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
            crate::report::visible_path(path)
        });
    writeln!(
        out,
        "model       {}",
        electroscope_text::visible(&settings.model)
    )?;
    if let Some(revision) = &revision {
        writeln!(out, "revision    {}", electroscope_text::visible(revision))?;
    }
    writeln!(out, "from        {place}")?;
    if let Some(class) = architecture(&config.raw) {
        writeln!(out, "class       {}", electroscope_text::visible(&class))?;
    }
    writeln!(
        out,
        "runs on     {} in {} ({})",
        forward.device(),
        forward.precision(),
        forward.path()
    )?;
    writeln!(out, "precision   {}, {reason}", forward.precision())?;
    write_shape(&mut out, checkpoint.weights.parameters(), config)?;
    write_window(&mut out, settings.window, config.max_position_embeddings)?;
    let why = match (config.threshold, config.false_alarms) {
        (Some(own), Some(share)) if own == threshold => {
            let percent = (f64::from(share) * 10_000.0).round() / 100.0;
            format!("its own: {percent} % of clean words lie above it")
        }
        (Some(own), None) if own == threshold => "its own".to_owned(),
        (None, _) if settings.threshold(None, Some(f32::NAN)).is_nan() => {
            "the default, for it brings none".to_owned()
        }
        _ => "from the settings".to_owned(),
    };
    writeln!(out, "threshold   {threshold}  ({why})")?;
    if !config.labels.is_empty() {
        writeln!(
            out,
            "labels      {}",
            electroscope_text::visible(&config.labels.join(", "))
        )?;
    }
    write_files(&mut out, licence.as_deref(), &files)?;
    Ok(Exit::Clean)
}

/// How many tokens it reads at once.
fn write_window(out: &mut dyn Write, window: usize, positions: usize) -> io::Result<()> {
    match window < positions {
        true => writeln!(
            out,
            "window      {window} tokens at once, of the {positions} that it has positions for (--window)"
        ),
        false => writeln!(out, "window      {positions} tokens at once"),
    }
}

/// The number of parameters and the shape of a model.
fn write_shape(out: &mut dyn Write, parameters: usize, config: &ElectraConfig) -> io::Result<()> {
    let parameters = match parameters {
        few @ ..100_000 => few.to_string(),
        many => format!("{:.1} million", many as f64 / 1e6),
    };
    writeln!(out, "parameters  {parameters}")?;
    writeln!(
        out,
        "shape       {} layers of {}, {} heads, embeddings of {}, {} positions, {} tokens",
        config.num_hidden_layers,
        config.hidden_size,
        config.num_attention_heads,
        config.embedding_size,
        config.max_position_embeddings,
        config.vocab_size,
    )
}

/// The licence and the files of a model.
fn write_files(
    out: &mut dyn Write,
    licence: Option<&str>,
    files: &[(String, u64, String)],
) -> io::Result<()> {
    writeln!(
        out,
        "licence     {}",
        electroscope_text::visible(licence.unwrap_or("not said"))
    )?;
    let name_width = files.iter().map(|file| file.0.len()).max().unwrap_or(0);
    let size = |file: &(_, u64, _)| file.1.to_string().len();
    let size_width = files.iter().map(size).max().unwrap_or(0);
    for (name, bytes, hash) in files {
        let name = electroscope_text::visible(name);
        writeln!(
            out,
            "file        {name:name_width$}  {bytes:>size_width$} bytes  sha256 {hash}"
        )?;
    }
    Ok(())
}

/// Describes `head`, which was asked for as `id`.
fn head_info(
    global: &Global,
    catalog: &Catalog,
    id: &str,
    head: &OpenedHead,
    as_json: bool,
) -> anyhow::Result<Exit> {
    let OpenedHead {
        resolved,
        checkpoint,
        revision,
    } = head;
    let settings = catalog.settings();
    let (forward, remark) = model::load_head(checkpoint, &settings.device, &settings.precision)?;
    if let Some(remark) = remark {
        messages::remark(global, &remark);
    }
    let config = &checkpoint.config;
    let folder = checkpoint.folder.as_deref();
    let (card, files) = match resolved.builtin() {
        Some(head) => (head.card.to_owned(), builtin_file_facts(&head.files())?),
        None => {
            let folder = folder.unwrap_or(Path::new(""));
            let card = read_text_bounded(&folder.join("README.md"), limits::CARD);
            (
                card.unwrap_or_default(),
                files(folder, &checkpoint.weights)?,
            )
        }
    };
    let licence = licence(&card);
    let adapter = checkpoint.adapter.as_ref();
    let about = resolved.about();
    let score = resolved.builtin().map(|head| head.score);
    let parameters = checkpoint.weights.parameters();
    let mut out = io::stdout().lock();
    if as_json {
        let files: Vec<_> = files
            .iter()
            .map(|(name, bytes, hash)| json!({"name": name, "bytes": bytes, "sha256": hash}))
            .collect();
        let problem = (config.task == Task::Classification).then(|| config.problem.name());
        let object = json!({
            "schema_version": 1,
            "id": id,
            "revision": revision,
            "folder": folder,
            "architecture": config.class(),
            "family": config.family.model_type(),
            "task": config.task,
            "problem": problem,
            "labels": config.labels,
            "no_answer": config.can_refuse,
            "adapter": adapter.map(|Adapter { base, rank, .. }| json!({"base": base, "rank": rank})),
            "about": about,
            "score": score,
            "device": forward.device(),
            "precision": forward.precision(),
            "parameters": parameters,
            "licence": licence,
            "config": config.raw,
            "files": files,
        });
        serde_json::to_writer(&mut out, &object)?;
        writeln!(out)?;
        return Ok(Exit::Clean);
    }
    writeln!(out, "head        {}", electroscope_text::visible(id))?;
    if let Some(revision) = revision {
        writeln!(out, "revision    {}", electroscope_text::visible(revision))?;
    }
    let place = folder.map(crate::report::visible_path);
    let place = place.unwrap_or_else(|| "carried in the program".to_owned());
    writeln!(out, "from        {place}")?;
    writeln!(out, "class       {}", config.class())?;
    writeln!(out, "family      {}", config.family.model_type())?;
    let how = match (config.task, config.problem) {
        (Task::Classification, Problem::SingleLabel) => "one label for a text",
        (Task::Classification, Problem::MultiLabel) => "any number of labels for a text",
        (Task::Classification, Problem::Regression) => "a rating, no probability, for a text",
        (Task::QuestionAnswering, _) if config.can_refuse => {
            "where a text answers a question, or that it does not"
        }
        (Task::QuestionAnswering, _) => "where a text answers a question",
        (Task::Tagging, _) => "a label for each word",
    };
    writeln!(out, "task        {}: {how}", config.task.name())?;
    if let Some(Adapter { base, rank, .. }) = adapter {
        let base = electroscope_text::visible(base);
        writeln!(out, "adapter     of rank {rank}, on {base}")?;
    }
    if let Some(about) = about {
        writeln!(out, "about       {}", electroscope_text::visible(about))?;
    }
    if let Some(score) = score {
        writeln!(out, "measured    {score}")?;
    }
    if !config.labels.is_empty() {
        let labels = config.labels.join(", ");
        writeln!(out, "labels      {}", electroscope_text::visible(&labels))?;
    }
    writeln!(
        out,
        "runs on     {} in {}",
        forward.device(),
        forward.precision()
    )?;
    write_shape(&mut out, parameters, &config.encoder)?;
    write_window(&mut out, catalog.settings().window, config.max_positions)?;
    write_files(&mut out, licence.as_deref(), &files)?;
    Ok(Exit::Clean)
}

/// The files that a model is made of, with their sizes and SHA-256: those of its folder that were
/// read.
fn files(folder: &Path, weights: &Weights) -> anyhow::Result<Vec<(String, u64, String)>> {
    let names = [
        "adapter_config.json",
        "config.json",
        "tokenizer.json",
        "tokenizer_config.json",
        "added_tokens.json",
        "vocab.txt",
    ];
    let described = names.iter().map(|name| folder.join(name));
    let weights = weights.files().map(Path::to_owned);
    let mut files = Vec::new();
    for path in described.chain(weights) {
        if let Ok(metadata) = std::fs::metadata(&path) {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let hash =
                hub::sha256(&path).with_context(|| format!("cannot read {}", path.display()))?;
            files.push((name.into_owned(), metadata.len(), hash));
        }
    }
    Ok(files)
}

/// The same for built-in files.
fn builtin_file_facts<N: ToString>(
    files: &[(N, &'static [u8])],
) -> anyhow::Result<Vec<(String, u64, String)>> {
    let describe = |(name, bytes): &(N, &'static [u8])| {
        let hash = hub::sha256_of(*bytes)?;
        Ok((name.to_string(), bytes.len() as u64, hash))
    };
    files.iter().map(describe).collect()
}

/// The licence that a model card's front matter names.
fn licence(card: &str) -> Option<String> {
    let front = card.strip_prefix("---")?.split("\n---").next()?;
    front
        .lines()
        .find_map(|line| line.strip_prefix("license:"))
        .map(|value| value.trim().trim_matches(['"', '\'']).to_owned())
        .filter(|value| !value.is_empty())
}
