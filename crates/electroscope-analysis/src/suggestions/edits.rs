//! Puts suggestions into a text.

use electroscope_text::Span;

/// A change of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    /// The bytes that it replaces.
    pub span: Span,
    /// What stands there.
    pub before: String,
    /// What is to stand there.
    pub replacement: String,
}

/// Why edits do not fit a text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    /// The text is not the one that the edit was made for.
    #[error(
        "at byte {at} stands {found:?} and not {wanted:?}: the text has changed since it was read"
    )]
    Changed {
        /// Where the edit begins.
        at: usize,
        /// What stands there.
        found: String,
        /// What the edit is to replace.
        wanted: String,
    },
    /// Two edits touch the same bytes.
    #[error("two changes overlap at byte {at}")]
    Overlap {
        /// Where the second begins.
        at: usize,
    },
}

/// `text` with `edits`, which come in its order. Nothing outside of their spans changes.
///
/// # Errors
///
/// [`EditError`] if the text is not the one that the edits were made for, as after they were applied, or
/// if they overlap.
pub fn apply(text: &str, edits: &[Edit]) -> Result<String, EditError> {
    let mut changed = String::with_capacity(text.len());
    let mut at = 0;
    for edit in edits {
        let start = edit.span.start();
        if start < at {
            return Err(EditError::Overlap { at: start });
        }
        let found = edit.span.of(text);
        if found != Some(&edit.before) {
            return Err(EditError::Changed {
                at: start,
                found: found.unwrap_or_default().to_owned(),
                wanted: edit.before.clone(),
            });
        }
        changed.push_str(text.get(at..start).unwrap_or_default());
        changed.push_str(&edit.replacement);
        at = edit.span.end();
    }
    changed.push_str(text.get(at..).unwrap_or_default());
    Ok(changed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn edit(text: &str, start: usize, end: usize, replacement: &str) -> Edit {
        Edit {
            span: Span::new(start, end),
            before: text[start..end].to_owned(),
            replacement: replacement.to_owned(),
        }
    }

    #[test]
    fn edits_of_another_text_and_overlapping_ones_are_refused() {
        let text = "She have two cat.";
        let edits = [edit(text, 4, 8, "has"), edit(text, 13, 16, "cats")];
        let once = apply(text, &edits).unwrap();
        assert_eq!(once, "She has two cats.");
        assert!(matches!(
            apply(&once, &edits),
            Err(EditError::Changed { at: 4, .. })
        ));
        let overlapping = [edit(text, 4, 9, ""), edit(text, 8, 12, " one")];
        assert_eq!(apply(text, &overlapping), Err(EditError::Overlap { at: 8 }));
        let beyond = [Edit {
            span: Span::new(90, 91),
            before: "x".into(),
            replacement: String::new(),
        }];
        assert!(apply(text, &beyond).is_err());
    }

    proptest! {
        #[test]
        fn an_edit_changes_exactly_its_span(
            before in "[a-zé \\n]{0,20}", wrong in "[a-z]{1,8}", right in "[A-Z]{0,8}", after in "[a-zé \\n]{0,20}",
        ) {
            let text = format!("{before}{wrong}{after}");
            let edit = edit(&text, before.len(), before.len() + wrong.len(), &right);
            let changed = apply(&text, std::slice::from_ref(&edit)).unwrap();
            prop_assert_eq!(&changed, &format!("{before}{right}{after}"));
            // Applied twice it is refused, unless what follows happens to be the same word once more.
            match apply(&changed, std::slice::from_ref(&edit)) {
                Err(EditError::Changed { .. }) => {}
                Ok(_) => prop_assert!(right.is_empty() && after.starts_with(&wrong)),
                Err(other) => prop_assert!(false, "{}", other),
            }
        }
    }
}
