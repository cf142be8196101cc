//! How much colour is wanted, and of which kind: what the screen and the printers have in common.

use super::heat::Ground;

/// The themes there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Theme {
    /// Light letters on a dark background, in the given depth of colour.
    Dark(Depth),
    /// Dark letters on a light background.
    Light(Depth),
    /// The sixteen colours of the terminal's own palette.
    Ansi16,
    /// None but bold, dim, underlined and reversed.
    Mono,
}

/// How many colours a terminal can show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// 24 bits.
    True,
    /// The 256 of xterm.
    Indexed,
}

/// What the environment says about colour, and what the user chose.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ColorFacts {
    /// The theme by name, if one was chosen.
    pub theme: Option<String>,
    /// Whether colours are wanted at all (`--color`, `NO_COLOR`).
    pub colors: bool,
    /// `COLORTERM`.
    pub colorterm: String,
    /// `TERM`.
    pub term: String,
    /// `COLORFGBG`, by which some terminals tell their background.
    pub colorfgbg: String,
}

impl Theme {
    /// The names that [`Theme::choose`] takes.
    pub const NAMES: [&str; 4] = ["dark", "light", "ansi-16", "mono"];

    /// The theme for what is known. No colour wanted means `mono`, whatever else was chosen; without
    /// a choice it is what the terminal can show.
    ///
    /// # Errors
    ///
    /// A name that is no theme.
    pub fn choose(facts: &ColorFacts) -> Result<Theme, String> {
        let is_true = ["truecolor", "24bit"].contains(&facts.colorterm.as_str())
            || facts.term.ends_with("-direct");
        let is_indexed = facts.term.contains("256") || is_true;
        let depth = if is_true { Depth::True } else { Depth::Indexed };
        // The background is the last field; 7 and 9 to 15 are light.
        let is_light = facts
            .colorfgbg
            .rsplit(';')
            .next()
            .and_then(|field| field.parse::<u8>().ok())
            .is_some_and(|color| color == 7 || color > 8);
        let theme = match facts.theme.as_deref() {
            None if !is_indexed => Theme::Ansi16,
            None if is_light => Theme::Light(depth),
            None | Some("dark") => Theme::Dark(depth),
            Some("light") => Theme::Light(depth),
            Some("ansi-16") => Theme::Ansi16,
            Some("mono") => Theme::Mono,
            Some(other) => {
                return Err(format!(
                    "there is no theme {other:?}; it must be one of {}",
                    Theme::NAMES.join(", ")
                ));
            }
        };
        Ok(if facts.colors { theme } else { Theme::Mono })
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Theme::Dark(_) => "dark",
            Theme::Light(_) => "light",
            Theme::Ansi16 => "ansi-16",
            Theme::Mono => "mono",
        }
    }

    /// The theme after this one, in the same depth of colour where it has one.
    #[must_use]
    pub fn next(self) -> Theme {
        match self {
            Theme::Dark(depth) => Theme::Light(depth),
            Theme::Light(_) => Theme::Ansi16,
            Theme::Ansi16 => Theme::Mono,
            Theme::Mono => Theme::Dark(Depth::True),
        }
    }

    /// What the terminal's background is like and how many colours it has, for the themes that choose
    /// colours of their own.
    pub fn ground(self) -> Option<(Ground, Depth)> {
        match self {
            Theme::Dark(depth) => Some((Ground::Dark, depth)),
            Theme::Light(depth) => Some((Ground::Light, depth)),
            Theme::Ansi16 | Theme::Mono => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(theme: Option<&str>, colorterm: &str, term: &str) -> ColorFacts {
        ColorFacts {
            theme: theme.map(Into::into),
            colors: true,
            colorterm: colorterm.into(),
            term: term.into(),
            colorfgbg: String::new(),
        }
    }

    #[test]
    fn the_theme_is_what_was_chosen_within_what_the_terminal_can_show() {
        let choose = |theme, colorterm, term| Theme::choose(&facts(theme, colorterm, term));
        assert_eq!(
            choose(None, "truecolor", "xterm"),
            Ok(Theme::Dark(Depth::True))
        );
        assert_eq!(
            choose(None, "", "xterm-256color"),
            Ok(Theme::Dark(Depth::Indexed))
        );
        assert_eq!(choose(None, "", "linux"), Ok(Theme::Ansi16));
        assert_eq!(
            choose(Some("light"), "24bit", "xterm"),
            Ok(Theme::Light(Depth::True))
        );
        assert_eq!(choose(Some("mono"), "24bit", "xterm"), Ok(Theme::Mono));
        let light = ColorFacts {
            colorfgbg: "0;15".into(),
            ..facts(None, "truecolor", "xterm")
        };
        assert_eq!(Theme::choose(&light), Ok(Theme::Light(Depth::True)));
        let err = choose(Some("solarised"), "", "").unwrap_err();
        assert!(
            err.contains("solarised") && err.contains("ansi-16"),
            "{err}"
        );
    }

    #[test]
    fn no_colour_wanted_means_none_whatever_was_chosen() {
        let facts = ColorFacts {
            colors: false,
            ..facts(Some("dark"), "truecolor", "xterm")
        };
        assert_eq!(Theme::choose(&facts), Ok(Theme::Mono));
    }
}
