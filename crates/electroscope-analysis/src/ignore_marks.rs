//! Marks in a document's comments that say where words are not to be flagged.
//!
//! The vocabulary is markdownlint's: `electroscope-disable-next-line`, `-disable-line`, `-disable` and
//! `-enable`, `-disable-file`, each for all words or for those that follow it, in any case; what follows
//! ` -- ` is for people. Of the spelling checker cspell what it has for the same is honoured, under its
//! names `cspell:` and `spell-checker:`. Marks change nothing of how a word is scored. Which text is a
//! comment is [`electroscope_text::comments`]' business.

use std::collections::{HashMap, HashSet};

use electroscope_text::{
    Comment, Document, LineIndex, Span, comments, content, is_punctuation, word_starts,
};

use super::spelling;

/// What the marks begin with.
const PREFIX: &str = "electroscope-";

/// What a mark does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MarkKind {
    /// Nothing is flagged on the line after the comment; blank lines do not count, since
    /// reStructuredText wants one there.
    NextLine,
    /// Nothing is flagged on the lines of the comment.
    Line,
    /// Nothing is flagged from here on.
    Disable,
    /// Words are flagged again.
    Enable,
    /// Nothing is flagged in the whole document.
    File,
}

impl MarkKind {
    /// All of them.
    pub const ALL: [MarkKind; 5] = [
        MarkKind::NextLine,
        MarkKind::Line,
        MarkKind::Disable,
        MarkKind::Enable,
        MarkKind::File,
    ];

    /// The mark as it is written.
    pub fn keyword(self) -> &'static str {
        match self {
            MarkKind::NextLine => "electroscope-disable-next-line",
            MarkKind::Line => "electroscope-disable-line",
            MarkKind::Disable => "electroscope-disable",
            MarkKind::Enable => "electroscope-enable",
            MarkKind::File => "electroscope-disable-file",
        }
    }

    /// The same of cspell, by the command after the colon.
    fn of_cspell(command: &str) -> Option<MarkKind> {
        match command {
            "ignore" | "ignoreword" | "ignorewords" | "word" | "words" => Some(MarkKind::File),
            "disable" => Some(MarkKind::Disable),
            "enable" => Some(MarkKind::Enable),
            "disable-line" => Some(MarkKind::Line),
            "disable-next" | "disable-next-line" => Some(MarkKind::NextLine),
            _ => None,
        }
    }
}

/// A mark.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// What it does.
    pub kind: MarkKind,
    /// From its first letter to the end of its words, in bytes of the document.
    pub span: Span,
    /// Its line, from 1.
    pub line: usize,
    /// The only words that it is about, folded; all words if there are none.
    pub words: Vec<String>,
    /// Whether it is one of this program, and not of cspell.
    pub is_own: bool,
}

/// Something that looks like a mark of this program and is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MisspeltMark {
    /// Where it is, in bytes of the document.
    pub span: Span,
    /// Its line, from 1.
    pub line: usize,
    /// What stands there.
    pub found: String,
    /// What was probably meant.
    pub meant: Option<&'static str>,
}

impl std::fmt::Display for MisspeltMark {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let MisspeltMark { line, found, .. } = self;
        write!(f, "line {line}: there is no mark {found}; ")?;
        match self.meant {
            Some(meant) => write!(f, "did you mean {meant}?"),
            None => {
                let all = MarkKind::ALL.map(MarkKind::keyword);
                write!(f, "the marks are {}", all.join(", "))
            }
        }
    }
}

/// A mark, or some of its words, for which nothing would have been flagged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnusedMark {
    /// Where the mark is, in bytes of the document.
    pub span: Span,
    /// Its line, from 1.
    pub line: usize,
    /// What it does.
    pub kind: MarkKind,
    /// Those of its words that are of no use, if others are.
    pub words: Vec<String>,
}

impl std::fmt::Display for UnusedMark {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let keyword = self.kind.keyword();
        match (self.kind, self.words.as_slice()) {
            (MarkKind::Enable, _) => write!(f, "{keyword} ends nothing; remove it"),
            (_, []) => write!(f, "{keyword} silences nothing; remove it"),
            (_, words) => write!(
                f,
                "{keyword} silences no {}; remove what is of no use",
                words.join(", no ")
            ),
        }
    }
}

/// Which mark silences a word, and by which of its words: by all if there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Silencing {
    mark: u32,
    word: Option<u32>,
}

