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
//! by the threads in [`worker`]; [`lsp`] tells an editor.
//!
//! # From a save to new colours
//!
//! 1. An editor saves `notes.md`. The thread of `worker/files.rs` gets an event of its folder, waits until
//!    the folder is quiet (`worker/files/quiet.rs`), reads the file (`reading.rs`) and compares the text
//!    with the last one. It differs: `FileEvent::Changed(Document)`.
//! 2. The event becomes a message in the queue of `ui/app.rs`. `ui/update.rs` gives the document a new
//!    `Generation`, moves what is known of unchanged words (`Readings::edited` in `ui/readings.rs`), and
//!    returns `Effect::Model(Job::Score { .. })`.
//! 3. The thread of `worker/inference.rs` takes the newest job (`worker/latest.rs`), and asks the engine for
//!    the region that the reader looks at first.
//! 4. `Engine::score_region` (`crates/electroscope-analysis/src/engine.rs`) plans the region's windows
//!    (`outline.rs`, `tokens.rs`, `window.rs`), takes unchanged ones from the cache (`passes.rs`), lets
//!    the model compute the rest, and makes a `Reading` of each (`word_scorer.rs`).
//! 5. Each reading comes back as `Reply::Scored`; `ui/update.rs` inserts it into the `Readings` of the
//!    document, if its generation is still the newest. The next frame (`ui/view/heatmap.rs`) paints it.
//!
//! # From a logit to a painted cell, and to JSON
//!
//! The fused forward pass (`crates/electroscope-model/src/kernels.rs`) gives one logit per token.
//! `word_scorer.rs` makes p = sigmoid(logit) of it, or with the lens `errors` the p of the evidence model
//! (`evidence.rs`); a word has the largest p of its pieces. On the screen `report/heat.rs` makes a level of
//! 0 to 8 of p and the threshold, and a colour of the level; `ui/view/heatmap.rs` puts it behind the glyphs of
//! the word, which `wrap.rs` of the text crate has laid out. For `score`, the `Queue` (`queue.rs`) packs
//! the readings of a document (`readings.rs`), and `report/json.rs` writes them with line and column.
//!
//! # From a row of a table to a gradient
//!
//! `finetune classification --train mails.tsv`: `src/cli/finetune.rs` reads the table with
//! `crates/electroscope-training/src/data/table.rs` into `LabelledTexts`; `features.rs` makes an `Example` of
//! each row, token ids and a target; `batches.rs` puts examples of like length together, shuffled by the
//! seed. For each step `finetune.rs` takes a batch; `trainable_head.rs` collates it, runs the forward pass
//! (`nn/` and `train_ops/` of the model crate, whose operations have a backward), computes the loss
//! (`loss.rs`) and calls `backward`; `optimizer.rs` clips the gradients and takes a step.
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
//! - [`lsp`]: the language server for editors.
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
pub mod lsp;
pub mod report;
pub mod settings;
pub mod ui;
pub mod worker;
