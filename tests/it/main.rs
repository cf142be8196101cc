//! What a user sees, and what the reference implementation says: one binary, so that it links once.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod accepting;
mod adapters;
mod ask;
mod checkpoints;
mod classify;
mod cli;
mod evaluate;
mod evaluate_rtd;
mod examples;
mod finetune;
mod fix;
mod formats;
mod fuzz_text;
mod heads;
mod heads_at_work;
mod heads_by_name;
mod hostile;
mod hub;
mod kernels;
mod lsp;
mod models;
mod not_a_number;
mod parity;
mod pretrain;
mod project_folder;
mod queue;
mod reading;
mod sandbox;
mod score_formats;
mod scoring;
mod screen;
mod soak;
mod suggestions;
mod tag;
mod training;
