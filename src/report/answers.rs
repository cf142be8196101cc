//! Where documents answer a question, for people and for programs.
//!
//! JSON has the answers of each document by itself. The formats for people have one list, the best
//! first over all the documents, and an answer's p in it is its share of that list, for a share of
//! another document's list says nothing beside it. Where the head can say that there is no answer,
//! that stands in the list too, and what comes after it is less likely than that there is none.

use std::borrow::Cow;
use std::io::{self, Write};

use anstyle::AnsiColor;
use serde::Serialize;
use serde::ser::{SerializeStruct, Serializer};

use super::json::{self, Envelope, Sequence};
use super::line::{QUOTE, bar, cut, cut_front, on_one_line};
use super::{FileError, HeadFormat, HeadPrinter, Looks, Model, visible_path, with_source};
use electroscope_analysis::{Answer, Answers, NoAnswer, decode};
use electroscope_text::{AsRead, Document, LineIndex, Position, Span};

/// A document that was asked.
#[derive(Clone, Debug)]
pub struct Answered {
    /// The document.
    pub document: Document,
    /// What it says.
    pub answers: Answers,
}

/// What was asked, and how many answers are wanted.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The question.
    pub question: String,
    /// The most answers to show: of each document in JSON, of all of them elsewhere.
    pub most: usize,
    /// By how much no answer must outscore an answer to come before it.
    pub margin: f32,
}

/// The printer for `format`. Only [`HeadFormat::Pretty`] wants to know the terminal.
pub fn printer(format: HeadFormat, looks: Looks, asked: Asked) -> Box<dyn HeadPrinter<Answered>> {
    match format {
        HeadFormat::Json => Box::new(Json {
            envelope: Envelope::default(),
            asked,
        }),
        HeadFormat::Jsonl => Box::new(JsonLines { asked }),
        HeadFormat::Compact => Box::new(Compact {
            list: List::default(),
            asked,
        }),
        HeadFormat::Pretty => Box::new(Pretty {
            looks,
            list: List::default(),
            asked,
        }),
    }
}

/// The answers of all documents together.
#[derive(Clone, Debug, Default)]
struct List {
    found: Vec<Found>,
    /// The lowest score of no answer, as over the windows of one document.
    none: Option<f32>,
}

