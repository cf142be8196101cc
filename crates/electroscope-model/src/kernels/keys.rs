//! Queries times keys in eight bits.

use super::dot::{Dot, OutputScale, Word};
use super::int8::{Int8Scratch, IntegerPanel, IntegerProduct, IntegerRows, grown, integers};
use super::quantise::QuantiseKeys;
use super::simd::InstructionSet;

/// The quantised keys of one head in one window, and a quantised panel of its queries. Keys take the place
/// of weights: each has a scale, as a row of weights has. Queries take that of inputs.
#[derive(Debug, Default)]
pub(super) struct Int8Keys {
    /// Panel after panel.
    words: Vec<Word>,
    /// The same as f32 numbers, where there are no instructions for products of integers.
    floats: Vec<f32>,
    /// One for each key.
    rows: Vec<OutputScale>,
    queries: Int8Scratch,
    /// D.
    size: usize,
}

impl Int8Keys {
    /// Quantises panels of keys of `columns` tokens with `size` numbers each.
    pub(super) fn set_keys<'a>(
        &mut self,
        panels: impl Iterator<Item = &'a [f32]>,
        size: usize,
        columns: usize,
        set: InstructionSet,
    ) {
        self.size = size;
        for (at, xs) in panels.enumerate() {
            let range = |each: usize| at * each * columns..(at + 1) * each * columns;
            set.run(QuantiseKeys {
                xs,
                columns,
                rows: grown(&mut self.rows, range(1), OutputScale::default()),
                to: integers(Dot::of(set), &mut self.words, &mut self.floats, range, size),
            });
        }
    }

    /// Quantises a panel of queries.
    pub(super) fn set_queries(&mut self, xs: &[f32], columns: usize, set: InstructionSet) {
        let panels = std::iter::once(xs);
        (self.queries).fill(panels, self.size, columns, Dot::of(set), set);
    }

    /// Multiplies keys `first` to before `first + count` of a panel with the queries.
    pub(super) fn multiply(
        &self,
        panel: usize,
        first: usize,
        count: usize,
        columns: usize,
        set: InstructionSet,
        to: &mut [f32],
    ) {
        let range = |each: usize| panel * each * columns + first..(panel + 1) * each * columns;
        let dot = Dot::of(set);
        let weights = match dot {
            Some(dot) => {
                let words = self.words.get(range(dot.words(self.size)));
                IntegerRows::Words(dot, words.unwrap_or_default())
            }
            None => IntegerRows::Floats(self.floats.get(range(self.size)).unwrap_or_default()),
        };
        let queries: IntegerPanel<'_> = self.queries.panel(0, self.size, columns, dot);
        let rows = self.rows.get(range(1)).and_then(|rows| rows.get(..count));
        IntegerProduct {
            weights,
            step: columns,
            panel: queries,
            rows: rows.unwrap_or_default(),
            to,
        }
        .run(set, columns);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Arbitrary numbers between -1 and 1.
    fn numbers(count: usize, seed: usize) -> Vec<f32> {
        let number = |at: usize| ((at + seed) * 7919 % 2003) as f32 / 1001.0 - 1.0;
        (0..count).map(number).collect()
    }

    #[test]
    fn queries_times_keys_are_within_rounding_of_the_exact_product() {
        for set in InstructionSet::available() {
            for (size, columns) in [1, 6, 32]
                .into_iter()
                .flat_map(|size| [set.lanes(), 2 * set.lanes()].map(|columns| (size, columns)))
            {
                let panels: Vec<Vec<f32>> =
                    (0..2).map(|at| numbers(size * columns, 100 * at)).collect();
                let queries = numbers(size * columns, 7);
                let mut keys = Int8Keys::default();
                keys.set_keys(panels.iter().map(Vec::as_slice), size, columns, set);
                keys.set_queries(&queries, columns, set);
                let rows = set.rows().min(columns);
                let mut scores = vec![f32::NAN; rows * columns];
                keys.multiply(1, columns - rows, rows, columns, set, &mut scores);
                for (r, row) in scores.chunks(columns).enumerate() {
                    for (q, got) in row.iter().enumerate() {
                        let key = columns - rows + r;
                        let want: f32 = (0..size)
                            .map(|f| panels[1][f * columns + key] * queries[f * columns + q])
                            .sum();
                        let most = 0.02 * (size as f32).sqrt();
                        assert!((got - want).abs() < most, "{set}: {got}, not {want}");
                    }
                }
            }
        }
    }
}
