//! Which arithmetic is the fastest here, found out by trying.

use std::time::{Duration, Instant};

use super::linear::Linear;
use super::simd::InstructionSet;
use super::{Arithmetic, int8};
use crate::weights::Weights;
use crate::{ElectraConfig, Error};

/// How often each is tried. The shortest time counts: whatever else a machine does only adds to it.
const TRIALS: usize = 5;

/// Eight bits change the answers a little, and are chosen only where they save at least so much of the
/// time. By instructions made for them they take a third of it or less, and all of it without.
const WORTH: f64 = 0.8;

/// What to compute `weights` in if nobody says: eight bits where they are carried in eight bits, so that
/// only the activations are rounded, and where a layer of this model takes less time in them on this
/// machine. The trial takes a few milliseconds.
///
/// # Errors
///
/// As [`Linear::load`].
pub(super) fn quickest(config: &ElectraConfig, weights: &Weights) -> Result<Arithmetic, Error> {
    // The smallest there is: what a trial takes of memory is not given back to the system.
    let name = "electra.encoder.layer.0.attention.output.dense".to_owned();
    if weights.quantised(&format!("{name}.weight")).is_none() {
        return Ok(Arithmetic::F32);
    }
    let set = InstructionSet::choose()?;
    let (inputs, outputs) = (config.hidden_size, config.hidden_size);
    let names = [name];
    let load = |arithmetic| Linear::load(weights, &names, inputs, outputs, arithmetic, set);
    let layers = [load(Arithmetic::F32)?, load(Arithmetic::Int8)?];
    let columns = 2 * set.lanes();
    let xs: Vec<f32> = (0..inputs * columns)
        .map(|at| (at % 61) as f32 / 30.0 - 1.0)
        .collect();
    let mut to = vec![0.0; outputs * columns];
    let mut room = int8::Int8Scratch::default();
    let mut times = [Duration::MAX; 2];
    for _ in 0..TRIALS {
        for (layer, time) in layers.iter().zip(&mut times) {
            let begun = Instant::now();
            layer.forward(&mut room, &xs, columns, None, &mut to);
            std::hint::black_box(&mut to);
            *time = begun.elapsed().min(*time);
        }
    }
    let [f32, int8] = times.map(|time| time.as_secs_f64());
    Ok(if int8 < WORTH * f32 {
        Arithmetic::Int8
    } else {
        Arithmetic::F32
    })
}
