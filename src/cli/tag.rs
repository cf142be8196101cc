//! `electroscope tag`: labels the words of documents, and finds entities.

use super::progress::{PrintedProgress, Progress};
use super::{Exit, Global, TagArgs, head_commands, setup, sources, terminal};
use crate::catalog::LoadedHead;
use crate::report::tags::{self, Tagged, Tags};
use electroscope_analysis::Tagging;
use electroscope_model::Task;

pub(super) fn run(global: &Global, args: &TagArgs) -> anyhow::Result<Exit> {
    let catalog = setup::catalog(global)?;
    let (sources, errors) = sources::gather(global, &args.common.paths, "tag")?;
    terminal::exit_on_interrupt()?;
    let mut observer = PrintedProgress::new(global);
    let head = catalog.open_head_for(Task::Tagging, &mut observer)?;
    let LoadedHead {
        mut reader, model, ..
    } = catalog.load_head(head, &mut observer)?;
    let tags = Tags {
        labels: reader.labels().to_vec(),
        marks_entities: reader.marks_entities(),
    };
    let (format, looks) = head_commands::output(catalog.settings(), &args.common)?;
    let mut printer = tags::printer(format, looks, tags);
    let mut find = |document: electroscope_text::Document, progress: &Progress| {
        let mut taggings: Vec<Tagging> = Vec::new();
        let mut read = head_commands::ReadSoFar::new(&document, progress);
        reader.tag(&document, None, &|| false, &mut |tagging| {
            read.add(tagging.span);
            taggings.push(tagging);
        })?;
        taggings.sort_by_key(|tagging| tagging.span);
        let words = taggings.into_iter().flat_map(|tagging| tagging.words);
        let words: Vec<_> = words.collect();
        let entities = reader.entities(&words);
        Ok(Tagged {
            document,
            words,
            entities,
        })
    };
    head_commands::read_all(
        global,
        &args.common,
        sources,
        errors,
        &model,
        printer.as_mut(),
        &mut find,
    )
}
