//! Colours and glyphs of the screen, theme by theme.
//!
//! Every theme leaves the terminal's own background alone. No meaning hangs on colour only: flagged
//! words are underlined, selected rows carry a mark, and `mono` uses no colour at all.

use ratatui::style::{Color, Modifier, Style};

use crate::report::heat::{self, Ground, Rgb};
pub use crate::report::theme::{ColorFacts, Depth, Theme};

impl Theme {
    /// A colour of the dark theme, of the light one, and of the sixteen.
    fn color(self, dark: Rgb, light: Rgb, ansi: Color) -> Color {
        match self.ground() {
            Some((Ground::Dark, depth)) => shown(dark, depth),
            Some((Ground::Light, depth)) => shown(light, depth),
            None if self == Theme::Mono => Color::Reset,
            None => ansi,
        }
    }

    /// A word of the given heat.
    pub(super) fn heat(self, level: u8, is_flagged: bool) -> Style {
        let mut style = Style::new();
        match self {
            Theme::Dark(_) | Theme::Light(_) => {
                let tint = self
                    .ground()
                    .and_then(|(ground, depth)| Some((heat::tint(level, ground)?, depth)));
                if let Some(((tint, letters), depth)) = tint {
                    style = style.bg(shown(tint, depth)).fg(shown(letters, depth));
                }
            }
            Theme::Ansi16 => {
                style = match level {
                    0 => style,
                    1 | 2 => style.fg(Color::Yellow),
                    3..=5 => style.bg(Color::Yellow).fg(Color::Black),
                    _ => style.bg(Color::Red).fg(Color::White),
                }
            }
            Theme::Mono => {
                if level >= 5 {
                    style = style.add_modifier(Modifier::BOLD);
                }
                if level >= heat::LEVELS - 1 {
                    style = style.add_modifier(Modifier::REVERSED);
                }
            }
        }
        if is_flagged {
            style = style.add_modifier(Modifier::UNDERLINED);
        }
        style
    }

    /// The mark of a line, or a cell of the strip, of the given heat: a glyph that grows with it, for
    /// those who see no colour.
    pub(super) fn mark(self, level: u8) -> (&'static str, Style) {
        const BARS: [&str; 9] = [" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"];
        let glyph = BARS.get(usize::from(level)).copied().unwrap_or("█");
        let style = match self.ground() {
            Some((ground, depth)) => match heat::tint(level, ground) {
                Some((tint, _)) => Style::new().fg(shown(tint, depth)),
                None => Style::new(),
            },
            None if self == Theme::Mono => Style::new(),
            None if level >= 6 => Style::new().fg(Color::Red),
            None => Style::new().fg(Color::Yellow),
        };
        (glyph, style)
    }

    /// Letters of the colour that belongs to label number `kind`. Eight colours that every kind of
    /// colour vision tells apart (Okabe and Ito 2008), then the same underlined; without colour the
    /// styles that are left.
    pub(super) fn label(self, kind: usize) -> Style {
        const ON_DARK: [(Rgb, Color); 8] = [
            (Rgb(86, 180, 233), Color::LightBlue),
            (Rgb(230, 159, 0), Color::Yellow),
            (Rgb(0, 188, 140), Color::Green),
            (Rgb(224, 142, 190), Color::LightMagenta),
            (Rgb(240, 228, 66), Color::LightYellow),
            (Rgb(110, 150, 255), Color::Blue),
            (Rgb(240, 110, 50), Color::LightRed),
            (Rgb(190, 190, 190), Color::Gray),
        ];
        const ON_LIGHT: [Rgb; 8] = [
            Rgb(0, 102, 160),
            Rgb(150, 95, 0),
            Rgb(0, 110, 80),
            Rgb(155, 60, 120),
            Rgb(120, 110, 0),
            Rgb(30, 60, 190),
            Rgb(180, 60, 0),
            Rgb(90, 90, 90),
        ];
        let at = kind % ON_DARK.len();
        let (dark, ansi) = ON_DARK.get(at).copied().unwrap_or(ON_DARK[0]);
        let light = ON_LIGHT.get(at).copied().unwrap_or(ON_LIGHT[0]);
        let style = Style::new().fg(self.color(dark, light, ansi));
        if self == Theme::Mono {
            let looks = [Modifier::UNDERLINED, Modifier::BOLD, Modifier::ITALIC];
            let look = looks.get(kind % looks.len()).copied();
            return Style::new().add_modifier(look.unwrap_or(Modifier::UNDERLINED));
        }
        if kind / ON_DARK.len() % 2 == 1 {
            style.add_modifier(Modifier::UNDERLINED)
        } else {
            style
        }
    }

