//! How far the logits of a batch are from what should have been said: one number that gradients can
//! pass, computed as the reference's models compute theirs.
//!
//! Apart from the models, which answer without knowing what was wanted. Where nothing is asked, such
//! as at padding, nothing is learnt.

use candle_core::Tensor;

use super::Error;
use super::example::Target;
use electroscope_model::{Problem, train_ops};

/// The loss of the logits of a batch: `(B, labels)` for labels and values, `(B, T, labels)` for tags,
/// `(B, T, 2)` for spans. A scalar.
///
/// - One label: the mean cross entropy.
/// - Any labels: the mean binary cross entropy over all labels of all examples.
/// - A value: the mean squared error.
/// - A span: the mean of the cross entropies of start and end, each over the examples whose token
///   lies in the batch; every place of the padded window is a candidate.
/// - Tags: the mean cross entropy over the tokens that have a target.
///
/// Where no example asks anything it is zero, and so are its gradients.
///
/// # Errors
///
/// [`Error::Settings`] if logits, targets and problem do not go together; those of the tensor
/// operations.
pub fn loss(logits: &Tensor, targets: &[&Target], problem: Problem) -> Result<Tensor, Error> {
    let Some(first) = targets.first() else {
        return Err(misfit("a batch without examples has no loss".to_owned()));
    };
    let dims = logits.dims();
    if dims.first() != Some(&targets.len()) {
        return Err(misfit(format!(
            "there are {} targets, but the logits have the shape {dims:?}",
            targets.len()
        )));
    }
    match (first, dims, problem) {
        (Target::Label(_), [_, _], Problem::SingleLabel) => {
            let labels = all(targets, |target| match target {
                Target::Label(label) => Some(Some(*label)),
                _ => None,
            })?;
            cross_entropy(logits, &labels)
        }
        (Target::Labels(_), &[_, columns], Problem::MultiLabel) => {
            let rows = all(targets, |target| match target {
                Target::Labels(labels) => Some(labels),
                _ => None,
            })?;
            if let Some(row) = rows.iter().find(|row| row.len() != columns) {
                return Err(misfit(format!(
                    "an example says of {} labels whether they apply, but the model has {columns}",
                    row.len()
                )));
            }
            let wanted = rows
                .into_iter()
                .flatten()
                .map(|&applies| f32::from(applies));
            let wanted = Tensor::from_iter(wanted, logits.device())?.reshape(dims)?;
            Ok(binary_cross_entropy(logits, &wanted)?.mean_all()?)
        }
        (Target::Value(_), [_, 1], Problem::Regression) => {
            let values = all(targets, |target| match target {
                Target::Value(value) => Some(*value),
                _ => None,
            })?;
            let wanted = Tensor::from_vec(values, dims, logits.device())?;
            Ok((logits - wanted)?.sqr()?.mean_all()?)
        }
        (Target::Span { .. }, &[_, length, 2], _) => {
            let spans = all(targets, |target| match target {
                Target::Span { start, end } => Some((*start, *end)),
                _ => None,
            })?;
            let inside = |at: usize| (at < length).then_some(at);
            let of = |column: usize, places: Vec<Option<usize>>| {
                cross_entropy(&logits.narrow(2, column, 1)?.squeeze(2)?, &places)
            };
            let starts = of(0, spans.iter().map(|span| inside(span.0)).collect())?;
            let ends = of(1, spans.iter().map(|span| inside(span.1)).collect())?;
            Ok(((starts + ends)? / 2.0)?)
        }
        (Target::Tags(_), &[_, length, _], _) => {
            let rows = all(targets, |target| match target {
                Target::Tags(tags) => Some(tags),
                _ => None,
            })?;
            if let Some(row) = rows.iter().find(|row| row.len() > length) {
                return Err(misfit(format!(
                    "an example has tags for {} tokens, but the batch is {length} long",
                    row.len()
                )));
            }
            let padded = rows.into_iter().flat_map(|row| {
                let padding = std::iter::repeat_n(None, length - row.len());
                row.iter().copied().chain(padding)
            });
            cross_entropy(&logits.flatten_to(1)?, &padded.collect::<Vec<_>>())
        }
        (first, dims, problem) => Err(misfit(format!(
            "logits of the shape {dims:?} and targets such as {first:?} do not make a loss for \
             {problem:?}"
        ))),
    }
}

/// The generator's loss: the mean cross entropy of the logits `(N, V)` at the masked tokens, where
/// `targets` are the tokens that had stood there. Zero if none was masked.
///
/// # Errors
///
/// As [`loss`].
pub fn mlm(logits: &Tensor, targets: &[u32]) -> Result<Tensor, Error> {
    let targets: Vec<Option<usize>> = targets.iter().map(|&id| Some(id as usize)).collect();
    cross_entropy(logits, &targets)
}