/// From some place on words are silenced, or flagged again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Switch {
    /// Where the comment ends, in bytes.
    at: usize,
    is_off: bool,
    by: Silencing,
}

/// The marks of a document.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct IgnoreMarks {
    marks: Vec<Mark>,
    misspelt: Vec<MisspeltMark>,
    /// What silences the whole document, by the word; all words where there is none.
    file: HashMap<Option<String>, Silencing>,
    /// What silences a line, counted from 0.
    lines: HashMap<(usize, Option<String>), Silencing>,
    /// What silences from a place on, in the order of the document.
    switches: HashMap<Option<String>, Vec<Switch>>,
    /// Marks that end something.
    ending: Vec<Silencing>,
    /// The lines of the document, if there are marks.
    index: Option<LineIndex>,
}

impl IgnoreMarks {
    /// Finds the marks of `document`.
    pub fn of(document: &Document) -> IgnoreMarks {
        let text: &str = &document.text;
        let found = IgnoreMarks::default();
        // Most documents have none, and their comments need not be looked for.
        let hints = [
            "lectro", "LECTRO", "pell", "PELL", "-disab", "-enab", "ords:",
        ];
        if !hints.iter().any(|hint| text.contains(hint)) {
            return found;
        }
        let mut reader = MarkReader {
            text,
            lines: LineIndex::new(text),
            found,
            is_all_off: false,
            off: HashSet::new(),
        };
        for comment in comments(document) {
            reader.read(comment);
        }
        let MarkReader {
            mut found, lines, ..
        } = reader;
        found.index = (!found.marks.is_empty()).then_some(lines);
        found
    }

    /// Whether there are no marks.
    pub fn is_empty(&self) -> bool {
        self.marks.is_empty()
    }

    /// All marks in the order of the document.
    pub fn marks(&self) -> &[Mark] {
        &self.marks
    }

    /// What looks like a mark and is none.
    pub fn misspelt(&self) -> &[MisspeltMark] {
        &self.misspelt
    }

    /// What silences the word at `span`, of which a reader sees `word`; nothing if it may be flagged.
    pub fn silencing(&self, span: Span, word: &str) -> Option<Silencing> {
        let index = self.index.as_ref()?;
        let plain = spelling::plain(word);
        let owner = spelling::owner(&plain).map(str::to_lowercase);
        let keys = [
            Some(Some(plain.to_lowercase())),
            owner.map(Some),
            Some(None),
        ];
        let keys: Vec<Option<String>> = keys.into_iter().flatten().collect();
        let line = index.line_of(span.start());
        let of_line = || {
            let mut keys = keys.iter();
            keys.find_map(|key| self.lines.get(&(line, key.clone())))
        };
        let of_switch = || {
            let latest = keys.iter().filter_map(|key| {
                let switches = self.switches.get(key)?;
                let before = switches.partition_point(|switch| switch.at <= span.start());
                switches.get(before.checked_sub(1)?)
            });
            let latest = latest.max_by_key(|switch| switch.at)?;
            latest.is_off.then_some(&latest.by)
        };
        let of_file = || keys.iter().find_map(|key| self.file.get(key));
        of_line().or_else(of_switch).or_else(of_file).copied()
    }

    /// The marks of this program that were not among `used`, which is what silenced those words that
    /// would have been flagged.
    pub fn unused(&self, used: &[Silencing]) -> Vec<UnusedMark> {
        let mut by_mark: HashMap<u32, Vec<Option<u32>>> = HashMap::new();
        for by in used.iter().chain(&self.ending) {
            by_mark.entry(by.mark).or_default().push(by.word);
        }
        let marks = self.marks.iter().enumerate();
        let unused = marks
            .filter(|(_, mark)| mark.is_own)
            .filter_map(|(at, mark)| {
                let used = by_mark.get(&(at as u32)).map_or(&[][..], Vec::as_slice);
                let words = mark.words.iter().enumerate();
                let words: Vec<String> = words
                    .filter(|(word, _)| !used.contains(&Some(*word as u32)))
                    .map(|(_, word)| word.clone())
                    .collect();
                let is_whole = used.is_empty();
                (is_whole || !words.is_empty()).then(|| UnusedMark {
                    span: mark.span,
                    line: mark.line,
                    kind: mark.kind,
                    words: if is_whole { Vec::new() } else { words },
                })
            });
        unused.collect()
    }
}

