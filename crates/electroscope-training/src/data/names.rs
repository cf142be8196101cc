//! The names of labels while a file is read: learnt from it, or known before.
//!
//! Apart from the formats, so that an unknown label is the same mistake in all of them.

use std::cmp::Ordering;
use std::collections::HashMap;

use super::lines::listed;

/// The names seen so far, or those that there are.
pub(super) struct LabelNames {
    numbers: HashMap<String, usize>,
    names: Vec<String>,
    are_all: bool,
}

impl LabelNames {
    /// Those that the file will have; or only `known` ones, by their numbers.
    pub(super) fn new(known: Option<&[String]>) -> LabelNames {
        let names = known.unwrap_or_default().to_vec();
        LabelNames {
            numbers: names.iter().cloned().zip(0..).collect(),
            names,
            are_all: known.is_some(),
        }
    }

    /// The number of a name, for now.
    ///
    /// # Errors
    ///
    /// In words, that it is not known.
    pub(super) fn number(&mut self, name: &str) -> Result<usize, String> {
        if let Some(&number) = self.numbers.get(name) {
            return Ok(number);
        }
        if self.are_all {
            return Err(unknown(name, &self.names));
        }
        let number = self.names.len();
        self.numbers.insert(name.to_owned(), number);
        self.names.push(name.to_owned());
        Ok(number)
    }

    /// Whether a name has been seen, or is known.
    pub(super) fn has(&self, name: &str) -> bool {
        self.numbers.contains_key(name)
    }

    /// The names by their numbers of now.
    pub(super) fn all(&self) -> &[String] {
        &self.names
    }

    /// The names in their order, and the final number of each provisional one. Names that were known
    /// before keep their numbers.
    pub(super) fn sorted(
        self,
        order: impl Fn(&str, &str) -> Ordering,
    ) -> (Vec<String>, Vec<usize>) {
        let mut places: Vec<usize> = (0..self.names.len()).collect();
        if !self.are_all {
            places.sort_by(|&a, &b| order(&self.names[a], &self.names[b]));
        }
        let mut numbers = vec![0; places.len()];
        for (number, &place) in places.iter().enumerate() {
            numbers[place] = number;
        }
        let names = places.iter().map(|&place| self.names[place].clone());
        (names.collect(), numbers)
    }
}

/// That a label is none of those that there are.
pub(super) fn unknown(name: &str, known: &[String]) -> String {
    format!(
        "the label {name:?} is none of those that are known: {}; correct it, or train with data \
         that has it",
        listed(known)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_numbered_in_their_order_and_not_in_that_of_the_file() {
        let mut names = LabelNames::new(None);
        let seen: Vec<usize> = ["c", "a", "c", "b"]
            .iter()
            .map(|name| names.number(name).unwrap())
            .collect();
        let (names, numbers) = names.sorted(str::cmp);
        assert_eq!(names, ["a", "b", "c"]);
        let final_numbers: Vec<usize> = seen.iter().map(|&number| numbers[number]).collect();
        assert_eq!(final_numbers, [2, 0, 2, 1]);
    }

    #[test]
    fn known_names_keep_their_numbers_and_no_other_is_let_in() {
        let known = ["yes".to_owned(), "no".to_owned()];
        let mut names = LabelNames::new(Some(&known));
        assert_eq!(names.number("no"), Ok(1));
        let message = names.number("perhaps").unwrap_err();
        assert_eq!(
            message,
            "the label \"perhaps\" is none of those that are known: \"yes\", \"no\"; correct it, or \
             train with data that has it"
        );
        assert_eq!(names.sorted(str::cmp).0, known);
    }
}
