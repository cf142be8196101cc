//! What a tagger said of words, and the entities they make up, for people and for programs.
//!
//! JSON has every word. The formats for people have the entities, for most words are outside of any;
//! of a head that marks none, such as one for parts of speech, they have the words.

use std::borrow::Cow;
use std::collections::HashMap;
use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use serde::Serialize;
use serde::ser::{SerializeStruct, Serializer};

use super::json::{self, Envelope, Sequence};
use super::line::{QUOTE, cut, on_one_line};
use super::page::{self, Crowded, Mark};
use super::{FileError, HeadFormat, HeadPrinter, Looks, Model, Places, visible_path, with_source};
use electroscope_analysis::{EntityAt, ErrorKind, TaggedWord};
use electroscope_text::{AsRead, Document, LineIndex, Span};

/// A document that was tagged.
#[derive(Clone, Debug)]
pub struct Tagged {
    /// The document.
    pub document: Document,
    /// Its words in the order of the text.
    pub words: Vec<TaggedWord>,
    /// What they make up, in the order of the text.
    pub entities: Vec<EntityAt>,
}

/// What is known of the head behind the words.
#[derive(Clone, Debug)]
pub struct Tags {
    /// Its labels by their numbers.
    pub labels: Vec<String>,
    /// Whether runs of them are entities.
    pub marks_entities: bool,
}

impl Tags {
    fn label(&self, word: &TaggedWord) -> &str {
        let label = self.labels.get(usize::from(word.label));
        label.map(String::as_str).unwrap_or_default()
    }

    /// Whether its labels mark writing errors: `ERR`, or the kinds of [`ErrorKind`].
    fn marks_errors(&self) -> bool {
        let is_error = |label: &str| label == "ERR" || ErrorKind::from_label(label).is_some();
        let without_prefix = |label: &String| {
            let prefixes = ["B-", "I-", "E-", "S-"];
            let bare = prefixes
                .iter()
                .find_map(|prefix| label.strip_prefix(prefix));
            bare.unwrap_or(label).to_owned()
        };
        let mut bare = self.labels.iter().map(without_prefix);
        self.labels.len() > 1 && bare.all(|label| label == "O" || is_error(&label))
    }

    /// What a line for a person is about: where it stands, what is read there, what it is, and how sure
    /// that is.
    fn telling<'a>(
        &'a self,
        found: &'a Tagged,
        read: &'a AsRead,
    ) -> Vec<(Span, Cow<'a, str>, &'a str, f32)> {
        if self.marks_entities {
            let entities = found.entities.iter();
            entities
                .map(|entity| {
                    let text = Cow::from(entity.text.as_str());
                    (entity.span, text, entity.label.as_str(), entity.p)
                })
                .collect()
        } else {
            let words = found.words.iter();
            words
                .map(|word| (word.span, read.text(word.span), self.label(word), word.p))
                .collect()
        }
    }
}

/// The printer for `format`. Only [`HeadFormat::Pretty`] wants to know the terminal.
pub fn printer(format: HeadFormat, looks: Looks, tags: Tags) -> Box<dyn HeadPrinter<Tagged>> {
    match format {
        HeadFormat::Json => Box::new(Json {
            envelope: Envelope::default(),
            tags,
        }),
        HeadFormat::Jsonl => Box::new(JsonLines { tags }),
        HeadFormat::Compact => Box::new(Compact { tags }),
        HeadFormat::Pretty => Box::new(Pretty {
            looks,
            tags,
            kinds: HashMap::new(),
        }),
    }
}

struct Compact {
    tags: Tags,
}

impl HeadPrinter<Tagged> for Compact {
    fn document(&mut self, out: &mut dyn Write, found: &Tagged) -> io::Result<()> {
        let path = visible_path(&found.document.path);
        let mut places = Places::new(&found.document.text);
        let read = AsRead::new(&found.document);
        for (span, text, label, p) in self.tags.telling(found, &read) {
            let place = places.of(span);
            writeln!(
                out,
                "{path}:{}:{}: {} {p:.2} {}",
                place.line,
                place.column,
                on_one_line(label),
                cut(&text, QUOTE)
            )?;
        }
        Ok(())
    }
}

struct Pretty {
    looks: Looks,
    tags: Tags,
    /// The kinds of entity that have been seen, each with its number, so that each keeps its colour.
    kinds: HashMap<String, usize>,
}

impl Pretty {
    /// How entities of a kind are painted.
    fn style(&mut self, kind: &str) -> Style {
        const COLORS: [AnsiColor; 6] = [
            AnsiColor::Cyan,
            AnsiColor::Yellow,
            AnsiColor::Green,
            AnsiColor::Magenta,
            AnsiColor::Blue,
            AnsiColor::Red,
        ];
        let next = self.kinds.len();
        let at = *self.kinds.entry(kind.to_owned()).or_insert(next);
        let color = COLORS.get(at % COLORS.len()).copied();
        let style = Style::new().fg_color(color.map(Into::into)).underline();
        self.looks.unless_mono(style)
    }

