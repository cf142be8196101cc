//! What was measured of mistakes, for people and for programs.

use std::collections::BTreeMap;
use std::io::{self, Write};

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use crate::report::{Model, write_json};
use electroscope_text::visible;

/// What was measured on what.
#[derive(Serialize)]
pub(super) struct Report {
    pub(super) schema_version: u32,
    pub(super) model: Model,
    pub(super) data: String,
    pub(super) texts: usize,
    /// What stands between blanks.
    pub(super) words: usize,
    pub(super) wrong: usize,
    pub(super) clean_words: usize,
    pub(super) share: Option<f32>,
    pub(super) mended: BTreeMap<String, Mended>,
    pub(super) median_milliseconds: Option<f64>,
    #[serde(serialize_with = "by_name")]
    pub(super) flagged: Vec<(&'static str, Flags)>,
}

fn by_name<S: Serializer>(rows: &[(&'static str, Flags)], out: S) -> Result<S::Ok, S::Error> {
    let mut map = out.serialize_map(Some(rows.len()))?;
    for (name, flags) in rows {
        map.serialize_entry(name, flags)?;
    }
    map.end()
}

/// How many of the words that one word mends were mended.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Mended {
    cases: usize,
    first: usize,
    in_five: usize,
    at_all: usize,
}

impl Mended {
    /// Adds a case, with the place of the right suggestion if there is one.
    pub(super) fn add(&mut self, place: Option<usize>) {
        self.cases += 1;
        self.first += usize::from(place == Some(0));
        self.in_five += usize::from(place.is_some_and(|place| place < 5));
        self.at_all += usize::from(place.is_some());
    }

    fn shares(self) -> MendedShares {
        let share = |count: usize| count as f64 / self.cases.max(1) as f64;
        MendedShares {
            cases: self.cases,
            first: share(self.first),
            in_five: share(self.in_five),
            at_all: share(self.at_all),
        }
    }
}

impl Serialize for Mended {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        self.shares().serialize(out)
    }
}

#[derive(Serialize)]
struct MendedShares {
    cases: usize,
    first: f64,
    in_five: f64,
    at_all: f64,
}

/// What one way of flagging words is worth.
#[derive(Serialize)]
pub(super) struct Flags {
    /// At its own threshold.
    pub(super) own: Scores,
    /// At the threshold that flags the wanted share of clean words.
    pub(super) at_share: Option<Scores>,
}

/// What flagging from a threshold on is worth.
#[derive(Serialize)]
pub(super) struct Scores {
    pub(super) threshold: f64,
    pub(super) precision: f64,
    pub(super) recall: f64,
    pub(super) f_half: f64,
    /// The share of the words of clean text that it flags.
    pub(super) of_clean: Option<f64>,
}

impl Report {
    pub(super) fn json(&self, out: &mut dyn Write) -> io::Result<()> {
        write_json(out, self)?;
        writeln!(out)
    }

    pub(super) fn pretty(&self, out: &mut dyn Write) -> io::Result<()> {
        let Model {
            id,
            device,
            precision,
            ..
        } = &self.model;
        writeln!(out, "{} · {device} {precision}", visible(id))?;
        writeln!(
            out,
            "{} · {} texts, {} words, {} of them wrong",
            visible(&self.data),
            self.texts,
            self.words,
            self.wrong
        )?;
        let widest = self.mended.keys().map(|kind| kind.chars().count()).max();
        let widest = widest.unwrap_or(0).max(13);
        writeln!(
            out,
            "\n  {:widest$}  cases   first  in five  at all",
            "mended"
        )?;
        for (kind, mended) in &self.mended {
            let shares = mended.shares();
            writeln!(
                out,
                "  {:widest$}  {:>5}  {:.4}   {:.4}  {:.4}",
                visible(kind),
                shares.cases,
                shares.first,
                shares.in_five,
                shares.at_all
            )?;
        }
        if let Some(median) = self.median_milliseconds {
            writeln!(out, "\n  {median:.1} ms a word at the median")?;
        }
        if !self.flagged.is_empty() {
            writeln!(
                out,
                "\n  {:widest$}  threshold  precision  recall    F0.5  of clean",
                "flagged"
            )?;
        }
        for (name, flags) in &self.flagged {
            row(out, name, widest, &flags.own)?;
            if let Some(scores) = &flags.at_share {
                row(out, "", widest, scores)?;
            }
        }
        Ok(())
    }
}

fn row(out: &mut dyn Write, name: &str, widest: usize, scores: &Scores) -> io::Result<()> {
    let of_clean = scores
        .of_clean
        .map_or("–".to_owned(), |share| format!("{share:.4}"));
    writeln!(
        out,
        "  {name:widest$}  {:>9.4}  {:>9.4}  {:.4}  {:.4}  {of_clean:>8}",
        scores.threshold, scores.precision, scores.recall, scores.f_half
    )
}
