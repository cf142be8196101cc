//! Everything on the screen, as plain data.

use std::collections::{HashMap, HashSet};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::worker::exemptions::ExemptionJob;
use crate::worker::inference::{DocumentId, Generation, Job, Lens, ModelSummary};
use electroscope_analysis::{Flagging, HeadChoice, Task, UnitKind};
use electroscope_text::{Document, Language, Span};
use ratatui::layout::Size;

use super::findings::{HeadState, HeadWork, ReadyHead};
use super::keymap::Key;
use super::message::{Effect, Purpose};
use super::open::{Open, Work};
use super::prompt::{Picker, Prompt};
use super::search::Search;
use super::theme::Theme;

/// What the panel shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Panel {
    /// The word under the cursor, and the flagged ones.
    #[default]
    Heat,
    /// Labels.
    Classify,
    /// Questions.
    Ask,
    /// Tags.
    Tag,
}

impl Panel {
    /// All of them, in the order of their tabs.
    pub const ALL: [Panel; 4] = [Panel::Heat, Panel::Classify, Panel::Ask, Panel::Tag];

    /// What its head is to do; the first panel has none, for it shows what the discriminator says.
    pub fn task(self) -> Option<Task> {
        match self {
            Panel::Heat => None,
            Panel::Classify => Some(Task::Classification),
            Panel::Ask => Some(Task::QuestionAnswering),
            Panel::Tag => Some(Task::Tagging),
        }
    }

    /// The panel that shows what a head says.
    pub fn of(task: Task) -> Panel {
        match task {
            Task::Classification => Panel::Classify,
            Task::QuestionAnswering => Panel::Ask,
            Task::Tagging => Panel::Tag,
        }
    }

    /// The word on its tab.
    pub fn title(self) -> &'static str {
        match self {
            Panel::Heat => "Heat",
            Panel::Classify => "Classify",
            Panel::Ask => "Ask",
            Panel::Tag => "Tag",
        }
    }
}

/// What is kept from one run to the next.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct Memory {
    /// The head that classifies, by the name that `--head` takes.
    pub classify: Option<String>,
    /// The head that answers questions.
    pub ask: Option<String>,
    /// The head that tags.
    pub tag: Option<String>,
    /// Questions that were asked, the newest last.
    pub questions: Vec<String>,
    /// The theme that was chosen on the screen, by its name.
    pub theme: Option<String>,
    /// The lens that was chosen on the screen.
    pub lens: Option<Lens>,
}

impl Memory {
    /// The head that was chosen for a task.
    pub fn head(&self, task: Task) -> Option<&String> {
        match task {
            Task::Classification => self.classify.as_ref(),
            Task::QuestionAnswering => self.ask.as_ref(),
            Task::Tagging => self.tag.as_ref(),
        }
    }

    /// The same, to be changed.
    pub fn head_mut(&mut self, task: Task) -> &mut Option<String> {
        match task {
            Task::Classification => &mut self.classify,
            Task::QuestionAnswering => &mut self.ask,
            Task::Tagging => &mut self.tag,
        }
    }
}

/// Something for each task.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PerTask<T>([T; 3]);

impl<T> std::ops::Index<Task> for PerTask<T> {
    type Output = T;

    fn index(&self, task: Task) -> &T {
        let [classify, ask, tag] = &self.0;
        match task {
            Task::Classification => classify,
            Task::QuestionAnswering => ask,
            Task::Tagging => tag,
        }
    }
}

impl<T> std::ops::IndexMut<Task> for PerTask<T> {
    fn index_mut(&mut self, task: Task) -> &mut T {
        let [classify, ask, tag] = &mut self.0;
        match task {
            Task::Classification => classify,
            Task::QuestionAnswering => ask,
            Task::Tagging => tag,
        }
    }
}

/// What lies over the text, if anything does.
#[derive(Clone, Debug, PartialEq)]
pub enum Popup {
    /// The keys.
    Help(Help),
    /// The commands.
    Palette(Picker),
    /// The documents that could be opened.
    Opener(Picker),
    /// The heads that there are for a task.
    Heads(Task, Picker),
    /// The flagged words of all open documents.
    Flagged(Vec<FlaggedPlace>, Picker),
    /// What could stand in the place of a word.
    Suggestions(SuggestedFor, Picker),
    /// A question; so many steps back in those that were asked before.
    Question(Prompt, usize),
    /// What to search for. The text comes back to where it was if this is left.
    Search {
        /// What is typed.
        prompt: Prompt,
        /// Cursor and first row before it.
        before: (usize, usize),
    },
}