    /// The words of each line with their labels behind them.
    fn words(&self, out: &mut dyn Write, found: &Tagged) -> io::Result<()> {
        let faint = self.looks.faint();
        let text = &*found.document.text;
        let read = AsRead::new(&found.document);
        let lines = LineIndex::new(text);
        let digits = lines.count().to_string().len().max(3);
        let room = usize::from(self.looks.width).saturating_sub(digits + 3);
        let mut last = None;
        let mut at = 0;
        for word in &found.words {
            let line = lines.line_of(word.span.start());
            let shown = on_one_line(&read.text(word.span));
            let label = on_one_line(self.tags.label(word));
            let cells = |text: &str| unicode_width::UnicodeWidthStr::width(text);
            let wide = cells(&shown) + 1 + cells(&label);
            let is_next = last == Some(line);
            if is_next && at + 1 + wide <= room {
                write!(out, " ")?;
                at += 1 + wide;
            } else {
                if last.is_some() {
                    writeln!(out)?;
                }
                let number = if is_next { "" } else { &(line + 1).to_string() };
                write!(out, "{faint}{number:>digits$} │{faint:#} ")?;
                at = wide;
            }
            write!(out, "{shown}{faint}/{label}{faint:#}")?;
            last = Some(line);
        }
        if last.is_some() {
            writeln!(out)?;
        }
        writeln!(out)
    }
}

impl HeadPrinter<Tagged> for Pretty {
    fn document(&mut self, out: &mut dyn Write, found: &Tagged) -> io::Result<()> {
        let (strong, faint) = (self.looks.strong(), self.looks.faint());
        let count = |count: usize, one: &str, many: &str| match count {
            1 => format!("1 {one}"),
            _ => format!("{count} {many}"),
        };
        let words = count(found.words.len(), "word", "words");
        let amount = if self.tags.marks_entities {
            let entities = match self.tags.marks_errors() {
                true => count(found.entities.len(), "error", "errors"),
                false => count(found.entities.len(), "entity", "entities"),
            };
            format!("{entities} in {words}")
        } else {
            words
        };
        writeln!(
            out,
            "{strong}{}{strong:#}  {faint}{amount}{faint:#}",
            visible_path(&found.document.path),
        )?;
        if !self.tags.marks_entities {
            return self.words(out, found);
        }
        let marks: Vec<Mark> = found
            .entities
            .iter()
            .map(|entity| Mark {
                span: entity.span,
                style: self.style(&entity.label),
                label: Some(format!("{} {:.2}", on_one_line(&entity.label), entity.p)),
            })
            .collect();
        page::write(
            out,
            self.looks,
            &found.document.text,
            &marks,
            Crowded::Stack,
        )
    }
}

struct Json {
    envelope: Envelope,
    tags: Tags,
}

impl HeadPrinter<Tagged> for Json {
    fn begin(&mut self, out: &mut dyn Write, model: &Model) -> io::Result<()> {
        self.envelope.begin(out, model, None)
    }

    fn document(&mut self, out: &mut dyn Write, found: &Tagged) -> io::Result<()> {
        let tags = &self.tags;
        self.envelope.document(out, &DocumentObject { found, tags })
    }

    fn end(&mut self, out: &mut dyn Write, errors: &[FileError]) -> io::Result<()> {
        self.envelope.end(out, errors)
    }
}

struct JsonLines {
    tags: Tags,
}

impl HeadPrinter<Tagged> for JsonLines {
    fn document(&mut self, out: &mut dyn Write, found: &Tagged) -> io::Result<()> {
        let tags = &self.tags;
        json::line(out, &DocumentObject { found, tags })
    }

    fn end(&mut self, out: &mut dyn Write, errors: &[FileError]) -> io::Result<()> {
        json::error_lines(out, errors)
    }
}

struct DocumentObject<'a> {
    found: &'a Tagged,
    tags: &'a Tags,
}

#[derive(Serialize)]
struct WordObject<'a> {
    text: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source_text: Option<&'a str>,
    start: usize,
    end: usize,
    label: &'a str,
    p: f32,
}

#[derive(Serialize)]
struct EntityObject<'a> {
    label: &'a str,
    text: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source_text: Option<&'a str>,
    start: usize,
    end: usize,
    p: f32,
}