    /// The same colour behind the letters, for single words.
    pub(super) fn label_behind(self, kind: usize) -> Style {
        if self == Theme::Mono {
            return self.label(kind).add_modifier(Modifier::UNDERLINED);
        }
        self.label(kind).add_modifier(Modifier::REVERSED)
    }

    /// What stands back: line numbers, hints, text that is not scored.
    pub(super) fn faint(self) -> Style {
        match self {
            Theme::Mono => Style::new().add_modifier(Modifier::DIM),
            _ => {
                Style::new().fg(self.color(Rgb(138, 138, 148), Rgb(110, 110, 118), Color::DarkGray))
            }
        }
    }

    /// Lines between the parts of the screen.
    pub(super) fn border(self) -> Style {
        match self {
            Theme::Mono => Style::new().add_modifier(Modifier::DIM),
            _ => Style::new().fg(self.color(Rgb(72, 72, 82), Rgb(190, 190, 198), Color::DarkGray)),
        }
    }

    /// Names and numbers that matter.
    pub(super) fn strong(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    /// The name of the program, tabs that are open, keys.
    pub(super) fn accent(self) -> Style {
        let color = self.color(Rgb(240, 180, 72), Rgb(155, 62, 15), Color::Yellow);
        Style::new().fg(color).add_modifier(Modifier::BOLD)
    }

    /// All is well.
    pub(super) fn good(self) -> Style {
        Style::new().fg(self.color(Rgb(120, 190, 140), Rgb(30, 120, 60), Color::Green))
    }

    /// Something is wrong.
    pub(super) fn bad(self) -> Style {
        let color = self.color(Rgb(255, 120, 110), Rgb(180, 20, 20), Color::Red);
        Style::new().fg(color).add_modifier(Modifier::BOLD)
    }

    /// The row or the tab that is chosen.
    pub(super) fn selected(self) -> Style {
        match self.ground() {
            Some((_, _)) => Style::new()
                .bg(self.color(Rgb(48, 50, 64), Rgb(222, 226, 238), Color::Reset))
                .add_modifier(Modifier::BOLD),
            None => Style::new().add_modifier(Modifier::REVERSED),
        }
    }

    /// A match of the search.
    pub(super) fn found(self) -> Style {
        match self.ground() {
            Some(_) => Style::new()
                .bg(self.color(Rgb(46, 84, 130), Rgb(170, 205, 250), Color::Blue))
                .fg(self.color(Rgb(255, 255, 255), Rgb(10, 10, 20), Color::White)),
            None if self == Theme::Mono => {
                Style::new().add_modifier(Modifier::REVERSED | Modifier::DIM)
            }
            None => Style::new().bg(Color::Blue).fg(Color::White),
        }
    }

    /// The word under the cursor, laid over whatever it is.
    pub(super) fn under_cursor(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }
}

/// A colour in the depth that the terminal has.
fn shown(color: Rgb, depth: Depth) -> Color {
    let Rgb(r, g, b) = color;
    match depth {
        Depth::True => Color::Rgb(r, g, b),
        Depth::Indexed => Color::Indexed(color.indexed()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_colour_means_no_colour() {
        let theme = Theme::Mono;
        for level in 0..=heat::LEVELS {
            for style in [theme.heat(level, true), theme.mark(level).1] {
                assert!(style.fg.is_none() && style.bg.is_none());
            }
        }
    }

    #[test]
    fn a_flagged_word_is_underlined_in_every_theme() {
        for theme in [
            Theme::Dark(Depth::True),
            Theme::Light(Depth::Indexed),
            Theme::Ansi16,
            Theme::Mono,
        ] {
            let is_underlined = |style: Style| style.add_modifier.contains(Modifier::UNDERLINED);
            assert!(is_underlined(theme.heat(3, true)));
            assert!(!is_underlined(theme.heat(2, false)));
        }
    }
}
