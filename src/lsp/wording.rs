//! What is said of a word.

use electroscope_analysis::ErrorKind;
use electroscope_text::visible;

use super::documents::Finding;
use crate::settings::Lens;

/// The code of a diagnostic.
pub(super) fn code(lens: Lens, kind: Option<ErrorKind>) -> String {
    match (lens, kind) {
        (Lens::Replaced, _) => "replaced-word".to_owned(),
        (Lens::Errors, None) => "writing-error".to_owned(),
        (Lens::Errors, Some(kind)) => {
            format!("writing-error/{}", kind.label().to_ascii_lowercase())
        }
    }
}

/// The message of a diagnostic.
pub(super) fn message(lens: Lens, finding: &Finding) -> String {
    let word = visible(&finding.text);
    let verdict = match (lens, finding.kind) {
        (Lens::Replaced, _) => format!("“{word}” may not belong here"),
        (Lens::Errors, None) => format!("“{word}” may be an error"),
        (Lens::Errors, Some(ErrorKind::Missing)) => {
            format!("a word may be missing before “{word}”")
        }
        (Lens::Errors, Some(kind)) => format!("“{word}” may be {}", kind.description()),
    };
    format!("{verdict} (p {:.2})", finding.p)
}

/// What is said of a flagged word to who points at it.
pub(super) fn explanation(
    lens: Lens,
    finding: &Finding,
    threshold: f32,
    best: &[String],
) -> String {
    let word = visible(&finding.text);
    let likely = match finding.p {
        0.95.. => "almost certainly",
        0.8.. => "very likely",
        0.5.. => "likely",
        _ => "possibly",
    };
    let verdict = match (lens, finding.kind) {
        (Lens::Replaced, _) => format!("“{word}” {likely} does not belong here"),
        (Lens::Errors, None) => format!("“{word}” is {likely} an error"),
        (Lens::Errors, Some(ErrorKind::Missing)) => {
            format!("A word is {likely} missing before “{word}”")
        }
        (Lens::Errors, Some(kind)) => format!("“{word}” is {likely} {}", kind.description()),
    };
    let p = finding.p;
    let mut text = format!("{verdict}: p {p:.2}, flagged from {threshold:.2} on.");
    if !best.is_empty() {
        text += &format!("\nPerhaps: {}", best.join(", "));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use electroscope_text::Span;

    fn finding(p: f32, kind: Option<ErrorKind>) -> Finding {
        Finding {
            span: Span::new(0, 7),
            p,
            kind,
            text: "recieve".to_owned(),
        }
    }

    #[test]
    fn a_finding_is_told_in_words_with_its_p() {
        let spelling = finding(0.97, Some(ErrorKind::Spelling));
        let missing = finding(0.6, Some(ErrorKind::Missing));
        assert_eq!(
            message(Lens::Errors, &spelling),
            "“recieve” may be a spelling error (p 0.97)"
        );
        assert_eq!(
            message(Lens::Errors, &missing),
            "a word may be missing before “recieve” (p 0.60)"
        );
        assert_eq!(
            message(Lens::Replaced, &finding(0.9, None)),
            "“recieve” may not belong here (p 0.90)"
        );
        assert_eq!(
            explanation(Lens::Errors, &spelling, 0.5, &["receive".to_owned()]),
            "“recieve” is almost certainly a spelling error: p 0.97, flagged from 0.50 on.\n\
             Perhaps: receive"
        );
    }

    #[test]
    fn the_code_says_what_was_asked_and_the_kind() {
        assert_eq!(code(Lens::Replaced, None), "replaced-word");
        assert_eq!(code(Lens::Errors, None), "writing-error");
        assert_eq!(
            code(Lens::Errors, Some(ErrorKind::VerbForm)),
            "writing-error/verb-form"
        );
    }
}