/// Goes over the comments of a document in their order.
struct MarkReader<'a> {
    text: &'a str,
    lines: LineIndex,
    found: IgnoreMarks,
    /// Whether a mark has silenced all words from where it is on, and for which words one has since.
    is_all_off: bool,
    off: HashSet<String>,
}

impl MarkReader<'_> {
    /// Reads a comment: each of its lines may begin a mark.
    fn read(&mut self, comment: Comment) {
        let body = comment.body.of(self.text).unwrap_or_default();
        // From where the words of an own mark go, over the lines of the comment.
        let mut open: Option<(MarkKind, usize)> = None;
        let mut at = comment.body.start();
        for line in body.split_inclusive('\n') {
            let start = at + (line.len() - line.trim_start().len());
            at += line.len();
            let line = line.trim();
            let keyword = line.split_whitespace().next().unwrap_or_default();
            let lower = keyword.to_ascii_lowercase();
            let own = MarkKind::ALL
                .into_iter()
                .find(|kind| kind.keyword() == lower);
            let cspell = cspell_command(line);
            let is_misspelt = own.is_none() && cspell.is_none() && looks_like_a_mark(&lower);
            if own.is_none() && cspell.is_none() && !is_misspelt {
                continue;
            }
            if let Some((kind, from)) = open.take() {
                self.add_own(comment, kind, Span::new(from, start));
            }
            let span = Span::new(start, start + line.len());
            if let Some(kind) = own {
                open = Some((kind, start));
            } else if let Some((command, words)) = cspell {
                self.add_of_cspell(comment, command, words, span);
            } else {
                self.found.misspelt.push(MisspeltMark {
                    span: Span::new(start, start + keyword.len()),
                    line: self.lines.line_of(start) + 1,
                    found: keyword.to_owned(),
                    meant: meant(&lower),
                });
            }
        }
        if let Some((kind, from)) = open {
            self.add_own(comment, kind, Span::new(from, comment.body.end()));
        }
    }

    /// Takes up a mark of this program, which goes up to the end of `span`.
    fn add_own(&mut self, comment: Comment, kind: MarkKind, span: Span) {
        let source = span.of(self.text).unwrap_or_default().trim_end();
        let words = source.get(kind.keyword().len()..).unwrap_or_default();
        // What follows two hyphens is for people.
        let words = match words.trim_start().starts_with("-- ") {
            true => "",
            false => words.split_once(" -- ").map_or(words, |(words, _)| words),
        };
        let mark = Mark {
            kind,
            span: Span::new(span.start(), span.start() + source.len()),
            line: self.lines.line_of(span.start()) + 1,
            words: folded_words(words),
            is_own: true,
        };
        self.add(comment, mark);
    }

    /// Takes up a line for cspell, if it is about where words are checked; it has many other settings.
    fn add_of_cspell(&mut self, comment: Comment, command: &str, words: &str, span: Span) {
        let command = command.to_ascii_lowercase().replace('_', "");
        let Some(kind) = MarkKind::of_cspell(&command) else {
            return;
        };
        // Those for the whole file have words, the others have none.
        let words = match kind {
            MarkKind::File => folded_words(words),
            _ => Vec::new(),
        };
        if kind == MarkKind::File && words.is_empty() {
            return;
        }
        let mark = Mark {
            kind,
            span,
            line: self.lines.line_of(span.start()) + 1,
            words,
            is_own: false,
        };
        self.add(comment, mark);
    }

    /// Takes up a mark.
    fn add(&mut self, comment: Comment, mark: Mark) {
        let number = self.found.marks.len() as u32;
        match mark.words.is_empty() {
            true => {
                let by = Silencing {
                    mark: number,
                    word: None,
                };
                self.silence(comment, mark.kind, None, by);
            }
            false => {
                for (at, word) in mark.words.iter().enumerate() {
                    let by = Silencing {
                        mark: number,
                        word: Some(at as u32),
                    };
                    self.silence(comment, mark.kind, Some(word.clone()), by);
                }
            }
        }
        self.found.marks.push(mark);
    }

    /// Notes what a mark in `comment` does to a word, or to all.
    fn silence(&mut self, comment: Comment, kind: MarkKind, word: Option<String>, by: Silencing) {
        let last = self.lines.line_of(comment.span.end().max(1) - 1);
        let found = &mut self.found;
        match kind {
            MarkKind::File => drop(found.file.entry(word).or_insert(by)),
            MarkKind::NextLine => {
                let is_blank = |line: &usize| {
                    let line = content(self.text, &self.lines, *line).of(self.text);
                    line.is_some_and(|line| line.trim().is_empty())
                };
                let mut following = last + 1..self.lines.count();
                let next = following.find(|line| !is_blank(line));
                let line = (next.unwrap_or(last + 1), word);
                found.lines.entry(line).or_insert(by);
            }
            MarkKind::Line => {
                for line in self.lines.line_of(comment.span.start())..=last {
                    found.lines.entry((line, word.clone())).or_insert(by);
                }
            }
            MarkKind::Disable | MarkKind::Enable => {
                let is_off = kind == MarkKind::Disable;
                if !is_off && self.is_off(word.as_deref()) {
                    self.found.ending.push(by);
                }
                match &word {
                    Some(word) if is_off => drop(self.off.insert(word.clone())),
                    Some(word) => drop(self.off.remove(word)),
                    None => {
                        self.is_all_off = is_off;
                        self.off.clear();
                    }
                }
                let at = comment.span.end();
                let switch = Switch { at, is_off, by };
                self.found.switches.entry(word).or_default().push(switch);
            }
        }
    }

    /// Whether the marks so far leave `word`, or any word, silenced.
    fn is_off(&self, word: Option<&str>) -> bool {
        match word {
            Some(word) => self.is_all_off || self.off.contains(word),
            None => self.is_all_off || !self.off.is_empty(),
        }
    }
}