/// A flagged word in the list over all open documents, as it was when that was opened.
#[derive(Clone, Debug, PartialEq)]
pub struct FlaggedPlace {
    /// The document.
    pub id: DocumentId,
    /// Where the word begins, in bytes.
    pub start: usize,
    /// The document's path, the place as line and column, and the word.
    pub shown: String,
    /// Its p.
    pub p: f32,
}

/// A word of a version of a document, for which suggestions are looked for or shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SuggestedFor {
    /// Which document.
    pub id: DocumentId,
    /// Which version of it.
    pub generation: Generation,
    /// Where the word is.
    pub word: Span,
}

/// The list of keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Help {
    /// Scrolled down by so many rows.
    pub top: usize,
    /// What the rows that are shown contain.
    pub filter: Prompt,
    /// Whether the filter is being typed.
    pub is_typing: bool,
}

/// A number that is typed before a motion. A single digit that names a panel, and that no motion
/// follows, shows the panel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count {
    /// The number.
    pub number: usize,
    /// How many digits were typed.
    pub digits: u8,
    /// Moments that have passed since the last one.
    pub waited: u8,
}

impl Count {
    /// The panel that the digit names, if it is a single one.
    pub fn panel(self) -> Option<Panel> {
        let at = self.number.checked_sub(1).filter(|_| self.digits == 1)?;
        Panel::ALL.get(at).copied()
    }
}

/// A search that takes longer than a frame, and goes on elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seeking {
    /// Which one it is; the answers to others come too late.
    pub number: u64,
    /// In which document.
    pub document: DocumentId,
    /// In which version of it.
    pub generation: Generation,
    /// Whether it goes towards the start of the text.
    pub is_backward: bool,
    /// Whether it follows what is being typed.
    pub as_typed: bool,
}

/// The model's state.
#[derive(Clone, Debug, PartialEq)]
pub enum Model {
    /// It is being loaded; how far that is.
    Loading(String),
    /// It answers.
    Ready(ModelSummary),
    /// It cannot be had; why.
    Failed(String),
}

/// Something said once, in the last row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// What is said.
    pub text: String,
    /// Whether something went wrong.
    pub is_error: bool,
    /// The document whose file is polled, if that is what is said; the notice goes when that ends.
    pub(super) polled: Option<DocumentId>,
}

/// What the screen was opened with.
#[derive(Clone, Debug, PartialEq)]
pub struct Opening {
    /// Files.
    pub files: Vec<PathBuf>,
    /// Folders, whose documents are added as they are found.
    pub folders: Vec<PathBuf>,
    /// Whether standard input is a document too.
    pub pipe: bool,
    /// What is prose, if the extension is not to say so.
    pub language: Option<Language>,
    /// What is prose on standard input.
    pub pipe_language: Language,
    /// The threshold that beats the model's own.
    pub threshold: Option<f32>,
    /// Whether punctuation is flagged too.
    pub punctuation: bool,
    /// The theme.
    pub theme: Theme,
    /// The size of the terminal.
    pub size: Size,
    /// What was kept from the last run.
    pub memory: Memory,
    /// The heads that were named on the command line; they beat those that were kept.
    pub given_heads: PerTask<Option<String>>,
    /// The heads of the settings, or the built-in ones, for tasks for which none was kept.
    pub usual_heads: PerTask<Option<String>>,
    /// What the heat map shows first.
    pub lens: Lens,
    /// Whether there is a head that marks errors.
    pub has_errors: bool,
}

impl Opening {
    /// No document, nothing chosen or kept, and a terminal without a size.
    #[must_use]
    pub fn plain(theme: Theme) -> Opening {
        Opening {
            files: Vec::new(),
            folders: Vec::new(),
            pipe: false,
            language: None,
            pipe_language: Language::Plain,
            threshold: None,
            punctuation: false,
            theme,
            size: Size::default(),
            memory: Memory::default(),
            given_heads: PerTask::default(),
            usual_heads: PerTask::default(),
            lens: Lens::default(),
            has_errors: false,
        }
    }
}

