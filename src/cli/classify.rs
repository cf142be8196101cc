//! `electroscope classify`: documents in, labels out.

use super::common::InForce;
use super::heads::{self, LoadedHead};
use super::{ClassifyArgs, Exit, Global, UnitChoice, common};
use crate::report::classes::{self, Classes, Classified};
use electroscope_analysis::UnitKind;
use electroscope_model::Task;

pub(super) fn run(global: &Global, args: &ClassifyArgs) -> anyhow::Result<Exit> {
    let in_force = InForce::new(global)?;
    let (sources, errors) = common::gather(global, &args.common.paths, "classify")?;
    common::exit_on_interrupt()?;
    let LoadedHead {
        mut reader, model, ..
    } = heads::load_head(global, &in_force, Task::Classification)?;
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
    let (format, looks) = heads::output(&in_force, &args.common)?;
    let mut printer = classes::printer(format, looks, classes);
    let mut find = |document: electroscope_text::Document, progress: &common::Progress| {
        let mut units = Vec::new();
        let mut read = heads::ReadSoFar::new(&document, progress);
        reader.classify(&document, kind, None, &|| false, &mut |unit| {
            read.add(unit.span);
            units.push(unit);
        })?;
        units.sort_by_key(|unit| unit.span);
        Ok(Classified { document, units })
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
