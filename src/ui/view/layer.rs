//! What is painted over the text for the panel that is shown: units, answers or tags, and the marks
//! beside it.

use ratatui::style::{Modifier, Style};

use crate::report::heat;
use crate::ui::findings::{best, items};
use crate::ui::open::Open;
use crate::ui::state::{Panel, State};
use crate::ui::theme::Theme;
use electroscope_text::Span;

/// A stretch of text and the style it is painted in.
pub(super) type Painted = (Span, Style);

/// What the heads say of the text in `visible`: in order, none overlapping another.
pub(super) fn layer(state: &State, open: &Open, visible: Span) -> Vec<Painted> {
    let theme = state.theme;
    let findings = &open.findings;
    match state.panel {
        Panel::Heat => Vec::new(),
        Panel::Classify => {
            let touching = findings.units.touching(visible);
            let painted = touching.iter().filter_map(|placed| {
                let (kind, _) = best(&placed.item)?;
                Some((placed.span(), theme.label(kind)))
            });
            painted.collect()
        }
        // Weak answers are underlined only: none of them is what was asked for.
        Panel::Ask => {
            let is_weak = state.ready().is_some_and(|head| findings.is_refused(head));
            let mut painted: Vec<Painted> = Vec::new();
            let mut answers: Vec<(usize, Span)> = (findings.answers.iter())
                .map(|answer| answer.span)
                .enumerate()
                .filter(|(_, span)| span.overlaps(visible))
                .collect();
            // The chosen one first, then by rank: answers overlap, and the better is seen.
            answers.sort_by_key(|&(rank, _)| (rank != findings.chosen, rank));
            for (rank, span) in answers {
                if painted.iter().any(|(other, _)| other.overlaps(span)) {
                    continue;
                }
                let style = if is_weak {
                    Style::new().add_modifier(Modifier::UNDERLINED)
                } else if rank == findings.chosen {
                    theme.found().add_modifier(Modifier::BOLD)
                } else {
                    Style::new().add_modifier(Modifier::UNDERLINED)
                };
                painted.push((span, style));
            }
            painted.sort_by_key(|(span, _)| *span);
            painted
        }
        Panel::Tag => {
            let Some(head) = state.ready() else {
                return Vec::new();
            };
            let mut painted = Vec::new();
            for placed in findings.taggings.touching(visible) {
                let words = placed.item.words.iter();
                painted.extend(words.filter_map(|word| {
                    let kind = head.kind_of.get(usize::from(word.label)).copied()??;
                    let is_listed = state.filter.is_none_or(|wanted| wanted == kind);
                    is_listed.then(|| (placed.moved(word.span), theme.label_behind(kind)))
                }));
            }
            painted
        }
    }
}

/// The mark beside a row that holds `row`, in the gutter.
pub(super) fn row_mark(state: &State, open: &Open, row: Span) -> (String, Style) {
    let theme = state.theme;
    match state.panel {
        Panel::Heat => {
            let threshold = state.threshold();
            let level = open
                .readings
                .hottest_in(row)
                .filter(|&p| p >= threshold)
                .map_or(0, |p| heat::level(p, threshold));
            let (glyph, style) = theme.mark(level);
            (glyph.to_owned(), style)
        }
        Panel::Classify => {
            // The first letter of the label, for those who see no colour.
            let unit = open.findings.units.touching(row).first();
            let kind = unit.and_then(|placed| best(&placed.item));
            let (Some((kind, _)), Some(head)) = (kind, state.ready()) else {
                return (String::new(), Style::new());
            };
            let name = head.summary.labels.get(kind).map_or("", String::as_str);
            let letter: String = name.chars().take(1).collect();
            (letter, theme.label(kind))
        }
        Panel::Ask => {
            let chosen = open.findings.answers.get(open.findings.chosen);
            match chosen.filter(|answer| answer.span.overlaps(row)) {
                Some(_) => ("▸".to_owned(), theme.accent()),
                None => (String::new(), Style::new()),
            }
        }
        Panel::Tag => (String::new(), Style::new()),
    }
}

/// The marks of the strip: `cells` equal parts of a text of `len` bytes.
pub(super) fn strip(
    state: &State,
    open: &Open,
    cells: usize,
    len: usize,
) -> Vec<Option<(&'static str, Style)>> {
    let theme = state.theme;
    if state.panel == Panel::Heat {
        let levels = open.readings.strip(cells, len).into_iter();
        return levels.map(|level| mark(theme, level)).collect();
    }
    let mut marks = vec![None; cells];
    for item in items(state.panel, &open.findings).iter() {
        let cell = (item.span.start() as u64 * cells as u64 / len.max(1) as u64) as usize;
        if let Some(mark) = marks.get_mut(cell) {
            *mark = Some(("▐", item_style(state, item.kind, open)));
        }
    }
    marks
}

/// The mark of a level of heat, if there is any.
pub(super) fn mark(theme: Theme, level: u8) -> Option<(&'static str, Style)> {
    (level > 0).then(|| theme.mark(level))
}

/// The style in which a thing of the panel's list is shown.
pub(super) fn item_style(state: &State, kind: usize, open: &Open) -> Style {
    match state.panel {
        Panel::Ask if kind == open.findings.chosen => state.theme.accent(),
        Panel::Ask | Panel::Heat => state.theme.faint(),
        Panel::Classify | Panel::Tag => state.theme.label(kind),
    }
}
