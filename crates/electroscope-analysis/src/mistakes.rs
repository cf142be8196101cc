//! A head that marks errors, read as a discriminator is: a logit for each token, whose sigmoid is the
//! chance that its word is one.
//!
//! So the heat map can show either, with the same windows and the same cache. Apart from
//! [`super::HeadReader`], which gives each word its likeliest label; here it counts how likely any
//! label but `O` is. Never looks at a text.

use std::sync::Arc;

use electroscope_model::{
    Error, Forward, HeadConfig, HeadForward, HeadInput, Logits, Task, Tokenizer,
};

use super::decode;

/// A tagger of errors as a discriminator.
pub struct Mistakes {
    head: Arc<dyn HeadForward>,
    /// The number of the label of words that have nothing to them.
    outside: usize,
    /// Which tokens, by their ids, go on with the word of the token before.
    goes_on: Vec<bool>,
}

impl Mistakes {
    /// Reads the head that `config` describes; none if it is no tagger that marks some words and
    /// leaves out others.
    pub fn new(
        tokenizer: &Tokenizer,
        head: Arc<dyn HeadForward>,
        config: &HeadConfig,
    ) -> Option<Mistakes> {
        if config.task != Task::Tagging || config.labels.len() < 2 {
            return None;
        }
        let outside = config
            .labels
            .iter()
            .position(|label| decode::is_outside(label))?;
        let vocabulary = tokenizer.vocabulary();
        let goes_on = vocabulary.iter().map(|piece| piece.starts_with("##"));
        Some(Mistakes {
            head,
            outside,
            goes_on: goes_on.collect(),
        })
    }

    /// A logit per token of `window`. A word is as its first piece is, and so are all of its pieces.
    fn of_window(&self, window: &[u32], logits: &Logits) -> Vec<f32> {
        let mut found: Vec<f32> = Vec::with_capacity(window.len());
        for (&id, row) in window.iter().zip(logits.rows()) {
            let goes_on = self.goes_on.get(id as usize) == Some(&true);
            let logit = match found.last() {
                // The first token is `[CLS]`, to which no word belongs.
                Some(&first) if goes_on && found.len() > 1 => first,
                _ => against(row, self.outside),
            };
            found.push(logit);
        }
        found
    }
}

/// The logarithm of the odds that a row of logits gives to any label but number `outside`.
fn against(row: &[f32], outside: usize) -> f32 {
    let others = || (row.iter().enumerate()).filter(|&(label, _)| label != outside);
    let largest = others().fold(f32::MIN, |largest, (_, &logit)| largest.max(logit));
    let sum: f32 = others().map(|(_, &logit)| (logit - largest).exp()).sum();
    largest + sum.ln() - row.get(outside).copied().unwrap_or(0.0)
}

impl Forward for Mistakes {
    fn logits(&self, windows: &[&[u32]]) -> Result<Vec<Vec<f32>>, Error> {
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
    fn p_is_what_is_left_by_the_label_of_nothing() {
        for row in [[2.0f32, -1.0, 0.5], [-30.0, 40.0, 3.0], [0.0, 0.0, 0.0]] {
            let sum: f32 = row.iter().map(|logit| logit.exp()).sum();
            for outside in 0..3 {
                let wanted = 1.0 - row[outside].exp() / sum;
                let found = sigmoid(against(&row, outside));
                assert!(
                    (found - wanted).abs() < 1e-6,
                    "{row:?}: {found} for {wanted}"
                );
            }
        }
        // Far beyond where an exponential overflows.
        assert_eq!(sigmoid(against(&[0.0, 900.0], 0)), 1.0);
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
    fn the_pieces_of_a_word_are_as_the_first_of_them() {
        let mistakes = Mistakes {
            head: Arc::new(Ids),
            outside: 0,
            goes_on: [false, false, false, true, true, false].to_vec(),
        };
        let windows: [&[u32]; 2] = [&[0, 2, 3, 4, 5, 1], &[0, 3, 4, 1]];
        let logits = mistakes.logits(&windows).unwrap();
        assert_eq!(logits[0], [0.0, -0.2, -0.2, -0.2, -0.5, -0.1]);
        // A window that begins within a word has the first piece that it has.
        assert_eq!(logits[1], [0.0, -0.3, -0.3, -0.1]);
    }
}