/// The words of a mark, folded, without what is punctuation, each once.
fn folded_words(source: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    for part in source.split(|c: char| c.is_whitespace() || c == ',') {
        let starts: Vec<usize> = word_starts(part).collect();
        let ends = starts.iter().skip(1).copied().chain([part.len()]);
        for (&start, end) in starts.iter().zip(ends) {
            let word = part.get(start..end).unwrap_or_default();
            let folded = spelling::folded(word);
            if !is_punctuation(word) && !words.contains(&folded) {
                words.push(folded);
            }
        }
    }
    words
}

/// The command of cspell that a line of a comment is, and what follows it.
fn cspell_command(line: &str) -> Option<(&str, &str)> {
    const NAMES: [&str; 3] = ["cspell:", "spell-checker:", "spellchecker:"];
    const LOCAL: &str = "localwords:";
    let after = |name: &str| {
        let head = line.get(..name.len())?;
        head.eq_ignore_ascii_case(name)
            .then(|| line.get(name.len()..))?
    };
    if let Some(words) = after(LOCAL) {
        return Some(("words", words));
    }
    let rest = NAMES.iter().find_map(|name| after(name))?;
    // Two colons are allowed, and so is white space behind them.
    let rest = rest.strip_prefix(':').unwrap_or(rest).trim_start();
    let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
    rest.split_at_checked(end)
}

/// Whether the first word of a comment, in lower case, is meant to be a mark of this program: it begins
/// with the name and something after it, or is nearly a mark.
fn looks_like_a_mark(keyword: &str) -> bool {
    let rest = keyword.strip_prefix("electroscope");
    let after = rest.and_then(|rest| rest.strip_prefix(['-', ':', '_']));
    after.is_some_and(|after| after.starts_with(char::is_alphabetic)) || meant(keyword).is_some()
}

/// The mark that `keyword` is close to.
fn meant(keyword: &str) -> Option<&'static str> {
    /// Letters that may be wrong, left out or too many.
    const MOST_WRONG: usize = 3;
    // No other word of that length is so near.
    if keyword.len() > 2 * PREFIX.len() + "disable-next-line".len() {
        return None;
    }
    let keyword = keyword.replace([':', '_'], "-");
    let near = MarkKind::ALL.map(|kind| {
        let wrong = strsim::damerau_levenshtein(&keyword, kind.keyword());
        (wrong, kind.keyword())
    });
    let nearest = near.into_iter().min_by_key(|&(wrong, _)| wrong);
    nearest
        .filter(|&(wrong, _)| wrong <= MOST_WRONG)
        .map(|(_, keyword)| keyword)
}

#[cfg(test)]
mod tests {
    use super::*;
    use electroscope_text::{BlockText, Language, blocks};
    use proptest::prelude::*;

    /// The words of the prose of a document with their spans.
    fn words(document: &Document) -> Vec<(String, Span)> {
        let mut words = Vec::new();
        for block in blocks(document) {
            let read = BlockText::of(&document.text, &block);
            let starts: Vec<usize> = word_starts(read.text()).collect();
            let ends = starts.iter().skip(1).copied().chain([read.text().len()]);
            for (&start, end) in starts.iter().zip(ends) {
                let word = &read.text()[start..end];
                if !is_punctuation(word) {
                    words.push((word.to_owned(), read.source(start..end).0));
                }
            }
        }
        words
    }

