//! Prepares batches beside the training: a thread reads, cuts and masks text a few batches ahead.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Instant;

use super::corpus::{Corpus, CorpusPosition, WindowCutter, batches};
use super::masking::{MaskedWindow, MaskingRate, mask};
use super::segments::PretrainWindow;
use crate::Error;
use crate::rng::SeededRng;

/// Batches that are kept ready, enough to bridge the time that the next chunk of text takes.
const AHEAD: usize = 64;

/// The first number of the key of random masks; see also [`super::corpus`].
const MASKS: u64 = 6;

/// A batch that is ready for a training step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PretrainBatch {
    pub(super) windows: Vec<PretrainWindow>,
    pub(super) masked: Vec<MaskedWindow>,
    /// The position after this batch.
    pub(super) after: CorpusPosition,
}

impl PretrainBatch {
    /// The number of tokens, without padding.
    pub(super) fn tokens(&self) -> usize {
        self.windows.iter().map(|window| window.ids.len()).sum()
    }
}

/// Masks the windows of a batch: a function of the seed and of `batch_key`.
pub(super) fn mask_windows(
    windows: &[PretrainWindow],
    rate: MaskingRate,
    cutter: &WindowCutter,
    batch_key: &[u64],
) -> Vec<MaskedWindow> {
    let row = |(row, window): (usize, &PretrainWindow)| {
        let key = [&[MASKS, cutter.seed], batch_key, &[row as u64]].concat();
        mask(window, rate, cutter.special, &mut SeededRng::for_key(&key))
    };
    windows.iter().enumerate().map(row).collect()
}

/// What batches are made from.
pub(super) struct BatchSource {
    pub(super) corpus: Arc<Corpus>,
    pub(super) cutter: WindowCutter,
    pub(super) batch_size: usize,
    pub(super) rate: MaskingRate,
}

/// Receives batches from a thread that prepares them. Dropping it ends the thread.
pub(super) struct BatchPrefetcher {
    /// None while it is dropped: the thread ends when it cannot send any more.
    batches: Option<Receiver<Result<PretrainBatch, Error>>>,
    thread: Option<JoinHandle<()>>,
}

impl BatchPrefetcher {
    /// Starts the thread. Its first batch is that at position `from`, for step `step`.
    ///
    /// # Errors
    ///
    /// [`Error::Settings`] if no thread can be started.
    pub(super) fn start(
        source: BatchSource,
        from: CorpusPosition,
        step: u64,
    ) -> Result<BatchPrefetcher, Error> {
        let (ready, batches) = sync_channel(AHEAD);
        let thread = std::thread::Builder::new()
            .name("prefetch".into())
            .spawn(move || prefetch(&source, from, step, &ready))
            .map_err(|err| Error::Settings(format!("cannot start a thread: {err}")))?;
        Ok(BatchPrefetcher {
            batches: Some(batches),
            thread: Some(thread),
        })
    }

    /// The next batch.
    ///
    /// # Errors
    ///
    /// Those of reading the text.
    pub(super) fn next(&self) -> Result<PretrainBatch, Error> {
        let gone =
            || Error::Settings("the thread that reads the text ended unexpectedly".to_owned());
        let batches = self.batches.as_ref().ok_or_else(gone)?;
        batches.recv().map_err(|_| gone())?
    }
}

impl Drop for BatchPrefetcher {
    fn drop(&mut self) {
        self.batches = None;
        if let Some(thread) = self.thread.take() {
            // If it panicked, that was printed, and `next` has returned an error.
            let _ = thread.join();
        }
    }
}

fn prefetch(
    source: &BatchSource,
    from: CorpusPosition,
    first_step: u64,
    ready: &SyncSender<Result<PretrainBatch, Error>>,
) {
    let BatchSource {
        corpus,
        cutter,
        batch_size,
        rate,
    } = source;
    let mut step = first_step;
    let end = batches(corpus, cutter, *batch_size, from, |batch| {
        let began = Instant::now();
        let masked = mask_windows(&batch.windows, *rate, cutter, &[step]);
        tracing::debug!(step, took = ?began.elapsed(), "masked");
        step += 1;
        let batch = PretrainBatch {
            windows: batch.windows,
            masked,
            after: batch.after,
        };
        ready.send(Ok(batch)).is_ok()
    });
    if let Err(err) = end {
        // If the training has ended, nobody receives this.
        let _ = ready.send(Err(err));
    }
}
