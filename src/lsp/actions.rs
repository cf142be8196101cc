//! What can be done about a flagged word. All of it is a command that the server executes itself, so that
//! no client needs to know one.

use std::collections::HashMap;

use electroscope_analysis::suggestions::{Suggester, Suggestion};
use electroscope_analysis::{Edit as TextChange, ErrorKind, file_mark_for_word, mark_for_word};
use electroscope_text::{Block, Span, blocks, visible};
use gen_lsp_types::{
    CodeAction, CodeActionKind, CodeActionParams, Command, Diagnostic, DocumentChange,
    OptionalVersionedTextDocumentIdentifier, Range, TextDocumentEdit, TextDocumentIdentifier,
    TextEdit, Uri, WorkspaceEdit,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::documents::{Finding, Snapshot};
use crate::settings::Lens;

/// Changes the text.
pub(super) const EDIT: &str = "electroscope.edit";
/// Accepts a word everywhere.
pub(super) const ADD_TO_USER: &str = "electroscope.addToUserDictionary";
/// Accepts a word in the project.
pub(super) const ADD_TO_PROJECT: &str = "electroscope.addToProjectDictionary";

/// Flagged words that actions are offered for at a time: who selects a page means none of them.
const MOST_WORDS: usize = 5;

/// The argument of [`EDIT`].
#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct EditArguments {
    pub(super) uri: String,
    /// The version that it was made for.
    pub(super) version: i32,
    pub(super) range: Range,
    /// What stood there.
    pub(super) before: String,
    pub(super) new_text: String,
    /// What it is called.
    pub(super) label: String,
}

/// The argument of the commands of dictionaries.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct WordArguments {
    pub(super) uri: String,
    pub(super) word: String,
}

/// What actions are made of.
pub(super) struct Context {
    pub(super) now: Snapshot,
    pub(super) lens: Lens,
    pub(super) suggester: Option<Suggester<'static>>,
    /// Replacements for a word, at most.
    pub(super) most: usize,
    /// Whether the client applies what a command of the server changes.
    pub(super) applies_edits: bool,
    pub(super) has_versions: bool,
}

impl Context {
    /// The verified suggestions for a word, the likeliest first.
    pub(super) fn suggestions(&self, blocks: &[Block], span: Span) -> Vec<Suggestion> {
        let Some(suggester) = &self.suggester else {
            return Vec::new();
        };
        match suggester.suggest(&self.now.document, blocks, span) {
            Ok(found) => {
                let found = found.into_iter().flat_map(|found| found.candidates);
                let verified = found.filter(|one| one.is_verified);
                verified.take(self.most).collect()
            }
            Err(err) => {
                tracing::warn!("no suggestions: {err}");
                Vec::new()
            }
        }
    }

    /// The best replacements, as they are shown.
    pub(super) fn best(&self, span: Span) -> Vec<String> {
        let blocks = blocks(&self.now.document);
        let found = self.suggestions(&blocks, span);
        let shown = found.iter().map(|one| match one.replacement.as_str() {
            "" => "(leave it out)".to_owned(),
            replacement => visible(replacement),
        });
        shown.collect()
    }

    /// The actions for `findings`, those in the range that was asked about.
    pub(super) fn actions(
        &self,
        asked: &CodeActionParams,
        findings: &[Finding],
    ) -> Vec<CodeAction> {
        let blocks = blocks(&self.now.document);
        let mut actions = Vec::new();
        for finding in findings.iter().take(MOST_WORDS) {
            let range = self.now.positions.range(finding.span);
            let mut about = asked.context.diagnostics.clone();
            about.retain(|one| one.source.as_deref() == Some("electroscope") && one.range == range);
            self.replacements(finding, &blocks, &about, &mut actions);
            self.exemptions(finding, &about, &mut actions);
        }
        actions
    }