    /// The words of a Markdown text that are not silenced.
    fn flagged(text: &str) -> String {
        left(&Document::new("x.md", text, Language::Markdown))
    }

    fn left(document: &Document) -> String {
        let marks = IgnoreMarks::of(document);
        let left = words(document)
            .into_iter()
            .filter(|(word, span)| marks.silencing(*span, word).is_none());
        left.map(|(word, _)| word).collect::<Vec<_>>().join(" ")
    }

    fn unused(text: &str) -> Vec<String> {
        let document = Document::new("x.md", text, Language::Markdown);
        let marks = IgnoreMarks::of(&document);
        let used: Vec<Silencing> = (words(&document).iter())
            .filter_map(|(word, span)| marks.silencing(*span, word))
            .collect();
        let unused = marks.unused(&used);
        unused
            .iter()
            .map(|mark| format!("{}: {mark}", mark.line))
            .collect()
    }

    #[test]
    fn a_line_is_silenced_by_a_mark_on_it_or_before_it() {
        let text = "one <!-- electroscope-disable-line -->\ntwo\n\n\
                    <!-- electroscope-disable-next-line -->\nthree\nfour\n\n\
                    five <!-- Electroscope-Disable-Line -- why\nso --> six\nseven";
        assert_eq!(flagged(text), "two four seven");
    }

    #[test]
    fn a_mark_with_words_silences_only_these_in_any_case() {
        let text = "<!-- electroscope-disable-next-line Weber, o'neill banana -- their names -->\n\
                    weber Weber\u{2019}s BANANA O\u{2019}Neill their names\n";
        assert_eq!(flagged(text), "their names");
        let text = "<!-- electroscope-disable-next-line -- all of it -->\nall of it\n";
        assert_eq!(flagged(text), "");
    }

    #[test]
    fn words_are_silenced_from_disable_to_enable() {
        let text = "a <!-- electroscope-disable --> b\n\nc <!-- electroscope-enable --> d\n\n\
                    <!-- electroscope-disable x y -->\nx y z\n\n<!-- electroscope-enable x -->\nx y z\n\n\
                    <!-- electroscope-enable -->\nx y z\n\n<!-- electroscope-disable -->\n\
                    <!-- electroscope-enable y -->\nx y z\n";
        assert_eq!(flagged(text), "a d z x z x y z y");
    }

    #[test]
    fn a_file_is_silenced_whole_or_for_some_words() {
        let text = "one two\n\n<!-- electroscope-disable-file two\nthree -->\nthree four\n";
        assert_eq!(flagged(text), "one four");
        assert_eq!(flagged("one\n\n<!-- electroscope-disable-file -->\n"), "");
    }

    #[test]
    fn marks_of_cspell_are_honoured() {
        let text = "<!-- cSpell:ignore one\n     spell-checker: ignoreWords two,three\n\
                    cspell:language en\n-->\n\none two three four\n\n\
                    five <!-- cspell:disable-line six --> \nseven <!-- cspell::disable --> eight\n\
                    nine <!-- spellchecker:enable --> ten\n";
        assert_eq!(flagged(text), "four seven ten");
        let marks = IgnoreMarks::of(&Document::new("x.md", text, Language::Markdown));
        assert!(marks.unused(&[]).is_empty());
        // Without words there is nothing to ignore.
        assert_eq!(flagged("<!-- cspell:ignore -->\n\none"), "one");
    }

    #[test]
    fn a_mark_in_code_is_no_mark() {
        let text = "The `<!-- electroscope-disable-line -->` mark\n\n```\n\
                    <!-- electroscope-disable -->\n```\n\none\n";
        assert_eq!(flagged(text), "The electroscope disable line mark one");
    }

    #[test]
    fn a_plain_text_has_marks_on_its_lines() {
        let text = "one <!-- electroscope-disable-line --> two\nthree\n# electroscope-disable-next-line four\n\
                    four five\n";
        let document = Document::new("x.txt", text, Language::Plain);
        assert_eq!(left(&document), "three five");
    }