/// Everything on the screen.
#[derive(Clone, Debug, PartialEq)]
pub struct State {
    /// The size of the terminal, in cells.
    pub size: Size,
    /// The open documents in the order of their list.
    pub documents: Vec<Open>,
    /// Which of them is shown.
    pub current: usize,
    /// Folders that are still being looked through for documents to open.
    pub folders: Vec<PathBuf>,
    /// Documents that the opener offers, and whether there may be more.
    pub offered: Vec<String>,
    /// Whether the opener's folder is still being looked through.
    pub is_finding: bool,
    /// The model.
    pub model: Model,
    /// What is asked of each word, and so which model that is.
    pub lens: Lens,
    /// Whether there is a model for the other lens.
    pub has_errors: bool,
    /// Whether another lens was asked for and its model is not there yet.
    pub is_switching: bool,
    /// The threshold that was set by hand; it beats the model's own.
    pub threshold: Option<f32>,
    /// The one that was set when the program began.
    pub threshold_at_start: Option<f32>,
    /// Whether punctuation is flagged too.
    pub punctuation: bool,
    /// The same two for the lens that is not used.
    pub(super) other_threshold: (Option<f32>, Option<f32>),
    /// The heads that are loaded or being loaded.
    pub heads: PerTask<HeadState>,
    /// The heads that could be, once that has been asked.
    pub choices: Option<Vec<HeadChoice>>,
    /// What is kept for the next run.
    pub memory: Memory,
    /// Heads that beat the kept ones until another is chosen, and those where none was kept.
    pub(super) given_heads: PerTask<Option<String>>,
    pub(super) usual_heads: PerTask<Option<String>>,
    /// What is classified.
    pub unit: UnitKind,
    /// What is asked.
    pub question: Option<String>,
    /// The document in which the question was asked, until its answer comes: the cursor goes there.
    pub(super) asked_in: Option<DocumentId>,
    /// The kind of tag that is listed, by its number; all if none.
    pub filter: Option<usize>,
    /// What the panel shows.
    pub panel: Panel,
    /// Whether there is a panel.
    pub panel_shown: bool,
    /// Whether there is a list of documents.
    pub documents_shown: bool,
    /// Where the list of flagged words was scrolled to by hand.
    pub list_top: Option<usize>,
    /// Whether that list has the hottest word first, and not the first in the text.
    pub by_p: bool,
    /// The word that the model is to find suggestions for, and whether the reader asked for them.
    pub(super) suggesting: Option<(SuggestedFor, bool)>,
    /// What lies over the text.
    pub popup: Option<Popup>,
    /// Keys of a sequence that is not whole yet.
    pub pressed: Vec<Key>,
    /// The number that was typed before a motion.
    pub count: Option<Count>,
    /// What is being searched for.
    pub search: Option<Search>,
    /// The search that is still going on.
    pub seeking: Option<Seeking>,
    pub(super) last_seek: u64,
    /// Whether something was typed into a search or a list that has not been acted on yet.
    pub(super) is_unsettled: bool,
    /// What is said in the last row.
    pub notice: Option<Notice>,
    /// The theme.
    pub theme: Theme,
    /// Whether mouse events come here.
    pub mouse: bool,
    /// Moves while something is being waited for.
    pub frame: usize,
    /// The exit code, once the program is to end.
    pub quit: Option<u8>,
    pub(super) language: Option<Language>,
    pub(super) last_id: u32,
    /// The paths of the open documents, and how many there are of each file name.
    paths: HashSet<PathBuf>,
    names: HashMap<OsString, usize>,
    /// Ticks since the model, or a head, last said something while it was waited for.
    pub(super) silent_ticks: usize,
    pub(super) focus: Option<(DocumentId, Span)>,
}

/// Documents of a folder that are read and scored without being looked at.
const EAGER: usize = 200;

/// The threshold before a model is there to say its own.
const UNTOLD: f32 = 0.5;

