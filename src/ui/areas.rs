//! Where things stand on a screen of a given size. Drawing and the mouse both ask here.

use ratatui::layout::Rect;

use super::state::State;
use super::view;

/// The parts of the screen. A part that has no room has an empty area.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Areas {
    /// The first row: the program, the document, the model.
    pub(super) header: Rect,
    /// The list of documents, without its border.
    pub(super) documents: Rect,
    /// The marks and numbers of the lines.
    pub(super) gutter: Rect,
    /// Why the text or its tints are not what they seem, above the text; no rows if they are.
    pub(super) banner: Rect,
    /// The text.
    pub(super) text: Rect,
    /// The whole file from top to bottom.
    pub(super) strip: Rect,
    /// The panel with its tabs, without its border.
    pub(super) panel: Rect,
    /// The border beside or above the panel.
    pub(super) panel_border: Rect,
    /// The border beside the list of documents.
    pub(super) documents_border: Rect,
    /// The last row.
    pub(super) status: Rect,
}

/// Below this width there is no place beside the text.
const NARROW: u16 = 64;

impl Areas {
    pub(super) fn of(state: &State) -> Areas {
        let (width, height) = (state.size.width, state.size.height);
        let mut areas = Areas {
            header: Rect::new(0, 0, width, height.min(1)),
            ..Areas::default()
        };
        if height < 3 {
            // Nothing but the text and, if there is a row for it, the header.
            areas.text = Rect::new(0, areas.header.height, width, height.saturating_sub(1));
            return areas;
        }
        areas.status = Rect::new(0, height - 1, width, 1);
        let mut middle = Rect::new(0, 1, width, height - 2);

        if state.panel_shown && width < NARROW {
            let wanted = (middle.height / 3).min(9);
            if wanted >= 4 {
                let y = middle.bottom() - wanted;
                areas.panel_border = Rect::new(0, y, width, 1);
                areas.panel = Rect::new(0, y + 1, width, wanted - 1);
                middle.height -= wanted;
            }
        } else if state.panel_shown {
            let wanted = (28 + width.saturating_sub(80) / 3).min(54);
            areas.panel_border = Rect::new(width - wanted - 1, middle.y, 1, middle.height);
            areas.panel = Rect::new(width - wanted, middle.y, wanted, middle.height);
            middle.width -= wanted + 1;
        }
        let list_fits = width >= 90 || (width >= NARROW && !state.panel_shown);
        if list_fits && state.documents_shown && state.documents.len() > 1 {
            let wanted = (width / 6).clamp(15, 28);
            areas.documents = Rect::new(0, middle.y, wanted, middle.height);
            areas.documents_border = Rect::new(wanted, middle.y, 1, middle.height);
            middle.x += wanted + 1;
            middle.width -= wanted + 1;
        }
        let rows = view::banner_rows(state, middle.width).min(middle.height.saturating_sub(1));
        areas.banner = Rect::new(middle.x, middle.y, middle.width, rows);
        middle.y += rows;
        middle.height -= rows;
        if middle.width > 12 {
            areas.strip = Rect::new(middle.right() - 1, middle.y, 1, middle.height);
            // And a gap, so that letters and strip do not touch.
            middle.width -= 2;
            let lines = state.document().map_or(1, |open| open.lines.count());
            let digits = lines.ilog10() as u16 + 1;
            // A mark, the number, a space.
            let gutter = 1 + digits.max(3) + 1;
            areas.gutter = Rect::new(middle.x, middle.y, gutter, middle.height);
            middle.x += gutter;
            middle.width -= gutter;
        }
        areas.text = middle;
        areas
    }
}
