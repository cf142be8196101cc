//! `electroscope ask`: a question and documents in, the places that answer it out.

use super::common::InForce;
use super::heads::{self, LoadedHead};
use super::{AskArgs, Exit, Global, common};
use crate::report::HeadFormat;
use crate::report::answers::{self, Answered, Asked, Verdict};
use electroscope_model::Task;
use electroscope_text::{Document, Language};

pub(super) fn run(global: &Global, args: &AskArgs) -> anyhow::Result<Exit> {
    let in_force = InForce::new(global)?;
    let (sources, errors) = common::gather(global, &args.common.paths, "ask")?;
    common::exit_on_interrupt()?;
    let LoadedHead {
        mut reader,
        model,
        margin,
    } = heads::load_head(global, &in_force, Task::QuestionAnswering)?;
    let question = args.question.as_str();
    // A question that cannot be asked is no failure of any document.
    let nothing = Document::new("", "", Language::Plain);
    reader.ask(&nothing, question, &|| false)?;

    let (format, looks) = heads::output(&in_force, &args.common)?;
    let asked = Asked {
        question: question.to_owned(),
        most: usize::from(args.answers),
        margin,
    };
    let mut printer = answers::printer(format, looks, asked);
    let mut verdict = Verdict::default();
    let mut find = |document: Document, _: &common::Progress| {
        // Never stale, so there always are some.
        let answers = reader.ask(&document, question, &|| false)?;
        let answers = answers.map(|(answers, _)| answers).unwrap_or_default();
        verdict.add(&answers);
        Ok(Answered { document, answers })
    };
    let has_documents = !sources.is_empty();
    let exit = heads::read_all(
        global,
        &args.common,
        sources,
        errors,
        &model,
        printer.as_mut(),
        &mut find,
    )?;
    // Silence on standard output would leave open why.
    if format == HeadFormat::Compact && has_documents {
        if verdict.is_refusal(margin) {
            common::remark(
                global,
                "no answer: that there is none is likelier than the best that was found",
            );
        } else if verdict.is_void() {
            common::remark(global, "no answer: there is no text to find one in");
        }
    }
    Ok(exit)
}
