//! `electroscope evaluate`: what models are worth, in numbers.

mod errors;
mod heads;
pub(super) mod rtd;
mod table;
mod worth;

use clap::Subcommand;

use super::{Exit, Global};

#[derive(Debug, Subcommand)]
pub(super) enum EvaluateCommand {
    /// Measure a head that labels or rates texts, or pairs of texts
    ///
    /// Data is a task of GLUE (a folder of its files, of which the dev set is taken, or one file), or a
    /// table with columns for the text and for what people said of it. Labels of the data are found
    /// among those of the head by their names, whatever the case; where either has only LABEL_0 and so
    /// on, by their numbers.
    ///
    /// Beside each number stands what one gets for saying the most frequent label of everything. All
    /// are shares of one, except for the mean squared error.
    Classification(heads::ClassificationArgs),
    /// Measure a head that answers questions
    ///
    /// Data is JSON as SQuAD has it. What `ask` gives first is compared with the answers of people, as
    /// SQuAD's script does it: `exact` is the share of answers that are the same but for articles,
    /// punctuation and case, `f1` the mean overlap of their words. Where the head can say that there is
    /// no answer, the threshold for that is looked for as well, and `best_f1` is what it gives.
    Qa(heads::QaArgs),
    /// Measure a head that labels words
    ///
    /// Data is columns as those of the CoNLL shared tasks, or CoNLL-U. Where the labels mark entities,
    /// one is right if its words and its kind are (conlleval); a word has the label of its first piece.
    /// Beside each number stands what one gets for labelling every word alike.
    ///
    /// With --spans data is JSON a line, `{"text": …, "spans": [[start, end], …]}` in characters: what
    /// people marked in a text, such as errors. A word between blanks is marked if the head gives any
    /// part of it a label other than O; F0.5 counts the precision of the marks twice as much as their
    /// recall, and average precision says how well p orders the words.
    Tagging(heads::TaggingArgs),
    /// Measure how well a discriminator finds replaced words
    ///
    /// A held-out text is spoilt on purpose in three ways: 15 in 100 tokens are drawn anew by a
    /// generator, or replaced at random by others of the text, or one word in each paragraph is
    /// misspelt. What counts is whether the replaced ones have a higher p than the others (AUROC: 0.5
    /// is chance, 1 is perfect; average precision: chance is the share of replaced ones), how far p is
    /// from the share of replaced ones (ECE, Brier: 0 is perfect), and what is flagged at the
    /// threshold. Of a format that is known only the prose is read. Of WikiText, headings and sentences with an
    /// `<unk>` are left out, and ` @-@ ` and the like are put together.
    Rtd(rtd::RtdArgs),
    /// Measure how well mistakes that people corrected are found and mended
    ///
    /// Data is JSON a line, `{"text": …, "spans": [[start, end], …]}` in characters, with `"corrected"`,
    /// the text as it should be, and `"kind"`, where they are known. Or it is prose, in which
    /// --misspellings misspells one word of each paragraph.
    ///
    /// Two things are measured. Given a word that is wrong, and that one word mends: whether the
    /// right one is the first suggestion, or among the first five. And given the text: which words are
    /// flagged, by the discriminator, by the head that marks errors, by the discriminator where a
    /// suggestion betters the word (`only-verified`), by how likely some suggestion is
    /// (`suggestions`), and by a dictionary alone; each at its own threshold, and with --clean at the one
    /// that flags the same share of the words of a text without mistakes. A word is what stands between
    /// blanks. F0.5 counts precision twice as much as recall.
    Errors(errors::ErrorsArgs),
}

pub(super) fn run(global: &Global, command: &EvaluateCommand) -> anyhow::Result<Exit> {
    match command {
        EvaluateCommand::Classification(args) => heads::classification(global, args),
        EvaluateCommand::Qa(args) => heads::qa(global, args),
        EvaluateCommand::Tagging(args) => heads::tagging(global, args),
        EvaluateCommand::Rtd(args) => rtd::run(global, args),
        EvaluateCommand::Errors(args) => errors::run(global, args),
    }
}