impl State {
    /// The screen at its start, and what has to be done first.
    pub fn new(opening: Opening) -> (State, Vec<Effect>) {
        let mut state = State {
            size: opening.size,
            documents: Vec::new(),
            current: 0,
            folders: opening.folders.clone(),
            offered: Vec::new(),
            is_finding: false,
            model: Model::Loading("starting".into()),
            lens: opening.lens,
            has_errors: opening.has_errors,
            // Said when it is there, unless it is the usual one.
            is_switching: opening.lens != Lens::default(),
            threshold: opening.threshold,
            threshold_at_start: opening.threshold,
            punctuation: opening.punctuation,
            other_threshold: (None, None),
            heads: PerTask::default(),
            choices: None,
            memory: opening.memory,
            given_heads: opening.given_heads,
            usual_heads: opening.usual_heads,
            unit: UnitKind::default(),
            question: None,
            asked_in: None,
            filter: None,
            panel: Panel::Heat,
            panel_shown: true,
            documents_shown: true,
            list_top: None,
            by_p: false,
            suggesting: None,
            popup: None,
            pressed: Vec::new(),
            count: None,
            search: None,
            seeking: None,
            last_seek: 0,
            is_unsettled: false,
            notice: None,
            theme: opening.theme,
            mouse: true,
            frame: 0,
            quit: None,
            language: opening.language,
            last_id: 0,
            paths: HashSet::new(),
            names: HashMap::new(),
            silent_ticks: 0,
            focus: None,
        };
        let mut effects = Vec::new();
        if opening.pipe {
            let language = opening.pipe_language;
            let at = state.add(Path::new(crate::worker::pipe::NAME));
            if let Some(open) = state.documents.get_mut(at) {
                open.language = language;
                open.work = Work::Reading;
            }
            effects.push(Effect::ReadPipe { language });
        }
        for file in &opening.files {
            state.add(file);
        }
        state.read_eagerly(&mut effects);
        effects.extend(opening.folders.into_iter().map(|root| Effect::Find {
            root,
            purpose: Purpose::Open,
        }));
        if state.documents.is_empty() && state.folders.is_empty() {
            state.open_opener(&mut effects);
        }
        (state, effects)
    }

    /// The document that is shown.
    pub fn document(&self) -> Option<&Open> {
        self.documents.get(self.current)
    }

    pub(super) fn document_mut(&mut self) -> Option<&mut Open> {
        self.documents.get_mut(self.current)
    }

    pub(super) fn by_id(&mut self, id: DocumentId) -> Option<&mut Open> {
        self.documents.iter_mut().find(|open| open.id == id)
    }

    /// Words at or above it are flagged: what was set by hand, else the model's own.
    pub fn threshold(&self) -> f32 {
        self.threshold.unwrap_or(match &self.model {
            Model::Ready(summary) => summary.threshold,
            Model::Loading(_) | Model::Failed(_) => UNTOLD,
        })
    }

    /// Which words are flagged.
    pub(super) fn flagging(&self) -> Flagging {
        Flagging {
            threshold: self.threshold(),
            punctuation: self.punctuation,
        }
    }

    /// Whether something on the screen moves by itself.
    pub fn is_busy(&self) -> bool {
        let works = |open: &Open| {
            matches!(open.work, Work::Reading | Work::Scoring(_))
                || (open.work == Work::Waiting && !matches!(self.model, Model::Failed(_)))
        };
        matches!(self.model, Model::Loading(_))
            || self.is_finding
            || self.seeking.is_some()
            || self.count.is_some_and(|count| count.panel().is_some())
            || self.head_is_busy()
            || !self.folders.is_empty()
            || self.documents.iter().any(works)
    }

    /// The head of the panel that is shown, if it answers.
    pub(super) fn ready(&self) -> Option<&ReadyHead> {
        match &self.heads[self.panel.task()?] {
            HeadState::Ready(head) => Some(head),
            _ => None,
        }
    }

    fn head_is_busy(&self) -> bool {
        let Some(task) = self.panel.task() else {
            return false;
        };
        let reads = |open: &Open| open.findings.work[task] == HeadWork::Reading;
        matches!(self.heads[task], HeadState::Loading(_)) || self.document().is_some_and(reads)
    }

    /// Adds a document to the list, unless it is there; its place in the list.
    pub(super) fn add(&mut self, path: &Path) -> usize {
        if self.paths.contains(path)
            && let Some(at) = self.documents.iter().position(|open| open.path == path)
        {
            return at;
        }
        self.paths.insert(path.to_owned());
        if let Some(name) = path.file_name() {
            *self.names.entry(name.to_owned()).or_default() += 1;
        }
        self.last_id += 1;
        let language = self.language.unwrap_or_else(|| Language::of(path));
        let flagging = self.flagging();
        let id = DocumentId(self.last_id);
        self.documents.push(Open::new(id, path, language, flagging));
        self.documents.len() - 1
    }

