//! Reads a text with an ELECTRA discriminator and shows, word by word, what it doubts.
//!
//! This package is the program: commands, screen, threads and printers. What can be used without a
//! terminal is in four crates, which know nothing of this one:
//!
//! - [`electroscope_text`]: documents, spans, prose, lines, rows. Pure, and cannot fail once the bytes
//!   are decoded.
//! - [`electroscope_model`]: ELECTRA on candle: configuration, tokenizer, weights, forward passes, where
//!   checkpoints come from. With `electroscope_training` the only crate that sees a tensor.
//! - [`electroscope_analysis`]: windows, the cache, and the questions we ask a text. Uses text and model.
//! - [`electroscope_training`]: fine-tuning, pre-training and evaluation. Uses text, model and analysis.
//!
//! # From a text to colours
//!
//! A [`electroscope_text::Document`] is cut into blocks of prose; [`electroscope_analysis`] turns the
//! blocks into tokens and the tokens into windows; [`electroscope_model`] answers each window with one
//! logit per token; the answers come back as [`electroscope_analysis::Reading`]s, plain data in byte
//! offsets of the document. [`report`] prints them for the commands in [`cli`]; [`ui`] paints them, fed
//! by the threads in [`worker`].
//!
//! # Modules
//!
//! Each may use those above it in this list, and none below.
//!
//! - [`settings`]: what a user may set; flag beats variable beats file.
//! - [`english`]: the English dictionary that the program carries.
//! - [`report`]: findings as coloured text, compact lines, JSON; the scale from p to a colour.
//! - [`catalog`]: from a name to a model or a head, built-in ones included.
//! - [`worker`]: the threads: those that own the model and the heads, those that watch, find and read
//!   files.
//! - [`ui`]: the screen: state, update, view.
//! - [`cli`]: one file per command, and the exit code.
//!
//! # What is not here
//!
//! No async runtime, no global state, and no network unless a model is named that is not on disk.
//! Positions in memory are byte offsets into one version of one document; columns exist only where
//! they are printed.

pub mod catalog;
pub mod cli;
pub mod english;
pub mod report;
pub mod settings;
pub mod ui;
pub mod worker;
