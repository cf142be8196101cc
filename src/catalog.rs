//! From a name to a model or a head.

pub mod builtin;
pub mod builtin_heads;

pub use builtin_heads::{BuiltinHead, PREFIX as BUILTIN_PREFIX};
