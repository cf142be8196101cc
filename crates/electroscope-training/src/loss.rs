//! The loss functions of fine-tuning and pre-training, as the reference computes them.
//!
//! Each takes the logits of a batch and gives a scalar with a gradient. Padding and tokens without a
//! target have no loss.

use candle_core::Tensor;

use super::Error;
use super::example::Target;
use electroscope_model::{Problem, train_ops};

/// The loss of a head on a batch, a scalar. The logits are `(B, labels)` for [`Target::Label`],
/// [`Target::Labels`] and [`Target::Value`], `(B, T, labels)` for [`Target::Tags`] and `(B, T, 2)` for
/// [`Target::Span`].
///
/// - `Label`: the mean cross entropy.
/// - `Labels`: the mean binary cross entropy over all labels of all examples.
/// - `Value`: the mean squared error.
/// - `Span`: the mean of the cross entropies of start and end, each over the examples whose token is
///   in the batch; every position of the padded window is a candidate.
/// - `Tags`: the mean cross entropy over the tokens that have a target.
///
/// If no example has a target, the loss is zero, and so are its gradients.
///
/// # Errors
///
/// [`Error::Settings`] if logits, targets and problem do not match; those of the tensor operations.
pub fn loss(logits: &Tensor, targets: &[&Target], problem: Problem) -> Result<Tensor, Error> {
    let Some(first) = targets.first() else {
        return Err(mismatch(
            "the loss of an empty batch is not defined".to_owned(),
        ));
    };
    let dims = logits.dims();
    if dims.first() != Some(&targets.len()) {
        return Err(mismatch(format!(
            "there are {} targets, but the logits have the shape {dims:?}",
            targets.len()
        )));
    }
    match (first, dims, problem) {
        (Target::Label(_), [_, _], Problem::SingleLabel) => {
            let labels = collect(targets, |target| match target {
                Target::Label(label) => Some(Some(*label)),
                _ => None,
            })?;
            cross_entropy(logits, &labels)
        }
        (Target::Labels(_), &[_, columns], Problem::MultiLabel) => {
            let rows = collect(targets, |target| match target {
                Target::Labels(labels) => Some(labels),
                _ => None,
            })?;
            if let Some(row) = rows.iter().find(|row| row.len() != columns) {
                return Err(mismatch(format!(
                    "an example has {} labels, but the model has {columns}",
                    row.len()
                )));
            }
            let expected = rows
                .into_iter()
                .flatten()
                .map(|&applies| f32::from(applies));
            let expected = Tensor::from_iter(expected, logits.device())?.reshape(dims)?;
            Ok(binary_cross_entropy(logits, &expected)?.mean_all()?)
        }
        (Target::Value(_), [_, 1], Problem::Regression) => {
            let values = collect(targets, |target| match target {
                Target::Value(value) => Some(*value),
                _ => None,
            })?;
            let expected = Tensor::from_vec(values, dims, logits.device())?;
            Ok((logits - expected)?.sqr()?.mean_all()?)
        }
        (Target::Span { .. }, &[_, length, 2], _) => {
            let spans = collect(targets, |target| match target {
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
            let rows = collect(targets, |target| match target {
                Target::Tags(tags) => Some(tags),
                _ => None,
            })?;
            if let Some(row) = rows.iter().find(|row| row.len() > length) {
                return Err(mismatch(format!(
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
        (first, dims, problem) => Err(mismatch(format!(
            "there is no loss for logits of the shape {dims:?}, targets such as {first:?} and the problem \
             {problem:?}"
        ))),
    }
}

/// The discriminator's loss for replaced token detection: the mean binary cross entropy of the logits
/// `(B, T)` over the tokens. `labels` is 1 where a token was replaced, `is_token` is 0 at padding; both
/// are `(B, T)`, of any type.
///
/// # Errors
///
/// As [`loss`].
pub fn replaced_token_detection(
    logits: &Tensor,
    labels: &Tensor,
    is_token: &Tensor,
) -> Result<Tensor, Error> {
    let labels = labels.to_dtype(logits.dtype())?;
    let weights = is_token.to_dtype(logits.dtype())?;
    let sum = (binary_cross_entropy(logits, &labels)? * &weights)?.sum_all()?;
    // As in the reference, so that a batch of padding alone does not divide by zero.
    Ok((sum / (weights.sum_all()? + 1e-6)?)?)
}

/// What `of` takes from every target.
fn collect<'a, T>(
    targets: &[&'a Target],
    of: impl Fn(&'a Target) -> Option<T>,
) -> Result<Vec<T>, Error> {
    let found = |target: &&'a Target| {
        of(target).ok_or_else(|| {
            let first = targets.first();
            mismatch(format!(
                "a batch must have targets of one kind, but it has {first:?} and {target:?}"
            ))
        })
    };
    targets.iter().map(found).collect()
}

fn mismatch(what: String) -> Error {
    Error::Settings(what)
}

/// The mean cross entropy over the rows of logits `(N, columns)` that have a target; zero if none has.
fn cross_entropy(logits: &Tensor, targets: &[Option<usize>]) -> Result<Tensor, Error> {
    let (rows, columns) = logits.dims2()?;
    if rows != targets.len() {
        return Err(mismatch(format!(
            "there are {} targets for {rows} rows of logits",
            targets.len()
        )));
    }
    if let Some(beyond) = targets.iter().flatten().find(|&&at| at >= columns) {
        return Err(mismatch(format!(
            "an example has the label index {beyond}, but the model has {columns} labels, counted from 0"
        )));
    }
    let device = logits.device();
    let rows_with_target: Vec<u32> = (0..rows as u32)
        .zip(targets)
        .filter_map(|(row, target)| target.map(|_| row))
        .collect();
    if rows_with_target.is_empty() {
        // Multiplied by a tensor of zeros, and not by the constant 0, which would cut the graph: every
        // parameter must get a gradient, if only zero.
        return Ok((logits * logits.zeros_like()?)?.sum_all()?);
    }
    let chosen = if rows_with_target.len() == rows {
        logits.clone()
    } else {
        let rows_with_target = Tensor::new(rows_with_target, device)?;
        logits.contiguous()?.index_select(&rows_with_target, 0)?
    };
    let expected: Vec<u32> = targets.iter().flatten().map(|&at| at as u32).collect();
    Ok(train_ops::cross_entropy(&chosen, &expected)?)
}

/// Of each logit x against its target z of 0 or 1: `max(x, 0) - x·z + ln(1 + e^-|x|)`, which cannot
/// overflow.
fn binary_cross_entropy(logits: &Tensor, expected: &Tensor) -> candle_core::Result<Tensor> {
    let softplus = (logits.abs()?.neg()?.exp()? + 1.0)?.log()?;
    (logits.relu()? - (logits * expected)?)? + softplus
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::{Device, Var};

    fn var(values: &[f32], shape: impl Into<candle_core::Shape>) -> Var {
        Var::from_slice(values, shape, &Device::Cpu).unwrap()
    }

    /// The loss, and its gradient with respect to the logits.
    #[track_caller]
    fn loss_and_gradient(logits: &Var, targets: &[Target], problem: Problem) -> (f32, Vec<f32>) {
        let targets: Vec<&Target> = targets.iter().collect();
        with_gradient(logits, loss(logits, &targets, problem).unwrap())
    }

    #[track_caller]
    fn with_gradient(logits: &Var, loss: Tensor) -> (f32, Vec<f32>) {
        let gradients = loss.backward().unwrap();
        let gradient = gradients.get(logits).expect("the loss has no gradient");
        let gradient = gradient.flatten_all().unwrap().to_vec1().unwrap();
        (loss.to_scalar().unwrap(), gradient)
    }

    #[track_caller]
    fn assert_close(found: &[f32], expected: &[f32]) {
        assert_eq!(found.len(), expected.len());
        let apart = found.iter().zip(expected).map(|(a, b)| (a - b).abs());
        assert!(
            apart.fold(0.0, f32::max) < 1e-5,
            "{found:?} instead of {expected:?}"
        );
    }

    fn sigmoid(x: f32) -> f32 {
        1.0 / (1.0 + (-x).exp())
    }

    #[test]
    fn a_label_has_the_cross_entropy_of_its_softmax() {
        let logits = var(&[0.0, 3f32.ln(), 1000.0, 1000.0], (2, 2));
        let targets = [Target::Label(1), Target::Label(0)];
        let (loss, gradient) = loss_and_gradient(&logits, &targets, Problem::SingleLabel);
        assert_close(&[loss], &[((4f32 / 3.0).ln() + 2f32.ln()) / 2.0]);
        assert_close(&gradient, &[0.125, -0.125, -0.25, 0.25]);
    }

    #[test]
    fn several_labels_have_the_mean_binary_cross_entropy() {
        let logits = var(&[0.0, 2.0, -100.0, 100.0, -1.0, 0.0], (2, 3));
        let targets = [
            Target::Labels(vec![true, false, true]),
            Target::Labels(vec![true, false, false]),
        ];
        let (loss, gradient) = loss_and_gradient(&logits, &targets, Problem::MultiLabel);
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
        let expected = [-0.5, sigmoid(2.0), -1.0, 0.0, sigmoid(-1.0), 0.5];
        assert_close(&gradient, &expected.map(|slope| slope / 6.0));
    }

    #[test]
    fn a_value_has_the_squared_error() {
        let logits = var(&[1.0, 5.0], (2, 1));
        let targets = [Target::Value(3.0), Target::Value(4.0)];
        let (loss, gradient) = loss_and_gradient(&logits, &targets, Problem::Regression);
        assert_close(&[loss], &[2.5]);
        assert_close(&gradient, &[-2.0, 1.0]);
    }

    #[test]
    fn a_span_has_the_mean_of_start_and_end_and_none_outside_the_batch() {
        // Starts in the first column, ends in the second; all places are equally likely.
        let logits = var(&[0.0; 8], (2, 2, 2));
        let span = |start, end| Target::Span { start, end };
        let targets = [span(0, 1), span(7, 0)];
        let (loss, gradient) = loss_and_gradient(&logits, &targets, Problem::SingleLabel);
        assert_close(&[loss], &[2f32.ln()]);
        // The second example's start is outside the batch: the first example has the whole mean.
        let expected = [-0.25, 0.125, 0.25, -0.125, 0.0, -0.125, 0.0, 0.125];
        assert_close(&gradient, &expected);
    }

    #[test]
    fn tags_have_a_loss_only_where_there_is_a_target() {
        let logits = var(&[0.0; 12], (2, 3, 2));
        let targets = [
            Target::Tags(vec![None, Some(1), Some(0)]),
            Target::Tags(vec![None]),
        ];
        let (loss, gradient) = loss_and_gradient(&logits, &targets, Problem::SingleLabel);
        assert_close(&[loss], &[2f32.ln()]);
        let mut expected = [0.0; 12];
        expected[2..6].copy_from_slice(&[0.25, -0.25, -0.25, 0.25]);
        assert_close(&gradient, &expected);
    }

    #[test]
    fn a_batch_without_targets_has_zero_loss_and_gradient() {
        let logits = var(&[1.0, 2.0, 3.0, 4.0], (1, 2, 2));
        let targets = [Target::Tags(vec![None, None])];
        let (loss, gradient) = loss_and_gradient(&logits, &targets, Problem::SingleLabel);
        assert_eq!((loss, gradient), (0.0, vec![0.0; 4]));
    }

    #[test]
    fn the_discriminator_loss_ignores_padding() {
        let logits = var(&[0.0, 1.0, -50.0, 2.0], (2, 2));
        let labels = Tensor::new(&[[0u32, 1], [1, 0]], &Device::Cpu).unwrap();
        let is_token = Tensor::new(&[[1u8, 1], [0, 1]], &Device::Cpu).unwrap();
        let loss = replaced_token_detection(&logits, &labels, &is_token).unwrap();
        let (loss, gradient) = with_gradient(&logits, loss);
        let parts = [2f32.ln(), -sigmoid(1.0).ln(), -sigmoid(-2.0).ln()];
        assert_close(&[loss], &[parts.iter().sum::<f32>() / 3.0]);
        let expected = [0.5, sigmoid(1.0) - 1.0, 0.0, sigmoid(2.0)];
        assert_close(&gradient, &expected.map(|slope| slope / 3.0));
    }

    #[test]
    fn mismatched_logits_targets_and_problem_are_errors() {
        let logits = var(&[0.0; 6], (2, 3));
        let label = Target::Label(0);
        let message = |targets: &[&Target], problem| {
            loss(&logits, targets, problem)
                .expect_err("a mismatch gave a loss")
                .to_string()
        };
        let single = Problem::SingleLabel;
        for (found, expected) in [
            (message(&[], single), "empty batch"),
            (message(&[&label], single), "1 targets"),
            (
                message(&[&label, &label], Problem::Regression),
                "Regression",
            ),
            (
                message(&[&label, &Target::Value(1.0)], single),
                "targets of one kind",
            ),
            (message(&[&label, &Target::Label(3)], single), "index 3"),
            (
                message(&[&Target::Labels(vec![true]); 2], Problem::MultiLabel),
                "has 1 labels",
            ),
        ] {
            assert!(found.contains(expected), "{found:?} lacks {expected:?}");
        }
    }
}
