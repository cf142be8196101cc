//! Progress on standard error: of work on documents, and of downloads.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use indicatif::{HumanDuration, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

use super::Global;
use super::messages::remark;
use crate::catalog::LoadObserver;
use crate::report;
use electroscope_model::hub;

/// Progress of long work: shown on a terminal, unless `--quiet` is set, after half a second.
pub(super) struct Progress {
    bar: ProgressBar,
}

impl Progress {
    pub(super) fn new(global: &Global, documents: usize) -> Progress {
        let target = if global.quiet {
            ProgressDrawTarget::hidden()
        } else {
            ProgressDrawTarget::stderr()
        };
        let bar = ProgressBar::with_draw_target(Some(documents as u64 * 1000), target);
        let style =
            ProgressStyle::with_template("{spinner} {bar:24} {percent:>3} %  {time}  {wide_msg}");
        if let Ok(style) = style {
            let time = |state: &ProgressState, out: &mut dyn fmt::Write| {
                let time = time_so_far(state.elapsed(), state.duration());
                // On an error the next draw is soon.
                let _ = out.write_str(&time);
            };
            bar.set_style(style.with_key("time", time));
        }
        bar.set_message("");
        let later = bar.downgrade();
        let is_live = !bar.is_hidden();
        // A long window takes seconds, in which nothing else is reported.
        let tick = move || {
            std::thread::sleep(Duration::from_millis(500));
            if let Some(bar) = later.upgrade().filter(|bar| !bar.is_finished()) {
                bar.enable_steady_tick(Duration::from_millis(250));
            }
        };
        if is_live {
            // Without such a thread there is only no sign of life.
            let _ = std::thread::Builder::new()
                .name("progress".into())
                .spawn(tick);
        }
        Progress { bar }
    }

    /// `done` of `all` parts of a document have been read.
    pub(super) fn show(&self, path: &Path, done: usize, all: usize) {
        if self.bar.elapsed().as_millis() > 500 {
            self.bar.set_message(report::visible_path(path));
            let documents = self.bar.position() / 1000;
            self.bar
                .set_position(documents * 1000 + (999 * done.min(all) / all.max(1)) as u64);
        }
    }

    /// A document is done.
    pub(super) fn next(&self) {
        let documents = self.bar.position() / 1000 + 1;
        if self.bar.elapsed().as_millis() > 500 {
            self.bar.set_position(documents * 1000);
        } else {
            self.bar.update(|state| state.set_pos(documents * 1000));
        }
    }

    /// Runs `write`, which prints something, without the bar on the screen.
    pub(super) fn aside<T>(&self, write: impl FnOnce() -> T) -> T {
        self.bar.suspend(write)
    }

    pub(super) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

/// The time so far, and the estimate of the whole, unless that is less than a second longer or not known.
fn time_so_far(elapsed: Duration, estimate: Duration) -> String {
    const SECOND: Duration = Duration::from_secs(1);
    let so_far = HumanDuration(elapsed.max(SECOND));
    match estimate >= elapsed + SECOND {
        true => format!("{so_far:#} of about {:#}", HumanDuration(estimate)),
        false => format!("{so_far:#}"),
    }
}

/// Prints what happens while a model is opened and loaded: the notes, and a remark and a bar for each
/// download.
pub(super) struct PrintedProgress<'a> {
    global: &'a Global,
    download: Option<ProgressBar>,
}

impl<'a> PrintedProgress<'a> {
    pub(super) fn new(global: &'a Global) -> PrintedProgress<'a> {
        PrintedProgress {
            global,
            download: None,
        }
    }
}

impl LoadObserver for PrintedProgress<'_> {
    fn download(&mut self, id: &str, cache: &Path, progress: hub::Progress<'_>) {
        let bar = self.download.get_or_insert_with(|| {
            let what = format!("downloading {id} into {}", cache.display());
            remark(self.global, &what);
            download_bar(self.global)
        });
        let is_next_file = bar.message() != progress.file;
        bar.set_length(progress.total);
        bar.set_position(progress.done);
        if is_next_file {
            bar.set_message(electroscope_text::visible(progress.file));
            // What an earlier run has downloaded says nothing about the speed of this one.
            bar.reset_eta();
        }
    }

    fn download_finished(&mut self) {
        if let Some(bar) = self.download.take() {
            bar.finish_and_clear();
        }
    }

    fn note(&mut self, note: &str) {
        remark(self.global, note);
    }
}

fn download_bar(global: &Global) -> ProgressBar {
    let target = if global.quiet {
        ProgressDrawTarget::hidden()
    } else {
        ProgressDrawTarget::stderr()
    };
    let bar = ProgressBar::with_draw_target(None, target);
    let style = ProgressStyle::with_template(
        "{msg} {bar:24} {decimal_bytes} of {decimal_total_bytes}  {decimal_bytes_per_sec}{left}",
    );
    if let Ok(style) = style {
        let left = |state: &ProgressState, out: &mut dyn fmt::Write| {
            let left = state.eta();
            if left >= Duration::from_secs(1) {
                // On an error the next draw is soon.
                let _ = write!(out, "  {:#} left", HumanDuration(left));
            }
        };
        bar.set_style(style.with_key("left", left));
    }
    // The estimate changes while nothing arrives, too.
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_estimate_of_less_than_a_second_more_is_not_shown() {
        let seconds = Duration::from_secs_f64;
        assert_eq!(time_so_far(seconds(0.2), seconds(0.0)), "1s");
        assert_eq!(time_so_far(seconds(0.2), seconds(0.9)), "1s");
        assert_eq!(time_so_far(seconds(5.0), seconds(5.5)), "5s");
        assert_eq!(time_so_far(seconds(5.0), seconds(65.0)), "5s of about 65s");
    }
}
