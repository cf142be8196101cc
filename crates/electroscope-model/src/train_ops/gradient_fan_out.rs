//! Gradients for any number of tensors from one operation.
//!
//! An operation of candle has at most three operands. One with more takes a fan-out: a scalar that is
//! computed from all the others, so that the backward pass reaches them after the operation itself,
//! which leaves their gradients where the fan-out finds them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use candle_core::{
    CpuStorage, CustomOp2, CustomOp3, DType, Device, Layout, Result, Shape, Tensor, TensorId,
};

/// Gradients by the tensor they belong to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Gradients(Arc<Mutex<HashMap<TensorId, Tensor>>>);

impl Gradients {
    /// Leaves the gradient of `of` for its fan-out.
    pub(crate) fn leave(&self, of: &Tensor, gradient: Vec<f32>) -> Result<()> {
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
pub(crate) fn fan_out<'a>(
    tensors: impl IntoIterator<Item = &'a Tensor>,
    gradients: &Gradients,
) -> Result<Tensor> {
    let mut scalar = Tensor::zeros((), DType::F32, &Device::Cpu)?;
    let mut waiting = None;
    for tensor in tensors.into_iter().filter(|tensor| tensor.track_op()) {
        match waiting.take() {
            None => waiting = Some(tensor),
            Some(first) => scalar = scalar.apply_op3(first, tensor, FanOut(gradients.clone()))?,
        }
    }
    match waiting {
        Some(last) => scalar.apply_op2(last, FanOut(gradients.clone())),
        None => Ok(scalar),
    }
}

struct FanOut(Gradients);

impl CustomOp2 for FanOut {
    fn name(&self) -> &'static str {
        "fan-out"
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
        fan_out: &Tensor,
        tensor: &Tensor,
        _: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let onward = fan_out.track_op().then(|| gradient.clone());
        Ok((onward, self.0.take(tensor)))
    }
}

impl CustomOp3 for FanOut {
    fn name(&self) -> &'static str {
        "fan-out"
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
        fan_out: &Tensor,
        first: &Tensor,
        second: &Tensor,
        _: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let onward = fan_out.track_op().then(|| gradient.clone());
        Ok((onward, self.0.take(first), self.0.take(second)))
    }
}
