//! Reads a text with an ELECTRA discriminator and shows, word by word, what it doubts.
//!
//! # The way through
//!
//! A [`text::Document`] is cut into blocks of prose; [`analysis`] turns the blocks into tokens and
//! the tokens into windows; [`model`] answers each window with one logit per token; the answers
//! come back as [`analysis::Reading`]s, plain data in byte offsets of the document. Two ends show
//! them: [`report`] prints them for the commands in [`cli`], and [`ui`] paints them, fed by the
//! threads in [`worker`].
//!
//! # Where things are
//!
//! Light falls one way: each room may use those above it in this list, and none below.
//!
//! - [`text`]: documents, spans, prose, lines, rows. Pure, and cannot fail once the bytes are decoded.
//! - [`model`]: ELECTRA on candle: configuration, tokenizer, weights, where checkpoints come from.
//!   With [`training`] the only room that sees a tensor.
//! - [`analysis`]: windows, the cache, and the questions we ask a text.
//! - [`training`]: fine-tuning, pre-training, and measuring what a checkpoint is worth.
//! - [`report`]: findings as coloured text, compact lines, JSON; the scale from p to a colour.
//! - [`worker`]: the threads: those that own the model and the heads, those that watch, find and read
//!   files.
//! - [`ui`]: the screen: state, update, view.
//! - [`settings`]: what a user may set; flag beats variable beats file.
//! - [`cli`]: one file per command, and the exit code.
//!
//! # What is not here
//!
//! No async runtime, no global state, and no network unless a model is named that is not on disk.
//! Positions in memory are byte offsets into one version of one document; columns exist only where
//! they are printed.

pub mod analysis;
pub mod cli;
pub mod model;
pub mod report;
pub mod settings;
pub mod text;
pub mod training;
pub mod ui;
pub mod worker;
