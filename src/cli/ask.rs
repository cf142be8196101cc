//! `electroscope ask`: finds the answers to a question in documents.

use super::messages::remark;
use super::progress::{PrintedProgress, Progress};
use super::{AskArgs, Exit, Global, head_commands, setup, sources, terminal};
use crate::catalog::LoadedHead;
use crate::report::HeadFormat;
use crate::report::answers::{self, Answered, Asked, Verdict};
use electroscope_model::Task;
use electroscope_text::{Document, Language};

pub(super) fn run(global: &Global, args: &AskArgs) -> anyhow::Result<Exit> {
    let catalog = setup::catalog(global)?;
    let (sources, errors) = sources::gather(global, &args.common.paths, "ask")?;
    terminal::exit_on_interrupt()?;
    let mut observer = PrintedProgress::new(global);
    let head = catalog.open_head_for(Task::QuestionAnswering, &mut observer)?;
    let LoadedHead {
        mut reader,
        model,
        no_answer_margin: margin,
        ..
    } = catalog.load_head(head, &mut observer)?;
    let question = args.question.as_str();
    // A question that cannot be asked is reported once, not for each document.
    let nothing = Document::new("", "", Language::Plain);
    reader.ask(&nothing, question, &|| false)?;

    let (format, looks) = head_commands::output(catalog.settings(), &args.common)?;
    let asked = Asked {
        question: question.to_owned(),
        most: usize::from(args.answers),
        margin,
    };
    let mut printer = answers::printer(format, looks, asked);
    let mut verdict = Verdict::default();
    let mut find = |document: Document, _: &Progress| {
        // Never stale, so there always is a result.
        let answers = reader.ask(&document, question, &|| false)?;
        let answers = answers.map(|(answers, _)| answers).unwrap_or_default();
        verdict.add(&answers);
        Ok(Answered { document, answers })
    };
    let has_documents = !sources.is_empty();
    let exit = head_commands::read_all(
        global,
        &args.common,
        sources,
        errors,
        &model,
        printer.as_mut(),
        &mut find,
    )?;
    // Standard output is empty then, which does not say why.
    if format == HeadFormat::Compact && has_documents {
        if verdict.is_refusal(margin) {
            remark(
                global,
                "no answer: that there is none is likelier than the best that was found",
            );
        } else if verdict.is_void() {
            remark(global, "no answer: there is no text to find one in");
        }
    }
    Ok(exit)
}