    #[test]
    fn a_misspelt_mark_is_told_with_its_line_and_what_was_meant() {
        let text = "one\n\n<!-- electroscope-disabel-line two -->\n<!-- electrscope-enable -->\n\
                    <!-- electroscope-ignore three -->\n<!-- Electroscope:disable -->\n\
                    <!-- electroscope and more -->\n<!-- an electroscope-based one -->\n";
        let marks = IgnoreMarks::of(&Document::new("x.md", text, Language::Markdown));
        let told: Vec<String> = marks.misspelt().iter().map(ToString::to_string).collect();
        assert_eq!(
            told,
            [
                "line 3: there is no mark electroscope-disabel-line; did you mean \
                 electroscope-disable-line?",
                "line 4: there is no mark electrscope-enable; did you mean electroscope-enable?",
                "line 5: there is no mark electroscope-ignore; the marks are \
                 electroscope-disable-next-line, electroscope-disable-line, electroscope-disable, \
                 electroscope-enable, electroscope-disable-file",
                "line 6: there is no mark Electroscope:disable; did you mean electroscope-disable?",
            ]
        );
        assert!(marks.is_empty());
    }

    #[test]
    fn what_silences_nothing_is_unused() {
        let text = "one <!-- electroscope-disable-line two -->\n\n\
                    <!-- electroscope-disable-next-line three four five -->\nthree\n\n\
                    <!-- electroscope-enable -->\n\n<!-- electroscope-disable -->\n\nsix\n\n\
                    <!-- electroscope-enable -->\n\n<!-- cspell:ignore nine -->\n\n\
                    <!-- electroscope-disable-file six -->\n";
        assert_eq!(
            unused(text),
            [
                "1: electroscope-disable-line silences nothing; remove it",
                "3: electroscope-disable-next-line silences no four, no five; remove what is of no use",
                "6: electroscope-enable ends nothing; remove it",
                // The mark that is nearer does it.
                "16: electroscope-disable-file silences nothing; remove it",
            ]
        );
    }

    #[test]
    fn very_many_marks_do_not_take_the_square_of_the_time() {
        for piece in [
            "a <!-- electroscope-disable-line a --> ",
            "a <!-- electroscope-disable a -->\n\n",
            "b <!-- electroscope-enable --> b <!-- electroscope-disable b -->\n\n",
        ] {
            let text = piece.repeat((1 << 17) / piece.len());
            flagged(&text);
        }
        let words: Vec<String> = (0..20_000).map(|n| format!("w{n}")).collect();
        let text = format!("<!-- electroscope-disable {} -->\n\na\n", words.join(" "));
        assert_eq!(flagged(&text), "a");
    }

    proptest! {
        #[test]
        fn a_mark_silences_what_it_is_about_and_flags_the_same_elsewhere(
            lines in prop::collection::vec("[a-d]{1,3}( [a-d]{1,3}){0,4}", 1..8),
            at in 0..8usize,
        ) {
            let at = at.min(lines.len() - 1);
            let silenced = |marked: &[String], shift: usize| -> Vec<(usize, String)> {
                let text = marked.join("\n\n");
                let document = Document::new("x.md", text.as_str(), Language::Markdown);
                let marks = IgnoreMarks::of(&document);
                let index = LineIndex::new(&text);
                let left = words(&document).into_iter()
                    .filter(|(word, span)| marks.silencing(*span, word).is_none());
                left.map(|(word, span)| (index.line_of(span.start()) / 2, word))
                    .map(|(line, word)| (line - usize::from(line > shift), word))
                    .collect()
            };
            let without = silenced(&lines, usize::MAX);
            let wanted: Vec<_> = without.into_iter().filter(|(line, _)| *line != at).collect();
            let mut inline = lines.clone();
            inline[at] += " <!-- electroscope-disable-line -->";
            prop_assert_eq!(&silenced(&inline, usize::MAX), &wanted);
            let mut around = lines.clone();
            around[at] = format!(
                "<!-- electroscope-disable --> {} <!-- electroscope-enable -->", around[at]
            );
            prop_assert_eq!(&silenced(&around, usize::MAX), &wanted);
        }

        #[test]
        fn no_text_makes_it_fail(
            text in "(<!-- ?|-->|electroscope-|disable|-line|-next|enable|cspell:|ignore| |\n|é|a|`|# ){0,60}"
        ) {
            for language in [Language::Plain, Language::Markdown, Language::Mdx] {
                let document = Document::new("x", text.as_str(), language);
                let marks = IgnoreMarks::of(&document);
                for mark in marks.marks() {
                    prop_assert!(mark.span.of(&text).is_some());
                }
                marks.unused(&[]);
                left(&document);
            }
        }
    }
}