impl Serialize for DocumentObject<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (found, tags) = (self.found, self.tags);
        let text = &*found.document.text;
        let read = AsRead::new(&found.document);
        let word = |word: &'_ TaggedWord| {
            let source = word.span.of(text).unwrap_or_default();
            let (text, source_text) = match source.contains('&') {
                true => with_source(read.text(word.span), source),
                false => (source.into(), None),
            };
            WordObject {
                text,
                source_text,
                start: word.span.start(),
                end: word.span.end(),
                label: tags.label(word),
                p: word.p,
            }
        };
        let mut object = serializer.serialize_struct("document", 3)?;
        object.serialize_field("path", &found.document.path.to_string_lossy())?;
        object.serialize_field("words", &Sequence(|| found.words.iter().map(word)))?;
        object.serialize_field(
            "entities",
            &Sequence(|| {
                found.entities.iter().map(|entity| {
                    let source = entity.span.of(text).unwrap_or_default();
                    let (text, source_text) = with_source(entity.text.as_str().into(), source);
                    EntityObject {
                        label: &entity.label,
                        text,
                        source_text,
                        start: entity.span.start(),
                        end: entity.span.end(),
                        p: entity.p,
                    }
                })
            }),
        )?;
        object.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::theme::Theme;
    use electroscope_text::Language;

    fn printed(format: HeadFormat, theme: Theme, marks_entities: bool, width: u16) -> String {
        let text = "Anna Berg\u{1b}waits in 四五\n\nand Anna goes.\n";
        let document = Document::new("a\u{1b}.md", text, Language::Markdown);
        let span = |from: usize, word: &str| {
            let start = from + text[from..].find(word).unwrap();
            Span::new(start, start + word.len())
        };
        let word = |from, word, label| TaggedWord {
            span: span(from, word),
            label,
            p: 0.875,
            is_punctuation: false,
        };
        let entity = |label: &str, from, text| EntityAt {
            label: label.to_owned(),
            span: span(from, text),
            text: text.to_owned(),
            p: 0.75,
        };
        let words = vec![
            word(0, "Anna", 1),
            word(0, "Berg", 1),
            word(0, "waits", 0),
            word(0, "in", 0),
            word(0, "四五", 2),
            word(26, "Anna", 1),
        ];
        let mut entities = vec![
            entity("PER", 0, "Anna Berg"),
            entity("LOC\u{1b}", 0, "四五"),
            entity("PER", 26, "Anna"),
        ];
        if !marks_entities {
            entities.clear();
        }
        let tags = Tags {
            labels: ["O", "PER", "LOC\u{1b}"].map(str::to_owned).to_vec(),
            marks_entities,
        };
        let mut printer = printer(format, Looks { theme, width }, tags);
        let mut out = Vec::new();
        let found = Tagged {
            document,
            words,
            entities,
        };
        printer.document(&mut out, &found).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn people_see_entities_in_the_text_and_what_they_are_below_them() {
        let mono = printed(HeadFormat::Pretty, Theme::Mono, true, 80);
        insta::assert_snapshot!(mono);
        assert!(!mono.contains('\u{1b}'));
        let color = printed(HeadFormat::Pretty, Theme::Ansi16, true, 80);
        insta::assert_snapshot!(color.replace('\u{1b}', "␛"));
    }

    #[test]
    fn where_entities_are_crowded_what_they_are_stands_further_down() {
        let narrow = printed(HeadFormat::Pretty, Theme::Mono, true, 30);
        insta::assert_snapshot!(narrow);
        assert!(
            narrow.lines().all(|line| line.chars().count() <= 30),
            "{narrow}"
        );
    }

    #[test]
    fn where_nothing_is_an_entity_people_see_the_label_of_every_word() {
        insta::assert_snapshot!(printed(HeadFormat::Pretty, Theme::Mono, false, 30));
    }

    #[test]
    fn a_line_is_an_entity_or_a_word() {
        let compact = |entities| printed(HeadFormat::Compact, Theme::Mono, entities, 80);
        insta::assert_snapshot!([compact(true), compact(false)].join("\n"));
    }

    #[test]
    fn json_has_words_and_entities() {
        let line = printed(HeadFormat::Jsonl, Theme::Mono, true, 80);
        assert!(!line.contains('\u{1b}'));
        let document: serde_json::Value = serde_json::from_str(&line).unwrap();
        let word = serde_json::json!({"text": "四五", "start": 19, "end": 25, "label": "LOC\u{1b}", "p": 0.875});
        assert_eq!(document["words"][4], word);
        let entity = serde_json::json!(
            {"label": "PER", "text": "Anna Berg", "start": 0, "end": 9, "p": 0.75}
        );
        assert_eq!(document["entities"][0], entity);
        assert_eq!(document["entities"].as_array().unwrap().len(), 3);
    }
}
