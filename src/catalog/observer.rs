//! What happens while a model or a head is opened and loaded.

use std::path::Path;

use electroscope_model::hub;

/// Is told what happens while the [`Catalog`](super::Catalog) opens and loads something. The commands
/// print it to standard error; the screen shows it.
pub trait LoadObserver {
    /// The next step begins: `opening NAME`, `loading NAME`.
    fn step(&mut self, step: String) {
        let _ = step;
    }

    /// A part of a file of the hub model `id` has arrived in `cache`.
    fn download(&mut self, id: &str, cache: &Path, progress: hub::Progress<'_>);

    /// All files of a hub model are here.
    fn download_finished(&mut self) {}

    /// A remark for the user: a device that is not there, an old copy that is used.
    fn note(&mut self, note: &str);
}

/// Passes steps on as text, one for each percent of a download, and collects the notes.
pub struct StepsAndNotes<'a> {
    step: &'a mut dyn FnMut(String),
    notes: Vec<String>,
    /// The file and the percentage of the last step of a download.
    last: (String, u64),
}

impl<'a> StepsAndNotes<'a> {
    /// Passes steps to `step`.
    pub fn new(step: &'a mut dyn FnMut(String)) -> StepsAndNotes<'a> {
        StepsAndNotes {
            step,
            notes: Vec::new(),
            last: (String::new(), 0),
        }
    }

    /// All notes as one, if there were any.
    pub fn into_note(self) -> Option<String> {
        (!self.notes.is_empty()).then(|| self.notes.join("; "))
    }
}

impl LoadObserver for StepsAndNotes<'_> {
    fn step(&mut self, step: String) {
        (self.step)(step);
    }

    fn download(&mut self, _: &str, _: &Path, progress: hub::Progress<'_>) {
        let percent = progress.done * 100 / progress.total.max(1);
        if (self.last.0.as_str(), self.last.1) != (progress.file, percent) {
            self.last = (progress.file.to_owned(), percent);
            (self.step)(format!("downloading {} {percent} %", progress.file));
        }
    }

    fn note(&mut self, note: &str) {
        self.notes.push(note.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_download_is_a_step_per_percent_and_file() {
        let mut steps = Vec::new();
        let mut step = |step| steps.push(step);
        let mut observer = StepsAndNotes::new(&mut step);
        let mut arrive = |file, done| {
            let progress = hub::Progress {
                file,
                done,
                total: 1000,
            };
            observer.download("org/name", Path::new("cache"), progress);
        };
        arrive("a", 15);
        arrive("a", 19);
        arrive("a", 20);
        arrive("b", 20);
        assert_eq!(
            steps,
            [
                "downloading a 1 %",
                "downloading a 2 %",
                "downloading b 2 %"
            ]
        );
    }

    #[test]
    fn notes_become_one() {
        let mut step = |_| {};
        let mut observer = StepsAndNotes::new(&mut step);
        observer.note("no GPU");
        observer.note("an old copy");
        assert_eq!(observer.into_note().as_deref(), Some("no GPU; an old copy"));
        assert_eq!(StepsAndNotes::new(&mut step).into_note(), None);
    }
}
