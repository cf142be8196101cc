//! `electroscope classify`: labels documents, paragraphs or sentences.

use super::progress::{PrintedProgress, Progress};
use super::{ClassifyArgs, Exit, Global, UnitChoice, head_commands, setup, sources, terminal};
use crate::catalog::LoadedHead;
use crate::report::classes::{self, Classes, Classified};
use electroscope_analysis::UnitKind;
use electroscope_model::Task;

pub(super) fn run(global: &Global, args: &ClassifyArgs) -> anyhow::Result<Exit> {
    let catalog = setup::catalog(global)?;
    let (sources, errors) = sources::gather(global, &args.common.paths, "classify")?;
    terminal::exit_on_interrupt()?;
    let mut observer = PrintedProgress::new(global);
    let head = catalog.open_head_for(Task::Classification, &mut observer)?;
    let LoadedHead {
        mut reader, model, ..
    } = catalog.load_head(head, &mut observer)?;
    let kind = match args.unit {
        UnitChoice::Document => UnitKind::Document,
        UnitChoice::Paragraph => UnitKind::Paragraph,
        UnitChoice::Sentence => UnitKind::Sentence,
    };
    let classes = Classes {
        labels: reader.labels().to_vec(),
        problem: reader.problem(),
        kind,
    };
    let (format, looks) = head_commands::output(catalog.settings(), &args.common)?;
    let mut printer = classes::printer(format, looks, classes);
    let mut find = |document: electroscope_text::Document, progress: &Progress| {
        let mut units = Vec::new();
        let mut read = head_commands::ReadSoFar::new(&document, progress);
        reader.classify(&document, kind, None, &|| false, &mut |unit| {
            read.add(unit.span);
            units.push(unit);
        })?;
        units.sort_by_key(|unit| unit.span);
        Ok(Classified { document, units })
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
