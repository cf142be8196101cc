//! When two spellings are the same word.

use std::borrow::Cow;

/// `word` with straight apostrophes and without soft hyphens.
pub(super) fn plain(word: &str) -> Cow<'_, str> {
    if word.contains(['\u{2019}', '\u{ad}']) {
        let plain = word.replace('\u{2019}', "'").replace('\u{ad}', "");
        return plain.into();
    }
    word.into()
}

/// The same in lower case: two words with the same are one word.
pub(super) fn folded(word: &str) -> String {
    plain(word).to_lowercase()
}

/// The word that a plain spelling is the possessive of.
pub(super) fn owner(plain: &str) -> Option<&str> {
    let owner = plain
        .strip_suffix("'s")
        .or_else(|| plain.strip_suffix("'S"))?;
    (!owner.is_empty()).then_some(owner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn apostrophes_soft_hyphens_and_case_make_no_other_word() {
        assert_eq!(folded("COULDN\u{2019}T"), "couldn't");
        assert_eq!(folded("Manag\u{ad}er"), "manager");
        assert_eq!(owner(&plain("Weber\u{2019}s")), Some("Weber"));
        assert_eq!(owner("NASA'S"), Some("NASA"));
        assert_eq!(owner("'s"), None);
        assert_eq!(owner("boats"), None);
    }
}
