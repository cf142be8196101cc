//! What a finding is called and how it is explained, by what was asked of the words.

use crate::settings::Lens;

/// A kind of finding, as code scanning services and annotations name it.
#[derive(Debug)]
pub(super) struct Rule {
    /// Its stable name.
    pub(super) id: &'static str,
    /// A heading for one finding.
    pub(super) title: &'static str,
    /// What one is, in a few words.
    pub(super) short: &'static str,
    /// What one is, in a sentence.
    pub(super) full: &'static str,
    /// What to do about one.
    pub(super) help: &'static str,
    /// What is said of the word in the message.
    verdict: &'static str,
}

const DOUBTFUL_WORD: Rule = Rule {
    id: "doubtful-word",
    title: "Doubtful word",
    short: "A word that may not belong",
    full: "The discriminator thinks it likely that this word was put in the place of another.",
    help: "Read the sentence with the word in mind: a wrong word, a misspelling and a missing word \
           beside it are usual causes. p is the probability that the word was replaced, not that it \
           is an error, so a rare word or a name that is right can be left as it is. Raise the \
           threshold with --threshold, or find one on text that is fine with `electroscope score \
           --calibrate FILE...`. `electroscope score --lens errors` asks for errors of writing \
           instead.",
    verdict: "may not belong here",
};

const WRITING_ERROR: Rule = Rule {
    id: "writing-error",
    title: "Writing error",
    short: "A word that may be an error",
    full: "A tagger of errors thinks it likely that this word is wrong where it stands.",
    help: "Check the spelling of the word, its form (agreement, tense, number), and whether a word \
           is missing or too much beside it. p is the probability of an error that the tagger gives. \
           Raise the threshold with --threshold, or find one on text that is fine with `electroscope \
           score --lens errors --calibrate FILE...`.",
    verdict: "may be an error",
};

impl Rule {
    /// The rule of what a lens finds.
    pub(super) fn of(lens: Lens) -> &'static Rule {
        match lens {
            Lens::Replaced => &DOUBTFUL_WORD,
            Lens::Errors => &WRITING_ERROR,
        }
    }

    /// The message for one finding.
    pub(super) fn message(&self, text: &str, p: f32) -> String {
        format!("“{text}” {} (p {p:.2})", self.verdict)
    }
}