    fn replacements(
        &self,
        finding: &Finding,
        blocks: &[Block],
        about: &[Diagnostic],
        actions: &mut Vec<CodeAction>,
    ) {
        for (number, one) in self.suggestions(blocks, finding.span).iter().enumerate() {
            let before = one.span.of(&self.now.document.text).unwrap_or_default();
            let shown = visible(before.trim());
            let title = match one.replacement.trim() {
                "" => format!("Leave out “{shown}”"),
                replacement => format!("Replace “{shown}” with “{}”", visible(replacement)),
            };
            let change = TextChange {
                span: one.span,
                replacement: one.replacement.clone(),
            };
            let mut action = self.edit(title, &change, about);
            // What a key for the best fix takes.
            action.is_preferred = (number == 0 && one.certainty >= 0.5).then_some(true);
            actions.push(action);
        }
    }

    fn exemptions(&self, finding: &Finding, about: &[Diagnostic], actions: &mut Vec<CodeAction>) {
        let word = finding.text.trim();
        let shown = visible(word);
        // Of other errors it is not the word that is wrong, but its place.
        let is_of_word = matches!(finding.kind, None | Some(ErrorKind::Spelling));
        if is_of_word && !word.contains(char::is_whitespace) {
            for (command, whose) in [(ADD_TO_USER, "user"), (ADD_TO_PROJECT, "project")] {
                let title = format!("Add “{shown}” to the {whose} dictionary");
                let arguments = json!(WordArguments {
                    uri: self.now.uri.as_ref().to_owned(),
                    word: word.to_owned(),
                });
                actions.push(action(title, Some((command, arguments)), None, about));
            }
        }
        let document = &self.now.document;
        let here = mark_for_word(document, finding.span, &finding.text);
        let file = file_mark_for_word(document, finding.span, &finding.text);
        for (change, place) in [(here, "here"), (file, "in this file")] {
            if let Some(change) = change {
                actions.push(self.edit(format!("Ignore “{shown}” {place}"), &change, about));
            }
        }
    }

    /// An action that changes the text.
    fn edit(&self, title: String, change: &TextChange, about: &[Diagnostic]) -> CodeAction {
        let range = self.now.positions.range(change.span);
        let before = change.span.of(&self.now.document.text);
        let arguments = EditArguments {
            uri: self.now.uri.as_ref().to_owned(),
            version: self.now.version,
            range,
            before: before.unwrap_or_default().to_owned(),
            new_text: change.replacement.clone(),
            label: title.clone(),
        };
        match self.applies_edits {
            true => action(title, Some((EDIT, json!(arguments))), None, about),
            false => {
                let edit = workspace_edit(&arguments, self.has_versions);
                action(title, None, Some(edit), about)
            }
        }
    }
}

fn action(
    title: String,
    command: Option<(&str, Value)>,
    edit: Option<WorkspaceEdit>,
    about: &[Diagnostic],
) -> CodeAction {
    CodeAction {
        command: command.map(|(command, arguments)| Command {
            title: title.clone(),
            tooltip: None,
            command: command.to_owned(),
            arguments: Some(vec![arguments]),
        }),
        title,
        kind: Some(CodeActionKind::QuickFix),
        diagnostics: (!about.is_empty()).then(|| about.to_vec()),
        is_preferred: None,
        disabled: None,
        edit,
        data: None,
        tags: None,
    }
}

/// The change for a client; with the version that it is for if the client knows such.
pub(super) fn workspace_edit(arguments: &EditArguments, has_versions: bool) -> WorkspaceEdit {
    let uri = Uri::from(arguments.uri.as_str());
    let edit = TextEdit {
        range: arguments.range,
        new_text: arguments.new_text.clone(),
    };
    let mut changes = WorkspaceEdit {
        changes: None,
        document_changes: None,
        change_annotations: None,
    };
    match has_versions {
        true => {
            let text_document = OptionalVersionedTextDocumentIdentifier {
                version: Some(arguments.version),
                text_document_identifier: TextDocumentIdentifier { uri },
            };
            let edit = TextDocumentEdit {
                text_document,
                edits: vec![edit.into()],
            };
            changes.document_changes = Some(vec![DocumentChange::TextDocumentEdit(edit)]);
        }
        false => changes.changes = Some(HashMap::from([(uri, vec![edit])])),
    }
    changes
}
