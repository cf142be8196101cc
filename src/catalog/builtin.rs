//! The built-in pair: a discriminator and its generator, in the program file, so that scoring needs no
//! download.
//!
//! `electroscope model export --packed` writes the files in `assets/builtin/`; the README there says how
//! the models were made and how well they work.

use electroscope_model::checkpoint::packed::PackedPair;
use electroscope_model::nn::plain::PlainGenerator;
use electroscope_model::{
    BaseRequest, BaseSource, Checkpoint, ElectraConfig, Error, HeadCheckpoint, Weights,
};
use std::path::Path;

/// The name of the built-in pair, as `--model` takes it.
pub const NAME: &str = "builtin";

/// The model card.
pub const CARD: &str = include_str!("../../assets/builtin/README.md");

/// Bytes at an address where the numbers in them are aligned.
#[repr(C, align(64))]
pub(super) struct Aligned<T: ?Sized>(pub(super) T);

static DISCRIMINATOR: &Aligned<[u8]> = &Aligned(*include_bytes!(
    "../../assets/builtin/discriminator.safetensors"
));
static GENERATOR: &Aligned<[u8]> = &Aligned(*include_bytes!(
    "../../assets/builtin/generator.safetensors"
));

/// The pair as the program file has it.
pub static PAIR: PackedPair = PackedPair {
    discriminator_config: include_bytes!("../../assets/builtin/discriminator.json"),
    discriminator_weights: &DISCRIMINATOR.0,
    generator_config: include_bytes!("../../assets/builtin/generator.json"),
    generator_weights: &GENERATOR.0,
    vocabulary: include_bytes!("../../assets/builtin/vocab.txt"),
    notice: include_str!("../../assets/builtin/NOTICE"),
};

/// Opens the discriminator.
///
/// # Errors
///
/// None in a program that was built from a valid pair; a test loads it.
pub fn discriminator() -> Result<Checkpoint, Error> {
    Checkpoint::from_packed(&PAIR)
}

/// Opens the generator: its configuration and its own weights. The rest are those of the discriminator.
///
/// # Errors
///
/// As [`discriminator`].
pub fn generator() -> Result<(ElectraConfig, Weights), Error> {
    PAIR.generator()
}

/// Loads the generator, on the CPU.
///
/// # Errors
///
/// As [`discriminator`].
pub fn plain_generator() -> Result<PlainGenerator, Error> {
    PlainGenerator::from_packed(&PAIR)
}

/// Opens the head in `folder`, which may be an adapter of the built-in discriminator, but not of a hub
/// model.
///
/// # Errors
///
/// As [`HeadCheckpoint::open`].
pub fn open_head(folder: &Path) -> Result<HeadCheckpoint, Error> {
    HeadCheckpoint::open_with(folder, &mut |base| match base {
        BaseRequest::Builtin => Ok(BaseSource::Packed(PAIR)),
        BaseRequest::Hub { .. } => Err(base.not_here(folder)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pair_can_be_loaded() {
        assert!(discriminator().is_ok());
        assert!(plain_generator().is_ok());
    }
}
