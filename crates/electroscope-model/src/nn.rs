//! The networks as candle modules: the encoder, what stands on it, and the forward passes that are
//! made of them. Gradients reach every weight; the fused pass for a CPU is in [`crate::kernels`].

pub mod electra;
pub mod encoder_layer;
pub mod head_layers;
pub mod head_model;
pub mod layers;
pub mod plain;
