//! A minimum rate for transfers: a server that sends a byte now and then would keep the program waiting
//! for ever, and never runs into a time limit for one read.

use std::io::{self, Read};
use std::time::{Duration, Instant};

/// Bytes a second that have to come.
const LEAST: f64 = 1_000.0;

/// Reads what comes at [`LEAST`] bytes a second or more, as a mean over `over`.
pub(super) struct Paced<R> {
    inner: R,
    over: Duration,
    since: Instant,
    bytes: usize,
}

/// What came too slowly.
#[derive(Debug, thiserror::Error)]
#[error(
    "only {bytes} bytes came in {} s, and at least {LEAST} bytes a second are waited for", seconds.round()
)]
pub(super) struct TooSlow {
    bytes: usize,
    seconds: f64,
}

impl<R: Read> Paced<R> {
    pub(super) fn new(inner: R, over: Duration) -> Paced<R> {
        Paced {
            inner,
            over,
            since: Instant::now(),
            bytes: 0,
        }
    }
}

impl<R: Read> Read for Paced<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let len = self.inner.read(buffer)?;
        self.bytes += len;
        let spent = self.since.elapsed();
        // The end is no pause.
        if len > 0 && spent >= self.over {
            let (bytes, seconds) = (self.bytes, spent.as_secs_f64());
            if (bytes as f64) < LEAST * seconds {
                return Err(io::Error::other(TooSlow { bytes, seconds }));
            }
            (self.since, self.bytes) = (Instant::now(), 0);
        }
        Ok(len)
    }
}

/// Whether an error is [`TooSlow`].
pub(super) fn is_too_slow(err: &io::Error) -> bool {
    err.get_ref().is_some_and(|inner| inner.is::<TooSlow>())
}