/// An answer with what is shown of it, so that its document need not be kept.
#[derive(Clone, Debug)]
struct Found {
    path: String,
    place: Position,
    text: String,
    /// What stands before and after it, as much as anybody shows, with the blank between if there is
    /// one.
    before: (String, &'static str),
    after: (&'static str, String),
    score: f32,
    p: f32,
}

impl List {
    fn add(&mut self, answered: &Answered) {
        let text = &*answered.document.text;
        let lines = LineIndex::new(text);
        let read = AsRead::new(&answered.document);
        let found = |answer: &Answer| {
            let span = answer.span;
            let block = read.block(span);
            let before = read.text(Span::new(block.start(), span.start()));
            let after = read.text(Span::new(span.end(), block.end()));
            let blank = |is_there| if is_there { " " } else { "" };
            Found {
                path: visible_path(&answered.document.path),
                place: lines.position(text, span.start()),
                text: on_one_line(&answer.text),
                before: (
                    cut_front(&before, QUOTE),
                    blank(before.ends_with(char::is_whitespace) && !before.trim().is_empty()),
                ),
                after: (
                    blank(after.starts_with(char::is_whitespace) && !after.trim().is_empty()),
                    cut(&after, QUOTE),
                ),
                score: answer.score,
                p: answer.p,
            }
        };
        self.found.extend(answered.answers.best.iter().map(found));
        if let Some(none) = answered.answers.none {
            let lowest = self.none.unwrap_or(none.score).min(none.score);
            self.none = Some(lowest);
        }
    }

    /// The list with the best first, and the place of no answer among them: how many come before
    /// it, and its p.
    fn merged(&mut self, margin: f32) -> (&[Found], Option<(usize, f32)>) {
        // Those of one document and of equal score keep their order.
        self.found.sort_by(|a, b| b.score.total_cmp(&a.score));
        self.found.truncate(decode::N_BEST);
        let scores: Vec<f32> = self.found.iter().map(|found| found.score).collect();
        let (shares, none) = decode::shares(&scores, self.none);
        for (found, p) in self.found.iter_mut().zip(shares) {
            found.p = p;
        }
        let rank = self.none.map(|none| {
            let is_before = |score: &&f32| none - **score <= margin;
            scores.iter().take_while(is_before).count()
        });
        (&self.found, rank.zip(none))
    }
}

struct Compact {
    list: List,
    asked: Asked,
}

impl HeadPrinter<Answered> for Compact {
    fn document(&mut self, _: &mut dyn Write, answered: &Answered) -> io::Result<()> {
        self.list.add(answered);
        Ok(())
    }

    fn end(&mut self, out: &mut dyn Write, _: &[FileError]) -> io::Result<()> {
        let (found, none) = self.list.merged(self.asked.margin);
        let likelier = none.map_or(found.len(), |(rank, _)| rank);
        for found in found.iter().take(self.asked.most.min(likelier)) {
            writeln!(
                out,
                "{}:{}:{}: {:.2} {}",
                found.path, found.place.line, found.place.column, found.p, found.text
            )?;
        }
        out.flush()
    }
}

struct Pretty {
    looks: Looks,
    list: List,
    asked: Asked,
}

impl HeadPrinter<Answered> for Pretty {
    fn document(&mut self, _: &mut dyn Write, answered: &Answered) -> io::Result<()> {
        self.list.add(answered);
        Ok(())
    }

    fn end(&mut self, out: &mut dyn Write, _: &[FileError]) -> io::Result<()> {
        /// Cells of a bar.
        const BAR: usize = 12;
        let (strong, faint) = (self.looks.strong(), self.looks.faint());
        let answer = AnsiColor::Cyan.on_default().bold();
        let answer = self.looks.unless_mono(answer);
        let underline = anstyle::Style::new().underline();
        let underline = self.looks.unless_mono(underline);
        let width = usize::from(self.looks.width);
        let question = on_one_line(&self.asked.question);
        writeln!(out, "{strong}{question}{strong:#}")?;
        let (found, none) = self.list.merged(self.asked.margin);
        if found.is_empty() {
            writeln!(
                out,
                "\n  {faint}there is no text to find an answer in{faint:#}"
            )?;
        }
        let refuse = |out: &mut dyn Write, p: f32| {
            let bar = bar(p, BAR);
            writeln!(out, "\n  {p:.2} {faint}{bar}{faint:#}  no answer")
        };
        for (rank, found) in found.iter().take(self.asked.most).enumerate() {
            if let Some((_, p)) = none.filter(|&(at, _)| at == rank) {
                refuse(out, p)?;
            }
            let is_likely = none.is_none_or(|(at, _)| rank < at);
            let style = if is_likely { answer } else { faint };
            let bar = bar(found.p, BAR);
            let room = width.saturating_sub(BAR + 9).max(20);
            writeln!(
                out,
                "\n  {:.2} {style}{bar}  {}{style:#}",
                found.p,
                cut(&found.text, room)
            )?;
            let place = format!("{}:{}:{}", found.path, found.place.line, found.place.column);
            writeln!(out, "       {faint}{place}{faint:#}")?;
            // The sentence around it, the answer in the middle of what room there is.
            let inner = cut(&found.text, width.saturating_sub(8) / 2);
            let cells = unicode_width::UnicodeWidthStr::width(inner.as_str());
            let each = width.saturating_sub(9 + cells) / 2;
            let (before, after) = (&found.before, &found.after);
            writeln!(
                out,
                "       {faint}{}{}{faint:#}{underline}{inner}{underline:#}{faint}{}{}{faint:#}",
                cut_front(&before.0, each),
                before.1,
                after.0,
                cut(&after.1, each),
            )?;
        }
        let shown = found.len().min(self.asked.most);
        if let Some((_, p)) = none.filter(|&(at, _)| at == shown && shown > 0) {
            refuse(out, p)?;
        }
        writeln!(out)?;
        out.flush()
    }
}

/// What the documents together say to whether there is an answer, whatever the format.
#[derive(Clone, Copy, Debug, Default)]
pub struct Verdict {
    best: Option<f32>,
    none: Option<f32>,
}

impl Verdict {
    /// Takes a document into account.
    pub fn add(&mut self, answers: &Answers) {
        if let Some(best) = answers.best.first() {
            self.best = Some(self.best.unwrap_or(best.score).max(best.score));
        }
        if let Some(none) = answers.none {
            self.none = Some(self.none.unwrap_or(none.score).min(none.score));
        }
    }

    /// Whether there was nothing to find an answer in.
    pub fn is_void(self) -> bool {
        self.best.is_none()
    }

    /// Whether no answer outscores the best of them by more than `margin`.
    pub fn is_refusal(self, margin: f32) -> bool {
        (self.best.zip(self.none)).is_some_and(|(best, none)| none - best > margin)
    }
}

struct Json {
    envelope: Envelope,
    asked: Asked,
}

impl HeadPrinter<Answered> for Json {
    fn begin(&mut self, out: &mut dyn Write, model: &Model) -> io::Result<()> {
        let question = Some(self.asked.question.as_str());
        self.envelope.begin(out, model, question)
    }

    fn document(&mut self, out: &mut dyn Write, answered: &Answered) -> io::Result<()> {
        let most = self.asked.most;
        let object = DocumentObject { answered, most };
        self.envelope.document(out, &object)
    }

    fn end(&mut self, out: &mut dyn Write, errors: &[FileError]) -> io::Result<()> {
        self.envelope.end(out, errors)
    }
}

struct JsonLines {
    asked: Asked,
}

impl HeadPrinter<Answered> for JsonLines {
    fn document(&mut self, out: &mut dyn Write, answered: &Answered) -> io::Result<()> {
        let most = self.asked.most;
        json::line(out, &DocumentObject { answered, most })
    }

    fn end(&mut self, out: &mut dyn Write, errors: &[FileError]) -> io::Result<()> {
        json::error_lines(out, errors)
    }
}

struct DocumentObject<'a> {
    answered: &'a Answered,
    most: usize,
}

#[derive(Serialize)]
struct AnswerObject<'a> {
    text: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source_text: Option<&'a str>,
    start: usize,
    end: usize,
    score: f32,
    p: f32,
}

