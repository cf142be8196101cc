//! The tensors of a model, taken from a checkpoint and ready for a [`candle_nn::VarBuilder`].

use crate::Error;
use crate::checkpoint::weights::Weights;
use crate::family::Family;
use crate::names::Parameter;

/// The tensors of `parameters` from `weights`, as f32 on `device`, ready for a
/// [`candle_nn::VarBuilder`]. `shared` is asked first: a generator has its word embeddings there.
///
/// # Errors
///
/// What [`Weights::tensor`] finds, for the first tensor that does not fit.
pub fn load(
    parameters: &[Parameter],
    weights: &Weights,
    shared: Option<&Weights>,
    device: &candle_core::Device,
) -> Result<std::collections::HashMap<String, candle_core::Tensor>, Error> {
    parameters
        .iter()
        .map(|Parameter { name, shape }| {
            let source = match shared {
                Some(shared) if weights.shape(name).is_none() && shared.shape(name).is_some() => {
                    shared
                }
                _ => weights,
            };
            Ok((name.clone(), source.tensor(name, shape, device)?))
        })
        .collect()
}

/// As [`load`], from the checkpoint of another family: the tensors have its names there, and have
/// ELECTRA's here.
///
/// # Errors
///
/// As [`load`].
pub fn load_translated(
    parameters: &[Parameter],
    family: Family,
    weights: &Weights,
    device: &candle_core::Device,
) -> Result<std::collections::HashMap<String, candle_core::Tensor>, Error> {
    parameters
        .iter()
        .map(|Parameter { name, shape }| {
            let tensor = weights.tensor(&family.tensor(name), shape, device)?;
            Ok((name.clone(), tensor))
        })
        .collect()
}
