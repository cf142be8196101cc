//! An error tagger, read as a discriminator is: one logit for each token, whose sigmoid is the probability
//! that its word is an error.
//!
//! The heat map can then show either with the same windows and the same cache. [`super::HeadReader`] gives
//! each word its likeliest label instead; here the labels other than `O` count together.

use std::sync::Arc;

use electroscope_model::{
    Error, Forward, HeadConfig, HeadForward, HeadInput, Logits, Task, Tokenizer,
};

use super::decode;
use super::error_kind::ErrorKind;

/// An error tagger that is read as a discriminator.
pub struct ErrorTagger {
    head: Arc<dyn HeadForward>,
    /// The index of the label of words without an error.
    outside: usize,
    /// The kind of error of each label, if it is one.
    kinds: Vec<Option<ErrorKind>>,
    /// Whether each token id continues the word of the token before.
    continues: Vec<bool>,
}

/// What an error tagger says of a token.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct ErrorLogit {
    /// The log odds of any label but `O`.
    pub(super) logit: f32,
    /// The likeliest kind of error.
    pub(super) kind: Option<ErrorKind>,
}

impl ErrorTagger {
    /// Reads the head that `config` describes; none if it is not a tagger with the label `O` and others.
    pub fn new(
        tokenizer: &Tokenizer,
        head: Arc<dyn HeadForward>,
        config: &HeadConfig,
    ) -> Option<ErrorTagger> {
        if config.task != Task::Tagging || config.labels.len() < 2 {
            return None;
        }
        let outside = config
            .labels
            .iter()
            .position(|label| decode::is_outside(label))?;
        let kinds = config.labels.iter();
        let vocabulary = tokenizer.vocabulary();
        let continues = vocabulary.iter().map(|piece| piece.starts_with("##"));
        Some(ErrorTagger {
            head,
            outside,
            kinds: kinds.map(|label| ErrorKind::from_label(label)).collect(),
            continues: continues.collect(),
        })
    }

    /// What the tagger says of each token of `windows`. All pieces of a word have what the first has.
    ///
    /// # Errors
    ///
    /// Those of the forward pass.
    pub(super) fn error_logits(&self, windows: &[&[u32]]) -> Result<Vec<Vec<ErrorLogit>>, Error> {
        let inputs: Vec<HeadInput> = (windows.iter())
            .map(|window| HeadInput {
                ids: window.to_vec(),
                second: window.len(),
            })
            .collect();
        let logits = self.head.logits(&inputs)?;
        let of_window = |(window, logits): (&&[u32], &Logits)| self.of_window(window, logits);
        Ok(windows.iter().zip(&logits).map(of_window).collect())
    }

    fn of_window(&self, window: &[u32], logits: &Logits) -> Vec<ErrorLogit> {
        let mut found: Vec<ErrorLogit> = Vec::with_capacity(window.len());
        for (&id, row) in window.iter().zip(logits.rows()) {
            let continues = self.continues.get(id as usize) == Some(&true);
            let logit = match found.last() {
                // The first token is `[CLS]`, to which no word belongs.
                Some(&first) if continues && found.len() > 1 => first,
                _ => ErrorLogit {
                    logit: log_odds_against(row, self.outside),
                    kind: self.kind(row),
                },
            };
            found.push(logit);
        }
        found
    }

    /// The kind of the likeliest label but `O`.
    fn kind(&self, row: &[f32]) -> Option<ErrorKind> {
        let others = (row.iter().enumerate()).filter(|&(label, _)| label != self.outside);
        let (label, _) = others.max_by(|a, b| a.1.total_cmp(b.1))?;
        self.kinds.get(label).copied().flatten()
    }
}

/// The log odds that a row of logits gives to all labels but number `outside` together.
fn log_odds_against(row: &[f32], outside: usize) -> f32 {
    let others = || (row.iter().enumerate()).filter(|&(label, _)| label != outside);
    let largest = others().fold(f32::MIN, |largest, (_, &logit)| largest.max(logit));
    let sum: f32 = others().map(|(_, &logit)| (logit - largest).exp()).sum();
    largest + sum.ln() - row.get(outside).copied().unwrap_or(0.0)
}

impl Forward for ErrorTagger {
    fn logits(&self, windows: &[&[u32]]) -> Result<Vec<Vec<f32>>, Error> {
        let found = self.error_logits(windows)?;
        let logits = |window: Vec<ErrorLogit>| window.iter().map(|found| found.logit).collect();
        Ok(found.into_iter().map(logits).collect())
    }

    fn device(&self) -> String {
        self.head.device()
    }

    fn precision(&self) -> String {
        self.head.precision()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sigmoid(logit: f32) -> f32 {
        1.0 / (1.0 + (-logit).exp())
    }

    #[test]
    fn p_is_one_minus_the_probability_of_the_label_outside() {
        for row in [[2.0f32, -1.0, 0.5], [-30.0, 40.0, 3.0], [0.0, 0.0, 0.0]] {
            let sum: f32 = row.iter().map(|logit| logit.exp()).sum();
            for outside in 0..3 {
                let wanted = 1.0 - row[outside].exp() / sum;
                let found = sigmoid(log_odds_against(&row, outside));
                assert!(
                    (found - wanted).abs() < 1e-6,
                    "{row:?}: {found} for {wanted}"
                );
            }
        }
        // Far beyond where an exponential overflows.
        assert_eq!(sigmoid(log_odds_against(&[0.0, 900.0], 0)), 1.0);
    }

    /// Answers `O` with what the id is in tenths, and the error with nothing.
    struct Ids;

    impl HeadForward for Ids {
        fn logits(&self, windows: &[HeadInput]) -> Result<Vec<Logits>, Error> {
            let of = |window: &HeadInput| Logits {
                columns: 2,
                values: (window.ids.iter())
                    .flat_map(|&id| [id as f32 / 10.0, 0.0])
                    .collect(),
            };
            Ok(windows.iter().map(of).collect())
        }

        fn device(&self) -> String {
            "cpu".into()
        }

        fn precision(&self) -> String {
            "f32".into()
        }
    }

    #[test]
    fn all_pieces_of_a_word_have_the_logit_of_the_first() {
        let tagger = ErrorTagger {
            head: Arc::new(Ids),
            outside: 0,
            kinds: vec![None, Some(ErrorKind::Spelling)],
            continues: [false, false, false, true, true, false].to_vec(),
        };
        let windows: [&[u32]; 2] = [&[0, 2, 3, 4, 5, 1], &[0, 3, 4, 1]];
        let logits = tagger.logits(&windows).unwrap();
        assert_eq!(logits[0], [0.0, -0.2, -0.2, -0.2, -0.5, -0.1]);
        // A window that begins within a word has the first piece that it has.
        assert_eq!(logits[1], [0.0, -0.3, -0.3, -0.1]);
    }
}