#[derive(Serialize)]
struct NoAnswerObject {
    score: f32,
    p: f32,
}

impl Serialize for DocumentObject<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Answered { document, answers } = self.answered;
        let mut object = serializer.serialize_struct("document", 3)?;
        object.serialize_field("path", &document.path.to_string_lossy())?;
        object.serialize_field(
            "answers",
            &Sequence(|| {
                answers.best.iter().take(self.most).map(|answer| {
                    let source = answer.span.of(&document.text).unwrap_or_default();
                    let (text, source_text) = with_source(answer.text.as_str().into(), source);
                    AnswerObject {
                        text,
                        source_text,
                        start: answer.span.start(),
                        end: answer.span.end(),
                        score: answer.score,
                        p: answer.p,
                    }
                })
            }),
        )?;
        let none = answers
            .none
            .map(|NoAnswer { score, p }| NoAnswerObject { score, p });
        object.serialize_field("no_answer", &none)?;
        object.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::theme::Theme;
    use electroscope_text::Language;

    /// A document in which each of these words has this score.
    fn answered(path: &str, text: &str, scores: &[(&str, f32)], none: Option<f32>) -> Answered {
        let answer = |&(word, score): &(&str, f32)| {
            let start = text.find(word).unwrap();
            Answer {
                span: Span::new(start, start + word.len()),
                text: word.to_owned(),
                score,
                p: 0.125,
            }
        };
        Answered {
            document: Document::new(path, text, Language::Plain),
            answers: Answers {
                best: scores.iter().map(answer).collect(),
                none: none.map(|score| NoAnswer { score, p: 0.25 }),
            },
        }
    }

    fn printed(
        format: HeadFormat,
        theme: Theme,
        documents: &[Answered],
        most: usize,
        margin: f32,
    ) -> String {
        let asked = Asked {
            question: "Who\u{1b} waits?".to_owned(),
            most,
            margin,
        };
        let mut printer = printer(format, Looks { theme, width: 60 }, asked);
        let mut out = Vec::new();
        for document in documents {
            printer.document(&mut out, document).unwrap();
        }
        printer.end(&mut out, &[]).unwrap();
        String::from_utf8(out).unwrap()
    }

    /// Two documents; the best answer stands in the second.
    fn two(none: Option<f32>) -> [Answered; 2] {
        let first = "# Notes\r\n\r\nThe long way to the harbour, on which Anna\u{1b} waits every day \
                     (in spring), is closed.\n\nEnd.";
        let second = "Oslo waits.";
        [
            answered(
                "a\u{1b}.md",
                first,
                &[("Anna\u{1b}", 4.0), ("spring", 1.0)],
                none,
            ),
            answered(
                "b.md",
                second,
                &[("Oslo", 5.0)],
                none.map(|none| none + 3.0),
            ),
        ]
    }

    #[test]
    fn people_see_one_list_over_all_documents_the_best_first() {
        let mono = printed(HeadFormat::Pretty, Theme::Mono, &two(None), 5, 0.0);
        insta::assert_snapshot!(mono);
        assert!(!mono.contains('\u{1b}'));
        let color = printed(HeadFormat::Pretty, Theme::Ansi16, &two(Some(3.0)), 5, 0.0);
        insta::assert_snapshot!(color.replace('\u{1b}', "␛"));
        let nothing = answered("a.md", "", &[], Some(1.0));
        insta::assert_snapshot!(printed(HeadFormat::Pretty, Theme::Mono, &[nothing], 5, 0.0));
    }

    #[test]
    fn a_line_is_an_answer_that_is_likelier_than_none() {
        let compact = |none, most, margin| {
            printed(HeadFormat::Compact, Theme::Mono, &two(none), most, margin)
        };
        insta::assert_snapshot!(compact(None, 5, 0.0));
        assert_eq!(compact(None, 2, 0.0).lines().count(), 2);
        // The lowest no-answer counts, as over the windows of one document.
        assert_eq!(compact(Some(3.0), 5, 0.0).lines().count(), 2);
        assert_eq!(compact(Some(4.5), 5, 0.0).lines().count(), 1);
        assert_eq!(compact(Some(4.5), 5, 0.5).lines().count(), 2);
        assert_eq!(compact(Some(9.0), 5, 0.0), "");
    }

    #[test]
    fn the_shares_of_the_list_are_of_all_documents() {
        let mut list = List::default();
        for document in two(Some(3.0)) {
            list.add(&document);
        }
        let (found, none) = list.merged(0.0);
        let (_, none) = none.unwrap();
        let all: f32 = found.iter().map(|found| found.p).sum::<f32>() + none;
        assert!((all - 1.0).abs() < 1e-6, "{all}");
        assert!((found[0].p / found[1].p - 1_f32.exp()).abs() < 1e-4);
        assert!((found[0].p / none - 2_f32.exp()).abs() < 1e-4);
    }

    #[test]
    fn json_has_the_answers_of_each_document() {
        let lines = printed(HeadFormat::Jsonl, Theme::Mono, &two(Some(3.0)), 1, 0.0);
        let first: serde_json::Value = serde_json::from_str(lines.lines().next().unwrap()).unwrap();
        assert_eq!(
            first,
            serde_json::json!({
                "path": "a\u{1b}.md",
                "answers": [{"text": "Anna\u{1b}", "start": 49, "end": 54, "score": 4.0, "p": 0.125}],
                "no_answer": {"score": 3.0, "p": 0.25},
            })
        );
        let without = printed(HeadFormat::Jsonl, Theme::Mono, &two(None), 1, 0.0);
        assert!(without.contains("\"no_answer\":null"));
    }

    #[test]
    fn the_verdict_is_over_all_documents() {
        let verdict = |none| {
            let mut verdict = Verdict::default();
            for document in two(none) {
                verdict.add(&document.answers);
            }
            verdict
        };
        assert!(Verdict::default().is_void() && !verdict(None).is_void());
        assert!(!verdict(None).is_refusal(0.0));
        assert!(!verdict(Some(4.5)).is_refusal(0.0));
        assert!(verdict(Some(5.5)).is_refusal(0.0));
        assert!(!verdict(Some(5.5)).is_refusal(1.0));
    }
}
