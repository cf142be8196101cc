//! Restores running text from the WikiText format.
//!
//! WikiText separates words by spaces, joins numbers and compounds by ` @-@ `, ` @,@ ` and ` @.@ `, puts
//! headings between equals signs and replaces rare words by `<unk>`. A discriminator rightly flags
//! such markup, so scores on it would be too low. Here headings and sentences with `<unk>` are removed,
//! and the rest is joined as in print.

use electroscope_text::sentences;

/// Whether `text` looks like WikiText, by its markup.
pub fn is_wikitext(text: &str) -> bool {
    /// The bytes that are looked at.
    const LOOK: usize = 1 << 16;
    let mut end = text.len().min(LOOK);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let start = text.get(..end).unwrap_or_default();
    let marks = [" @-@ ", " @,@ ", " @.@ ", " <unk> "];
    let found = marks.iter().filter(|mark| start.contains(**mark)).count();
    found >= 2 || (found >= 1 && start.lines().any(is_heading))
}

/// Whether a line is a heading: ` = = Title = = `.
fn is_heading(line: &str) -> bool {
    let line = line.trim();
    line.len() > 2 && line.starts_with("= ") && line.ends_with(" =")
}

/// The paragraphs of a WikiText, one per line, as running text. Those without any sentence left are
/// removed.
pub fn paragraphs(text: &str) -> Vec<String> {
    text.lines()
        .filter(|line| !is_heading(line))
        .map(|line| {
            let whole = joined(line);
            let starts = sentences(&whole);
            let ends = starts.iter().skip(1).copied().chain([whole.len()]);
            let kept: Vec<&str> = starts
                .iter()
                .zip(ends)
                .filter_map(|(&start, end)| whole.get(start..end))
                .filter(|sentence| !sentence.contains("<unk>"))
                .map(str::trim)
                .collect();
            kept.join(" ")
        })
        .filter(|paragraph| !paragraph.is_empty())
        .collect()
}

/// Joins the words of a line as in print.
fn joined(line: &str) -> String {
    let mut text = String::with_capacity(line.len());
    let mut is_quoted = false;
    let mut is_glued = true;
    for word in line.split_whitespace() {
        let before = match word {
            "@-@" | "@,@" | "@.@" => {
                text.push_str(word.trim_matches('@'));
                is_glued = true;
                continue;
            }
            "\"" => {
                is_quoted = !is_quoted;
                !is_quoted
            }
            "," | "." | ";" | ":" | "?" | "!" | ")" | "]" | "%" | "'" | "…" | "”" => true,
            "'s" | "'t" | "'re" | "'ve" | "'ll" | "'d" | "'m" | "n't" => true,
            _ => false,
        };
        if !before && !is_glued {
            text.push(' ');
        }
        text.push_str(word);
        is_glued = match word {
            "(" | "[" | "$" | "£" | "€" | "“" => true,
            "\"" => is_quoted,
            _ => false,
        };
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = " \n = Homarus gammarus = \n \n It grows to 1 @,@ 500 g ( 24 in ) , a well @-@ known \
        \" giant \" . It 's a <unk> lobster . They don 't move 0 @.@ 5 % . \n = = Sources = = \n <unk> . \n";

    #[test]
    fn markup_is_removed() {
        assert_eq!(
            paragraphs(TEXT),
            ["It grows to 1,500 g (24 in), a well-known \"giant\". They don't move 0.5%."]
        );
    }

    #[test]
    fn wikitext_is_recognised_by_its_markup() {
        assert!(is_wikitext(TEXT));
        assert!(!is_wikitext("Two <unk> tokens, and a price @ 5."));
        assert!(!is_wikitext(""));
        assert!(!is_wikitext(&"é".repeat(70_000)));
    }
}