    /// Whether a document of this path is open. Takes the same time however many are.
    pub(super) fn is_open(&self, path: &Path) -> bool {
        self.paths.contains(path)
    }

    /// Whether several open documents have this one's file name.
    pub(super) fn is_name_shared(&self, path: &Path) -> bool {
        path.file_name()
            .and_then(|name| self.names.get(name))
            .is_some_and(|count| *count > 1)
    }

    /// Takes a document out of the list, if there is one in this place.
    pub(super) fn remove(&mut self, at: usize) -> Option<Open> {
        if at >= self.documents.len() {
            return None;
        }
        let open = self.documents.remove(at);
        self.paths.remove(&open.path);
        if let Some(name) = open.path.file_name()
            && let Some(count) = self.names.get_mut(name)
        {
            *count = count.saturating_sub(1);
        }
        Some(open)
    }

    /// What has not answered for so long that a reader should know, as a sentence.
    pub fn silence(&self) -> Option<String> {
        /// Ten seconds: no window and few models take longer.
        const LONG: usize = 100;
        if self.silent_ticks < LONG {
            return None;
        }
        let who = if self.awaits_model() {
            "the model"
        } else {
            "the head"
        };
        let seconds = self.silent_ticks / 10;
        Some(format!("{who} has not answered for {seconds} s"))
    }

    /// A moment has passed.
    pub(super) fn tick(&mut self) {
        self.frame = self.frame.wrapping_add(1);
        if self.awaits_model() || self.head_is_busy() {
            self.silent_ticks = self.silent_ticks.saturating_add(1);
        } else {
            self.silent_ticks = 0;
        }
    }

    /// Whether the model has something to do.
    fn awaits_model(&self) -> bool {
        let works = |open: &Open| matches!(open.work, Work::Waiting | Work::Scoring(_));
        match self.model {
            Model::Failed(_) => false,
            Model::Loading(_) => true,
            Model::Ready(_) => self.documents.iter().any(works),
        }
    }

    /// Has the first documents of the list read, and the one that is shown.
    pub(super) fn read_eagerly(&mut self, effects: &mut Vec<Effect>) {
        let current = self.current;
        let is_eager = |at: &usize| *at < EAGER || *at == current;
        let documents = self.documents.iter_mut().enumerate();
        for (_, open) in documents.filter(|(at, _)| is_eager(at)) {
            if open.work == Work::Listed {
                open.work = Work::Reading;
                effects.push(Effect::Watch {
                    path: open.path.clone(),
                    language: open.language,
                    known: None,
                });
            }
        }
    }

    /// Shows the list of documents that could be opened.
    pub(super) fn open_opener(&mut self, effects: &mut Vec<Effect>) {
        self.offered.clear();
        self.is_finding = true;
        self.popup = Some(Popup::Opener(Picker::default()));
        effects.push(Effect::Find {
            root: ".".into(),
            purpose: Purpose::Offer,
        });
    }

    /// The head for a task: what the command line named, else what was chosen on the screen once,
    /// else what the settings say or is built in.
    pub(super) fn head_choice(&self, task: Task) -> Option<&String> {
        self.given_heads[task]
            .as_ref()
            .or_else(|| self.memory.head(task))
            .or(self.usual_heads[task].as_ref())
    }

    pub(super) fn say(&mut self, text: impl Into<String>) {
        self.notice = Some(Notice {
            text: text.into(),
            is_error: false,
            polled: None,
        });
    }

    pub(super) fn complain(&mut self, text: impl Into<String>) {
        self.notice = Some(Notice {
            text: text.into(),
            is_error: true,
            polled: None,
        });
    }

    /// Asks what is not flagged in the current version of a document.
    pub(super) fn find_exemptions(open: &Open) -> Option<Effect> {
        let document: Document = open.document.clone()?;
        Some(Effect::Exemptions(ExemptionJob::Find {
            id: open.id,
            generation: open.generation,
            document,
        }))
    }

    /// Asks for the current version of document `at` to be scored.
    pub(super) fn score(open: &Open) -> Option<Effect> {
        let document: Document = open.document.clone()?;
        Some(Effect::Model(Job::Score {
            id: open.id,
            generation: open.generation,
            document,
        }))
    }
}
