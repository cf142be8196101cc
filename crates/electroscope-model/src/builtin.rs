//! The pair that the binary carries, so that the main job needs no network.
//!
//! `assets/builtin/` is written by `electroscope model export --packed`; see its README for how the
//! models were made and what they are worth.

use std::path::Path;
use std::sync::Arc;

use crate::checkpoint::check_vocabulary;
use crate::checkpoint::weights::Weights;
use crate::nn::plain::PlainGenerator;
use crate::{Aligned, Checkpoint, ElectraConfig, Error, Tokenizer, VocabularyOptions};

/// The model card.
pub const CARD: &str = include_str!("../../../assets/builtin/README.md");

/// Whose work the pair is made from, and under which licences: it goes wherever the pair goes.
pub const NOTICE: &str = include_str!("../../../assets/builtin/NOTICE");

static DISCRIMINATOR: &Aligned<[u8]> = &Aligned(*include_bytes!(
    "../../../assets/builtin/discriminator.safetensors"
));
static GENERATOR: &Aligned<[u8]> = &Aligned(*include_bytes!(
    "../../../assets/builtin/generator.safetensors"
));
static DISCRIMINATOR_CONFIG: &[u8] = include_bytes!("../../../assets/builtin/discriminator.json");
static GENERATOR_CONFIG: &[u8] = include_bytes!("../../../assets/builtin/generator.json");
static VOCABULARY: &[u8] = include_bytes!("../../../assets/builtin/vocab.txt");

/// What the binary carries, file by file.
pub fn files() -> [(&'static str, &'static [u8]); 5] {
    [
        ("discriminator.json", DISCRIMINATOR_CONFIG),
        ("discriminator.safetensors", &DISCRIMINATOR.0),
        ("generator.json", GENERATOR_CONFIG),
        ("generator.safetensors", &GENERATOR.0),
        ("vocab.txt", VOCABULARY),
    ]
}

/// The weights of the discriminator, as a file.
pub(super) fn discriminator_bytes() -> &'static [u8] {
    &DISCRIMINATOR.0
}

pub(super) fn discriminator() -> Result<Checkpoint, Error> {
    let config = ElectraConfig::parse(
        DISCRIMINATOR_CONFIG,
        Path::new("built-in discriminator.json"),
    )?;
    let path = Path::new("built-in vocab.txt");
    let tokenizer = Tokenizer::from_vocabulary(VOCABULARY, VocabularyOptions::default(), path)?;
    check_vocabulary(&tokenizer, &config, path)?;
    let weights = Weights::carried("built-in discriminator.safetensors", &DISCRIMINATOR.0)?;
    Ok(Checkpoint {
        folder: None,
        config,
        tokenizer: Arc::new(tokenizer),
        weights,
    })
}

/// The configuration and the own weights of the generator; the rest is the discriminator's.
///
/// # Errors
///
/// None in a binary that was built from a sound pair; a test loads it.
pub fn generator() -> Result<(ElectraConfig, Weights), Error> {
    let config = ElectraConfig::parse(GENERATOR_CONFIG, Path::new("built-in generator.json"))?;
    let weights = Weights::carried("built-in generator.safetensors", &GENERATOR.0)?;
    Ok((config, weights))
}

impl PlainGenerator {
    /// The generator that the binary carries, on the CPU.
    ///
    /// # Errors
    ///
    /// As [`generator`].
    pub fn builtin() -> Result<PlainGenerator, Error> {
        let (config, weights) = generator()?;
        let discriminator = discriminator()?;
        PlainGenerator::load(
            &config,
            &weights,
            Some(&discriminator.weights),
            &candle_core::Device::Cpu,
        )
    }
}