/// The discriminator's loss: the mean binary cross entropy of the logits `(B, T)` over the tokens.
/// `labels` is 1 where a token was replaced, `is_token` 0 at padding; both `(B, T)`, of any type.
///
/// # Errors
///
/// As [`loss`].
pub fn rtd(logits: &Tensor, labels: &Tensor, is_token: &Tensor) -> Result<Tensor, Error> {
    let labels = labels.to_dtype(logits.dtype())?;
    let weights = is_token.to_dtype(logits.dtype())?;
    let sum = (binary_cross_entropy(logits, &labels)? * &weights)?.sum_all()?;
    // The reference's guard against a batch of nothing but padding.
    Ok((sum / (weights.sum_all()? + 1e-6)?)?)
}

/// What `of` finds in every target.
fn all<'a, T>(
    targets: &[&'a Target],
    of: impl Fn(&'a Target) -> Option<T>,
) -> Result<Vec<T>, Error> {
    let found = |target: &&'a Target| {
        of(target).ok_or_else(|| {
            let first = targets.first();
            misfit(format!(
                "one batch has targets of two kinds, {first:?} and {target:?}"
            ))
        })
    };
    targets.iter().map(found).collect()
}

fn misfit(what: String) -> Error {
    Error::Settings(what)
}

/// The mean over the rows of logits `(N, columns)` that have a target; zero if none has.
fn cross_entropy(logits: &Tensor, targets: &[Option<usize>]) -> Result<Tensor, Error> {
    let (rows, columns) = logits.dims2()?;
    if rows != targets.len() {
        return Err(misfit(format!(
            "there are {} targets for {rows} rows of logits",
            targets.len()
        )));
    }
    if let Some(beyond) = targets.iter().flatten().find(|&&at| at >= columns) {
        return Err(misfit(format!(
            "an example has the label number {beyond}, but the model has {columns} labels, counted \
             from 0"
        )));
    }
    let device = logits.device();
    let asked: Vec<u32> = (0..rows as u32)
        .zip(targets)
        .filter_map(|(row, target)| target.map(|_| row))
        .collect();
    if asked.is_empty() {
        // Still a function of the logits, so that every parameter gets its gradient, of zero. A factor
        // that is a plain 0 would cut the graph.
        return Ok((logits * logits.zeros_like()?)?.sum_all()?);
    }
    let chosen = if asked.len() == rows {
        logits.clone()
    } else {
        let asked = Tensor::new(asked, device)?;
        logits.contiguous()?.index_select(&asked, 0)?
    };
    let wanted: Vec<u32> = targets.iter().flatten().map(|&at| at as u32).collect();
    Ok(train_ops::cross_entropy(&chosen, &wanted)?)
}

