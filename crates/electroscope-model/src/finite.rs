//! Refuses answers that are not numbers.
//!
//! A damaged or diverged model computes NaN, and a NaN compares as lower than every threshold: its texts
//! would pass as clean. Every loaded model is therefore wrapped in [`Finite`], which turns such an answer
//! into [`Error::NotFinite`] before anything reads it.

use std::sync::Arc;

use super::{Error, Forward, HeadForward, HeadInput, Logits};

/// A model whose answers are checked. `name` is what it was read from, for the error.
pub(super) struct Finite<F: ?Sized> {
    name: String,
    inner: Arc<F>,
}

impl<F: ?Sized> Finite<F> {
    pub(super) fn new(name: String, inner: Arc<F>) -> Finite<F> {
        Finite { name, inner }
    }

    /// Whether all of `logits` are finite.
    fn check(&self, logits: &[f32], precision: impl Fn() -> String) -> Result<(), Error> {
        match logits.iter().find(|logit| !logit.is_finite()) {
            None => Ok(()),
            Some(&found) => Err(Error::NotFinite {
                model: self.name.clone(),
                found,
                precision: precision(),
            }),
        }
    }
}

impl Forward for Finite<dyn Forward> {
    fn logits(&self, windows: &[&[u32]]) -> Result<Vec<Vec<f32>>, Error> {
        let answers = self.inner.logits(windows)?;
        for logits in &answers {
            self.check(logits, || self.inner.precision())?;
        }
        Ok(answers)
    }

    fn device(&self) -> String {
        self.inner.device()
    }

    fn precision(&self) -> String {
        self.inner.precision()
    }

    fn at_once(&self) -> usize {
        self.inner.at_once()
    }

    fn path(&self) -> String {
        self.inner.path()
    }
}

impl HeadForward for Finite<dyn HeadForward> {
    fn logits(&self, windows: &[HeadInput]) -> Result<Vec<Logits>, Error> {
        let answers = self.inner.logits(windows)?;
        for Logits { values, .. } in &answers {
            self.check(values, || self.inner.precision())?;
        }
        Ok(answers)
    }

    fn device(&self) -> String {
        self.inner.device()
    }

    fn precision(&self) -> String {
        self.inner.precision()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Answers every window with the same logits.
    struct Constant(Vec<f32>);

    impl Forward for Constant {
        fn logits(&self, windows: &[&[u32]]) -> Result<Vec<Vec<f32>>, Error> {
            Ok(vec![self.0.clone(); windows.len()])
        }

        fn device(&self) -> String {
            "cpu".to_owned()
        }

        fn precision(&self) -> String {
            "f32".to_owned()
        }
    }

    impl HeadForward for Constant {
        fn logits(&self, windows: &[HeadInput]) -> Result<Vec<Logits>, Error> {
            let values = self.0.clone();
            Ok(vec![Logits { columns: 1, values }; windows.len()])
        }

        fn device(&self) -> String {
            "cpu".to_owned()
        }

        fn precision(&self) -> String {
            "f32".to_owned()
        }
    }

    #[test]
    fn logits_that_are_not_finite_are_an_error_that_names_the_model() {
        let window = HeadInput {
            ids: vec![1],
            second: 1,
        };
        let said = |logits: &[f32]| {
            let constant = || Arc::new(Constant(logits.to_vec()));
            let forward = Finite::<dyn Forward>::new("m".into(), constant());
            let head = Finite::<dyn HeadForward>::new("m".into(), constant());
            let forward = forward.logits(&[&[1]]).err().map(|err| err.to_string());
            let head =
                (head.logits(std::slice::from_ref(&window)).err()).map(|err| err.to_string());
            assert_eq!(forward, head);
            forward
        };
        assert_eq!(said(&[1.0, -3.5]), None);
        assert_eq!(said(&[]), None);
        let nan = said(&[1.0, f32::NAN]).unwrap();
        assert_eq!(
            nan,
            "m: the model computes NaN in f32 where a logit must be a finite number; its weights are \
             damaged or its training diverged: get it again, or choose another model"
        );
        assert!(said(&[f32::INFINITY]).unwrap().contains("computes inf"));
        assert!(
            said(&[f32::NEG_INFINITY, 0.0])
                .unwrap()
                .contains("computes -inf")
        );
    }
}
