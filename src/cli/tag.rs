//! `electroscope tag`: documents in, labels of words and entities out.

use super::common::InForce;
use super::heads::{self, LoadedHead};
use super::{Exit, Global, TagArgs, common};
use crate::report::tags::{self, Tagged, Tags};
use electroscope_analysis::Tagging;
use electroscope_model::Task;

pub(super) fn run(global: &Global, args: &TagArgs) -> anyhow::Result<Exit> {
    let in_force = InForce::new(global)?;
    let (sources, errors) = common::gather(global, &args.common.paths, "tag")?;
    common::exit_on_interrupt()?;
    let LoadedHead {
        mut reader, model, ..
    } = heads::load_head(global, &in_force, Task::Tagging)?;
    let tags = Tags {
        labels: reader.labels().to_vec(),
        marks_entities: reader.marks_entities(),
    };
    let (format, looks) = heads::output(&in_force, &args.common)?;
    let mut printer = tags::printer(format, looks, tags);
    let mut find = |document: electroscope_text::Document, progress: &common::Progress| {
        let mut taggings: Vec<Tagging> = Vec::new();
        let mut read = heads::ReadSoFar::new(&document, progress);
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
    heads::read_all(
        global,
        &args.common,
        sources,
        errors,
        &model,
        printer.as_mut(),
        &mut find,
    )
}
