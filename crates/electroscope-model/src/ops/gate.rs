//! Gradients for any number of tensors from one operation.
//!
//! candle's operations have three operands at most. One with more takes a gate: a scalar that is
//! made of all the others, so that they are reached on the way back after the operation itself,
//! which leaves their gradients where the gate finds them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use candle_core::{
    CpuStorage, CustomOp2, CustomOp3, DType, Device, Layout, Result, Shape, Tensor, TensorId,
};

/// Gradients by what they are of.
#[derive(Clone, Debug, Default)]
pub(super) struct Gradients(Arc<Mutex<HashMap<TensorId, Tensor>>>);

impl Gradients {
    /// Leaves the gradient of `of` for its gate.
    pub(super) fn leave(&self, of: &Tensor, gradient: Vec<f32>) -> Result<()> {
        let gradient = super::shaped(gradient, of)?;
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert(of.id(), gradient);
        Ok(())
    }

    fn take(&self, of: &Tensor) -> Option<Tensor> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.remove(&of.id())
    }
}

/// A scalar behind which those of `tensors` that are tracked get what is left in `gradients`.
pub(super) fn gate<'a>(
    tensors: impl IntoIterator<Item = &'a Tensor>,
    gradients: &Gradients,
) -> Result<Tensor> {
    let mut gate = Tensor::zeros((), DType::F32, &Device::Cpu)?;
    let mut waiting = None;
    for tensor in tensors.into_iter().filter(|tensor| tensor.track_op()) {
        match waiting.take() {
            None => waiting = Some(tensor),
            Some(first) => gate = gate.apply_op3(first, tensor, Gate(gradients.clone()))?,
        }
    }
    match waiting {
        Some(last) => gate.apply_op2(last, Gate(gradients.clone())),
        None => Ok(gate),
    }
}

struct Gate(Gradients);

impl CustomOp2 for Gate {
    fn name(&self) -> &'static str {
        "gate"
    }

    fn cpu_fwd(
        &self,
        _: &CpuStorage,
        _: &Layout,
        _: &CpuStorage,
        _: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        Ok((CpuStorage::F32(vec![0.0]), Shape::from(())))
    }

    fn bwd(
        &self,
        gate: &Tensor,
        tensor: &Tensor,
        _: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let onward = gate.track_op().then(|| gradient.clone());
        Ok((onward, self.0.take(tensor)))
    }
}

impl CustomOp3 for Gate {
    fn name(&self) -> &'static str {
        "gate"
    }

    fn cpu_fwd(
        &self,
        _: &CpuStorage,
        _: &Layout,
        _: &CpuStorage,
        _: &Layout,
        _: &CpuStorage,
        _: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        Ok((CpuStorage::F32(vec![0.0]), Shape::from(())))
    }

    fn bwd(
        &self,
        gate: &Tensor,
        first: &Tensor,
        second: &Tensor,
        _: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let onward = gate.track_op().then(|| gradient.clone());
        Ok((onward, self.0.take(first), self.0.take(second)))
    }
}
