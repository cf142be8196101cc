//! Prepares what is to be learnt beside the learning: a thread reads, cuts and masks, a few batches
//! ahead.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Instant;

use super::chance::Chance;
use super::corpus::{Corpus, Cutter, Position, batches};
use super::masking::{Masked, Share, mask};
use super::segments::Example;
use crate::Error;

/// Batches that are kept ready. As long as they last the next chunk of text can take.
const AHEAD: usize = 64;

/// What chance is about, as the first part of its key; see also [`super::corpus`].
const MASKS: u64 = 6;

/// A batch that is ready to be learnt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fed {
    pub(super) examples: Vec<Example>,
    pub(super) masked: Vec<Masked>,
    /// What comes next.
    pub(super) after: Position,
}

impl Fed {
    /// Tokens in it.
    pub(super) fn tokens(&self) -> usize {
        self.examples.iter().map(|example| example.ids.len()).sum()
    }
}

/// What is masked in a batch: a function of the seed and of what `about` says.
pub(super) fn masked(
    examples: &[Example],
    share: Share,
    cutter: &Cutter,
    about: &[u64],
) -> Vec<Masked> {
    let row = |(row, example): (usize, &Example)| {
        let key = [&[MASKS, cutter.seed], about, &[row as u64]].concat();
        mask(example, share, cutter.special, &mut Chance::of(&key))
    };
    examples.iter().enumerate().map(row).collect()
}

/// What a training is fed from.
pub(super) struct Feeding {
    pub(super) corpus: Arc<Corpus>,
    pub(super) cutter: Cutter,
    pub(super) batch_size: usize,
    pub(super) share: Share,
}

/// The near end of the thread; dropping it ends the thread.
pub(super) struct Feed {
    /// None while it is dropped: the thread ends when nobody listens any more.
    batches: Option<Receiver<Result<Fed, Error>>>,
    thread: Option<JoinHandle<()>>,
}

impl Feed {
    /// Feeds from `from` on, which is where step number `step` is.
    ///
    /// # Errors
    ///
    /// Those of starting a thread.
    pub(super) fn start(feeding: Feeding, from: Position, step: u64) -> Result<Feed, Error> {
        let (ready, batches) = sync_channel(AHEAD);
        let thread = std::thread::Builder::new()
            .name("feed".into())
            .spawn(move || feed(&feeding, from, step, &ready))
            .map_err(|err| Error::Settings(format!("no thread can be started: {err}")))?;
        Ok(Feed {
            batches: Some(batches),
            thread: Some(thread),
        })
    }

    /// The next batch.
    ///
    /// # Errors
    ///
    /// Those of reading the text.
    pub(super) fn next(&self) -> Result<Fed, Error> {
        let gone = || Error::Settings("the text came to an unexpected end".to_owned());
        let batches = self.batches.as_ref().ok_or_else(gone)?;
        batches.recv().map_err(|_| gone())?
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.batches = None;
        if let Some(thread) = self.thread.take() {
            // A panic there has been printed, and the training knows that nothing comes any more.
            let _ = thread.join();
        }
    }
}

fn feed(feeding: &Feeding, from: Position, first: u64, ready: &SyncSender<Result<Fed, Error>>) {
    let Feeding {
        corpus,
        cutter,
        batch_size,
        share,
    } = feeding;
    let mut step = first;
    let end = batches(corpus, cutter, *batch_size, from, |batch| {
        let began = Instant::now();
        let masked = masked(&batch.examples, *share, cutter, &[step]);
        tracing::debug!(step, took = ?began.elapsed(), "masked");
        step += 1;
        let fed = Fed {
            examples: batch.examples,
            masked,
            after: batch.after,
        };
        ready.send(Ok(fed)).is_ok()
    });
    if let Err(err) = end {
        // Nobody listens if the training has ended already.
        let _ = ready.send(Err(err));
    }
}
