//! When to look: after a burst of hints has gone quiet, but never much later than it began.
//!
//! Apart from the thread, because this is the part that has to do with time: every instant is given
//! to it, so that its tests need no clock. It never looks at a file.

use std::time::{Duration, Instant};

/// How long the thread waits, and for what.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    /// A file is read this long after the last hint about it.
    pub(super) quiet: Duration,
    /// Though no later than this after the first hint.
    pub(super) limit: Duration,
    /// Files that nobody tells about are looked at this often.
    pub(super) poll: Duration,
    /// All others are looked at this often, for the hints that never come: a write through a
    /// memory map, a file system mounted over the folder, a folder far above that is renamed.
    pub(super) sweep: Duration,
    /// A call about a file may take this long, or as long between two parts that are read; then its
    /// file system counts as hung.
    pub(super) stall: Duration,
}

impl Pace {
    /// What a reader takes for at once, and a machine for seldom. A save is a burst of hints within a few
    /// milliseconds; one that is longer is read again when it ends.
    pub(super) const USUAL: Pace = Pace {
        quiet: Duration::from_millis(12),
        limit: Duration::from_millis(200),
        poll: Duration::from_millis(500),
        sweep: Duration::from_secs(2),
        stall: Duration::from_secs(2),
    };
}

/// The hints about one file that are not yet answered by a look.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Debounce {
    burst: Option<Burst>,
}

#[derive(Clone, Copy, Debug)]
struct Burst {
    first: Instant,
    last: Instant,
    /// A look found what may be half a save, so only a new hint or the limit ends the wait.
    held: bool,
}

impl Debounce {
    /// Something may have happened to the file.
    pub(super) fn hint(&mut self, now: Instant) {
        let first = self.burst.map_or(now, |burst| burst.first);
        self.burst = Some(Burst {
            first,
            last: now,
            held: false,
        });
    }

    /// When to look, if there is a reason to.
    pub(super) fn due(&self, pace: &Pace) -> Option<Instant> {
        self.burst.map(|burst| {
            let limit = burst.first + pace.limit;
            if burst.held {
                limit
            } else {
                limit.min(burst.last + pace.quiet)
            }
        })
    }

    /// Whether the wait has reached its limit, so that what a look finds has to be believed.
    pub(super) fn is_spent(&self, now: Instant, pace: &Pace) -> bool {
        self.burst
            .is_some_and(|burst| now >= burst.first + pace.limit)
    }

    /// A look found what may be half a save: look again at the next hint, or at the limit.
    pub(super) fn hold(&mut self, now: Instant) {
        let burst = self.burst.get_or_insert(Burst {
            first: now,
            last: now,
            held: true,
        });
        burst.held = true;
    }

    /// A look has answered the hints.
    pub(super) fn settle(&mut self) {
        self.burst = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACE: Pace = Pace::USUAL;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn a_file_without_hints_is_never_due() {
        assert_eq!(Debounce::default().due(&PACE), None);
        assert!(!Debounce::default().is_spent(Instant::now(), &PACE));
    }

    #[test]
    fn each_hint_puts_the_look_off_until_there_is_quiet() {
        let start = Instant::now();
        let mut debounce = Debounce::default();
        for at in [0, 10, 25, 60] {
            debounce.hint(start + ms(at));
            assert_eq!(debounce.due(&PACE), Some(start + ms(at) + PACE.quiet));
        }
    }

    #[test]
    fn a_stream_of_hints_cannot_put_the_look_off_beyond_the_limit() {
        let start = Instant::now();
        let mut debounce = Debounce::default();
        for at in 0..1000 {
            debounce.hint(start + ms(at));
        }
        assert_eq!(debounce.due(&PACE), Some(start + PACE.limit));
        assert!(!debounce.is_spent(start + PACE.limit - ms(1), &PACE));
        assert!(debounce.is_spent(start + PACE.limit, &PACE));
    }

    #[test]
    fn a_look_ends_the_burst_and_the_next_hint_begins_another() {
        let start = Instant::now();
        let mut debounce = Debounce::default();
        debounce.hint(start);
        debounce.settle();
        assert_eq!(debounce.due(&PACE), None);
        let later = start + PACE.limit;
        debounce.hint(later);
        assert_eq!(debounce.due(&PACE), Some(later + PACE.quiet));
        assert!(!debounce.is_spent(later, &PACE));
    }

    #[test]
    fn a_doubtful_find_waits_for_the_limit_or_for_the_next_hint() {
        let start = Instant::now();
        let mut debounce = Debounce::default();
        debounce.hint(start);
        debounce.hold(start + PACE.quiet);
        assert_eq!(debounce.due(&PACE), Some(start + PACE.limit));
        debounce.hint(start + ms(60));
        assert_eq!(debounce.due(&PACE), Some(start + ms(60) + PACE.quiet));
    }

    #[test]
    fn a_doubtful_find_without_a_hint_begins_a_burst_of_its_own() {
        let start = Instant::now();
        let mut debounce = Debounce::default();
        debounce.hold(start);
        assert_eq!(debounce.due(&PACE), Some(start + PACE.limit));
    }
}