/// Of each logit against its 0 or 1: `max(x, 0) - x·z + ln(1 + e^-|x|)`, which cannot overflow.
fn binary_cross_entropy(logits: &Tensor, wanted: &Tensor) -> candle_core::Result<Tensor> {
    let softened = (logits.abs()?.neg()?.exp()? + 1.0)?.log()?;
    (logits.relu()? - (logits * wanted)?)? + softened
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::{Device, Var};

    fn var(values: &[f32], shape: impl Into<candle_core::Shape>) -> Var {
        Var::from_slice(values, shape, &Device::Cpu).unwrap()
    }

    /// The loss, and the gradient of it by the logits.
    #[track_caller]
    fn learnt(logits: &Var, targets: &[Target], problem: Problem) -> (f32, Vec<f32>) {
        let targets: Vec<&Target> = targets.iter().collect();
        slope(logits, loss(logits, &targets, problem).unwrap())
    }

    #[track_caller]
    fn slope(logits: &Var, loss: Tensor) -> (f32, Vec<f32>) {
        let gradients = loss.backward().unwrap();
        let gradient = gradients.get(logits).expect("the graph is cut");
        let gradient = gradient.flatten_all().unwrap().to_vec1().unwrap();
        (loss.to_scalar().unwrap(), gradient)
    }

    #[track_caller]
    fn assert_close(found: &[f32], wanted: &[f32]) {
        assert_eq!(found.len(), wanted.len());
        let apart = found.iter().zip(wanted).map(|(a, b)| (a - b).abs());
        assert!(
            apart.fold(0.0, f32::max) < 1e-5,
            "{found:?} instead of {wanted:?}"
        );
    }

    fn sigmoid(x: f32) -> f32 {
        1.0 / (1.0 + (-x).exp())
    }

    #[test]
    fn a_label_costs_the_logarithm_of_its_share() {
        let logits = var(&[0.0, 3f32.ln(), 1000.0, 1000.0], (2, 2));
        let targets = [Target::Label(1), Target::Label(0)];
        let (loss, gradient) = learnt(&logits, &targets, Problem::SingleLabel);
        assert_close(&[loss], &[((4f32 / 3.0).ln() + 2f32.ln()) / 2.0]);
        assert_close(&gradient, &[0.125, -0.125, -0.25, 0.25]);
    }

    #[test]
    fn each_of_several_labels_costs_by_itself() {
        let logits = var(&[0.0, 2.0, -100.0, 100.0, -1.0, 0.0], (2, 3));
        let targets = [
            Target::Labels(vec![true, false, true]),
            Target::Labels(vec![true, false, false]),
        ];
        let (loss, gradient) = learnt(&logits, &targets, Problem::MultiLabel);
        let ln2 = 2f32.ln();
        let parts = [
            ln2,
            -(1.0 - sigmoid(2.0)).ln(),
            100.0,
            0.0,
            -sigmoid(1.0).ln(),
            ln2,
        ];
        assert_close(&[loss], &[parts.iter().sum::<f32>() / 6.0]);
        let wanted = [-0.5, sigmoid(2.0), -1.0, 0.0, sigmoid(-1.0), 0.5];
        assert_close(&gradient, &wanted.map(|slope| slope / 6.0));
    }

    #[test]
    fn a_value_costs_the_square_of_its_distance() {
        let logits = var(&[1.0, 5.0], (2, 1));
        let targets = [Target::Value(3.0), Target::Value(4.0)];
        let (loss, gradient) = learnt(&logits, &targets, Problem::Regression);
        assert_close(&[loss], &[2.5]);
        assert_close(&gradient, &[-2.0, 1.0]);
    }

    #[test]
    fn a_span_costs_the_mean_of_its_ends_and_nothing_where_it_lies_outside() {
        // Starts in the first column, ends in the second; all places are equally likely.
        let logits = var(&[0.0; 8], (2, 2, 2));
        let span = |start, end| Target::Span { start, end };
        let targets = [span(0, 1), span(7, 0)];
        let (loss, gradient) = learnt(&logits, &targets, Problem::SingleLabel);
        assert_close(&[loss], &[2f32.ln()]);
        // The second start is not in the batch: the first has the whole mean.
        let wanted = [-0.25, 0.125, 0.25, -0.125, 0.0, -0.125, 0.0, 0.125];
        assert_close(&gradient, &wanted);
    }

    #[test]
    fn tags_cost_where_there_is_a_target_and_padding_costs_nothing() {
        let logits = var(&[0.0; 12], (2, 3, 2));
        let targets = [
            Target::Tags(vec![None, Some(1), Some(0)]),
            Target::Tags(vec![None]),
        ];
        let (loss, gradient) = learnt(&logits, &targets, Problem::SingleLabel);
        assert_close(&[loss], &[2f32.ln()]);
        let mut wanted = [0.0; 12];
        wanted[2..6].copy_from_slice(&[0.25, -0.25, -0.25, 0.25]);
        assert_close(&gradient, &wanted);
    }

    #[test]
    fn a_batch_that_asks_nothing_teaches_nothing() {
        let logits = var(&[1.0, 2.0, 3.0, 4.0], (1, 2, 2));
        let targets = [Target::Tags(vec![None, None])];
        let (loss, gradient) = learnt(&logits, &targets, Problem::SingleLabel);
        assert_eq!((loss, gradient), (0.0, vec![0.0; 4]));
    }

    #[test]
    fn the_generator_is_judged_by_the_tokens_that_were_masked() {
        let logits = var(&[0.0, 0.0, 0.0, 0.0, 0.0, 2f32.ln()], (2, 3));
        let (loss, gradient) = slope(&logits, mlm(&logits, &[0, 2]).unwrap());
        assert_close(&[loss], &[(3f32.ln() + 2f32.ln()) / 2.0]);
        let third = 1.0 / 6.0;
        assert_close(
            &gradient,
            &[-2.0 * third, third, third, 0.125, 0.125, -0.25],
        );
    }

    #[test]
    fn the_discriminator_is_judged_by_tokens_and_not_by_padding() {
        let logits = var(&[0.0, 1.0, -50.0, 2.0], (2, 2));
        let labels = Tensor::new(&[[0u32, 1], [1, 0]], &Device::Cpu).unwrap();
        let is_token = Tensor::new(&[[1u8, 1], [0, 1]], &Device::Cpu).unwrap();
        let (loss, gradient) = slope(&logits, rtd(&logits, &labels, &is_token).unwrap());
        let parts = [2f32.ln(), -sigmoid(1.0).ln(), -sigmoid(-2.0).ln()];
        assert_close(&[loss], &[parts.iter().sum::<f32>() / 3.0]);
        let wanted = [0.5, sigmoid(1.0) - 1.0, 0.0, sigmoid(2.0)];
        assert_close(&gradient, &wanted.map(|slope| slope / 3.0));
    }

    #[test]
    fn what_does_not_go_together_is_refused() {
        let logits = var(&[0.0; 6], (2, 3));
        let label = Target::Label(0);
        let complaint = |targets: &[&Target], problem| {
            loss(&logits, targets, problem)
                .expect_err("it was taken for a loss")
                .to_string()
        };
        let single = Problem::SingleLabel;
        for (found, wanted) in [
            (complaint(&[], single), "without examples"),
            (complaint(&[&label], single), "1 targets"),
            (
                complaint(&[&label, &label], Problem::Regression),
                "Regression",
            ),
            (
                complaint(&[&label, &Target::Value(1.0)], single),
                "two kinds",
            ),
            (complaint(&[&label, &Target::Label(3)], single), "number 3"),
            (
                complaint(&[&Target::Labels(vec![true]); 2], Problem::MultiLabel),
                "of 1 labels",
            ),
        ] {
            assert!(found.contains(wanted), "{found:?} lacks {wanted:?}");
        }
    }
}
