//! What the server does with each message and each result.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use anyhow::anyhow;
use electroscope_analysis::suggestions::Suggester;
use electroscope_analysis::{Exemptions, Flagging, Readings};
use electroscope_text::{AsRead, Span};
use gen_lsp_types::{
    CodeActionParams, Diagnostic, DiagnosticSeverity, DidChangeTextDocumentParams,
    DidCloseTextDocumentParams, DidOpenTextDocumentParams, DidSaveTextDocumentParams,
    DocumentDiagnosticParams, ExecuteCommandParams, HoverParams, Position,
    PublishDiagnosticsParams,
};
use lsp_server::{ErrorCode, Message, Notification, Request, RequestId, Response, ResponseError};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::actions::{self, Context, EditArguments, WordArguments};
use super::dictionaries::{Dictionaries, Whose};
use super::documents::{Finding, OpenDocument, Progress, Waiting};
use super::options::Options;
use super::positions::Encoding;
use super::scoring::{self, Job, LoadedModel, Score, Told};
use super::{Ended, Event, Start, parent, wording};
use crate::catalog::Catalog;
use crate::settings::Lens;
use crate::worker::thread;

/// How often a long document is published while it is scored.
const PUBLISH_EVERY: Duration = Duration::from_secs(1);

/// The token of the progress of loading.
const LOADING: &str = "electroscope/loading";

/// How the end came about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    Asked,
    InputEnded,
    ParentGone,
}

/// What the client can do.
#[derive(Clone, Copy, Debug, Default)]
struct Client {
    encoding: Encoding,
    has_progress: bool,
    applies_edits: bool,
    has_versions: bool,
    has_configuration: bool,
    /// It asks for diagnostics, and can be told when to ask again.
    pulls: bool,
}

impl Client {
    fn of(params: &Value) -> Client {
        let is = |path: &str| {
            let said = params.pointer(&format!("/capabilities/{path}"));
            said.and_then(Value::as_bool).unwrap_or(false)
        };
        let encodings = params.pointer("/capabilities/general/positionEncodings");
        let offered = encodings.and_then(Value::as_array).into_iter().flatten();
        let pulls = params
            .pointer("/capabilities/textDocument/diagnostic")
            .is_some_and(Value::is_object);
        Client {
            encoding: Encoding::negotiated(offered.filter_map(Value::as_str)),
            has_progress: is("window/workDoneProgress"),
            applies_edits: is("workspace/applyEdit"),
            has_versions: is("workspace/workspaceEdit/documentChanges"),
            has_configuration: is("workspace/configuration"),
            pulls: pulls && is("workspace/diagnostics/refreshSupport"),
        }
    }
}

/// What the server has asked the client for.
enum Asked {
    /// The answer says nothing of use.
    Whatever,
    Configuration,
    /// To change a text; what the change is called.
    Edit(String),
}

/// A model, as far as the server has to do with it.
struct Model {
    name: String,
    own_threshold: Option<f32>,
    suggester: Option<Suggester<'static>>,
}

/// Sends to the client; false if it is gone.
pub(super) type Outgoing = Box<dyn Fn(Message) -> bool>;

type Task = Box<dyn FnOnce() -> Response + Send>;

pub(super) struct Server {
    send: Outgoing,
    events: Sender<Event>,
    catalog: Catalog,
    options: Options,
    dictionaries: Dictionaries,
    /// None before `initialize`.
    client: Option<Client>,
    is_shut_down: bool,
    documents: HashMap<String, OpenDocument>,
    revision: u64,
    /// None for one that could not be loaded; those that nobody asked for are left out.
    models: HashMap<Lens, Option<Model>>,
    scoring: Option<Sender<Job>>,
    answering: Option<Sender<Task>>,
    asked: HashMap<RequestId, Asked>,
    next_id: i32,
    /// Whether the client shows that something is loaded.
    shows_loading: bool,
}

impl Server {
    pub(super) fn new(start: Start, send: Outgoing, events: Sender<Event>) -> Server {
        Server {
            send,
            events,
            options: Options::new(start.lens, start.threshold),
            dictionaries: Dictionaries::new(start.dictionary),
            catalog: start.catalog,
            client: None,
            is_shut_down: false,
            documents: HashMap::new(),
            revision: 0,
            models: HashMap::new(),
            scoring: None,
            answering: None,
            asked: HashMap::new(),
            next_id: 0,
            shows_loading: false,
        }
    }

    /// Serves until the client is gone.
    ///
    /// # Errors
    ///
    /// A thread that cannot be started; a bug in one.
    pub(super) fn run(mut self, incoming: &Receiver<Event>) -> anyhow::Result<(Ended, Way)> {
        let way = loop {
            match self.next(incoming) {
                None => self.start_due(),
                Some(Event::Message(Message::Request(request))) => self.request(request)?,
                Some(Event::Message(Message::Notification(told))) if told.method == "exit" => {
                    break Way::Asked;
                }
                Some(Event::Message(Message::Notification(told))) => self.notification(told),
                Some(Event::Message(Message::Response(response))) => self.response(response),
                Some(Event::Told(told)) => self.told(told),
                Some(Event::Answer(response)) => self.answer(response),
                Some(Event::InputEnded) => break Way::InputEnded,
                Some(Event::ParentGone) => break Way::ParentGone,
                Some(Event::Broken(why)) => {
                    self.show(1, &why);
                    return Err(anyhow!(why));
                }
            }
        };
        let ended = match self.is_shut_down {
            true => Ended::InOrder,
            false => Ended::Abandoned,
        };
        Ok((ended, way))
    }

    /// The next event; none if a document is due before there is one.
    fn next(&self, incoming: &Receiver<Event>) -> Option<Event> {
        let due = self
            .documents
            .values()
            .filter_map(|one| match one.progress {
                Progress::Due(at) => Some(at),
                Progress::Running | Progress::Done => None,
            });
        let Some(due) = due.min() else {
            return Some(incoming.recv().unwrap_or(Event::InputEnded));
        };
        // What has arrived already may change the document once more.
        match incoming.recv_timeout(due.saturating_duration_since(Instant::now())) {
            Ok(event) => Some(event),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => Some(Event::InputEnded),
        }
    }

    // What the client sends.

    fn request(&mut self, request: Request) -> anyhow::Result<()> {
        let id = request.id.clone();
        if self.is_shut_down {
            let why = "the server is shut down".to_owned();
            self.refuse(id, ErrorCode::InvalidRequest, why);
            return Ok(());
        }
        if self.client.is_none() && request.method != "initialize" {
            let why = "the first request must be initialize".to_owned();
            self.refuse(id, ErrorCode::ServerNotInitialized, why);
            return Ok(());
        }
        match request.method.as_str() {
            "initialize" if self.client.is_some() => {
                let why = "the server is initialized already".to_owned();
                self.refuse(id, ErrorCode::InvalidRequest, why);
            }
            "initialize" => self.initialize(id, &request.params)?,
            "shutdown" => {
                self.is_shut_down = true;
                self.answer(Response::new_ok(id, Value::Null));
            }
            "textDocument/codeAction" => {
                if let Some(params) = self.params::<CodeActionParams>(&id, request.params) {
                    let uri = params.text_document.uri.as_ref().to_owned();
                    self.ask(&uri, Waiting::Actions(id, params));
                }
            }
            "textDocument/hover" => {
                if let Some(params) = self.params::<HoverParams>(&id, request.params) {
                    let at = params.text_document_position_params;
                    let uri = at.text_document.uri.as_ref().to_owned();
                    self.ask(&uri, Waiting::Hover(id, at.position));
                }
            }
            "textDocument/diagnostic" => {
                if let Some(params) = self.params::<DocumentDiagnosticParams>(&id, request.params) {
                    let uri = params.text_document.uri.as_ref().to_owned();
                    self.ask(&uri, Waiting::Pull(id));
                }
            }
            "workspace/executeCommand" => {
                if let Some(params) = self.params::<ExecuteCommandParams>(&id, request.params) {
                    self.execute(id, params);
                }
            }
            method => {
                let why = format!("there is no method {method}");
                self.refuse(id, ErrorCode::MethodNotFound, why);
            }
        }
        Ok(())
    }

    fn notification(&mut self, told: Notification) {
        if self.client.is_none() || self.is_shut_down {
            return;
        }
        let Notification { method, params } = told;
        let outcome = match method.as_str() {
            "initialized" => {
                self.ask_configuration();
                Ok(())
            }
            "textDocument/didOpen" => parsed(params).map(|params| self.open(params)),
            "textDocument/didChange" => parsed(params).map(|params| self.change(params)),
            "textDocument/didSave" => parsed(params).map(|params| self.save(&params)),
            "textDocument/didClose" => parsed(params).map(|params| self.close(&params)),
            "workspace/didChangeConfiguration" => {
                match params.get("settings") {
                    None | Some(Value::Null) => self.ask_configuration(),
                    Some(settings) => self.configure(settings),
                }
                Ok(())
            }
            // What is in work is answered all the same, which the protocol allows.
            _ => Ok(()),
        };
        if let Err(why) = outcome {
            tracing::warn!("{method}: {why}");
        }
    }

    fn response(&mut self, response: Response) {
        let asked = self.asked.remove(&response.id);
        match (asked, response.response_result) {
            (Some(Asked::Configuration), Ok(Value::Array(values))) => {
                if let Some(value) = values.first() {
                    self.configure(value);
                }
            }
            (Some(Asked::Edit(label)), Ok(value)) if value["applied"] != true => {
                let why = value["failureReason"].as_str().unwrap_or("no reason given");
                self.show(2, &format!("the editor did not apply “{label}”: {why}"));
            }
            (Some(Asked::Edit(label)), Err(err)) => {
                let why = err.message;
                self.show(2, &format!("the editor did not apply “{label}”: {why}"));
            }
            _ => {}
        }
    }

    /// The parameters of a request; one that has others is refused.
    fn params<P: DeserializeOwned>(&self, id: &RequestId, params: Value) -> Option<P> {
        match parsed(params) {
            Ok(params) => Some(params),
            Err(why) => {
                self.refuse(id.clone(), ErrorCode::InvalidParams, why);
                None
            }
        }
    }

    fn initialize(&mut self, id: RequestId, params: &Value) -> anyhow::Result<()> {
        let client = Client::of(params);
        self.client = Some(client);
        let given = params.get("initializationOptions").unwrap_or(&Value::Null);
        let wrong = self.options.take(given);
        let mut capabilities = json!({
            "positionEncoding": client.encoding.name(),
            "textDocumentSync": { "openClose": true, "change": 1, "save": { "includeText": false } },
            "codeActionProvider": { "codeActionKinds": ["quickfix"] },
            "hoverProvider": true,
            "executeCommandProvider": {
                "commands": [actions::EDIT, actions::ADD_TO_USER, actions::ADD_TO_PROJECT],
            },
        });
        if self.is_pulled() {
            capabilities["diagnosticProvider"] = json!({
                "identifier": "electroscope",
                "interFileDependencies": false,
                "workspaceDiagnostics": false,
            });
        }
        let result = json!({
            "capabilities": capabilities,
            "serverInfo": { "name": "electroscope", "version": env!("CARGO_PKG_VERSION") },
        });
        self.answer(Response::new_ok(id, result));
        for why in wrong {
            self.show(2, &why);
        }
        let process = params.get("processId").and_then(Value::as_u64);
        if let Some(process) = process.and_then(|id| u32::try_from(id).ok()) {
            parent::watch(process, self.events.clone());
        }
        self.start_threads()
    }

    /// Starts the thread that scores, which loads the model at once, and the one that answers.
    fn start_threads(&mut self) -> anyhow::Result<()> {
        let mut settings = self.catalog.settings().clone();
        settings.given.head = self.options.head.clone().or(settings.given.head);
        let mut catalog = Catalog::new(settings);
        if let Some(model) = &self.options.model {
            catalog = catalog.with_model(model);
        }
        self.catalog = catalog.clone();
        let (scoring, jobs) = mpsc::channel();
        scoring::spawn(catalog, jobs, self.events.clone())?;
        let _ = scoring.send(Job::Load(self.options.lens));
        self.scoring = Some(scoring);
        let (answering, tasks) = mpsc::channel::<Task>();
        let (events, broken) = (self.events.clone(), self.events.clone());
        let body = move || {
            for task in tasks {
                let _ = events.send(Event::Answer(task()));
            }
        };
        thread::spawn("answers", body, move |why| {
            let _ = broken.send(Event::Broken(why));
        })?;
        self.answering = Some(answering);
        Ok(())
    }

    fn open(&mut self, params: DidOpenTextDocumentParams) {
        self.revision += 1;
        let uri = params.text_document.uri.as_ref().to_owned();
        let document = OpenDocument::new(params.text_document, self.encoding(), self.revision);
        self.documents.insert(uri, document);
    }

    fn change(&mut self, params: DidChangeTextDocumentParams) {
        let encoding = self.encoding();
        let uri = params.text_document.text_document_identifier.uri;
        let Some(document) = self.documents.get_mut(uri.as_ref()) else {
            return;
        };
        self.revision += 1;
        document.change(
            params.content_changes,
            params.text_document.version,
            encoding,
        );
        document.renew(self.revision);
        for waiting in std::mem::take(&mut document.waiting) {
            self.outdated(waiting);
        }
    }

    /// A dictionary may have been saved in the same editor.
    fn save(&mut self, params: &DidSaveTextDocumentParams) {
        let uri = params.text_document.uri.as_ref();
        if uri.ends_with("dictionary.txt") {
            self.flag_anew();
        }
    }

    fn close(&mut self, params: &DidCloseTextDocumentParams) {
        let uri = params.text_document.uri.as_ref();
        let Some(mut closed) = self.documents.remove(uri) else {
            return;
        };
        for waiting in std::mem::take(&mut closed.waiting) {
            self.outdated(waiting);
        }
        if !self.is_pulled() {
            // They must not stay in the client's list.
            self.notify(
                "textDocument/publishDiagnostics",
                json!({ "uri": uri, "diagnostics": [] }),
            );
        }
    }

    /// Answers a request whose text has changed before it could be.
    fn outdated(&self, waiting: Waiting) {
        let (id, code, data) = match waiting {
            Waiting::Actions(id, _) | Waiting::Hover(id, _) => {
                (id, ErrorCode::ContentModified, None)
            }
            Waiting::Pull(id) => (
                id,
                ErrorCode::ServerCancelled,
                Some(json!({ "retriggerRequest": true })),
            ),
        };
        let error = ResponseError {
            code: code as i32,
            message: "the text has changed".to_owned(),
            data,
        };
        self.answer(Response {
            id,
            response_result: Err(error),
        });
    }

    fn ask_configuration(&mut self) {
        if self.client.is_some_and(|client| client.has_configuration) {
            let params = json!({ "items": [{ "section": "electroscope" }] });
            self.ask_client("workspace/configuration", params, Asked::Configuration);
        }
    }

    fn configure(&mut self, said: &Value) {
        let before = self.options.clone();
        for why in self.options.take(said) {
            self.show(2, &why);
        }
        if self.options.lens != before.lens {
            if let Some(scoring) = &self.scoring {
                let _ = scoring.send(Job::Load(self.options.lens));
            }
            for document in self.documents.values_mut() {
                self.revision += 1;
                document.renew(self.revision);
                document.hurry();
                document.findings.clear();
            }
            if self.is_pulled() {
                // The answer waits until that has been scored.
                self.ask_client("workspace/diagnostic/refresh", Value::Null, Asked::Whatever);
            }
        } else if self.options != before {
            self.flag_anew();
        }
    }

    // Scoring.

    /// Starts the work on the documents that have been left alone for long enough.
    fn start_due(&mut self) {
        let now = Instant::now();
        let mut wrong = Vec::new();
        for (uri, document) in &mut self.documents {
            if !matches!(document.progress, Progress::Due(at) if at <= now) {
                continue;
            }
            let text = document.now.document.clone();
            let (accepted, trouble) = self.dictionaries.accepted(&text.path);
            wrong.extend(trouble);
            document.exemptions = Exemptions::of(&text, Arc::new(accepted));
            document.read = AsRead::new(&text);
            document.readings = Readings::default();
            document.progress = Progress::Running;
            document.published = now;
            if let Some(scoring) = &self.scoring {
                let _ = scoring.send(Job::Score(Score {
                    uri: uri.clone(),
                    revision: document.revision,
                    latest: Arc::clone(&document.latest),
                    document: text,
                    focus: document.changed,
                    lens: self.options.lens,
                }));
            }
        }
        for why in wrong {
            self.show(2, &why);
        }
        if let Some(None) = self.models.get(&self.options.lens) {
            self.give_up();
        }
    }

    /// Answers what waits for a model that cannot be had.
    fn give_up(&mut self) {
        let running: Vec<String> = (self.documents.iter())
            .filter(|(_, document)| document.progress == Progress::Running)
            .map(|(uri, _)| uri.clone())
            .collect();
        for uri in running {
            self.finish(&uri);
        }
    }

    fn told(&mut self, told: Told) {
        match told {
            Told::Loading(step) => self.show_loading(&step),
            Told::Loaded(loaded) => self.loaded(loaded),
            Told::LoadFailed(lens, why) => {
                self.loading_ended();
                self.show(1, &why);
                self.models.insert(lens, None);
                if lens == self.options.lens {
                    self.give_up();
                }
            }
            Told::Suggester(lens, suggester) => {
                if let Some(Some(model)) = self.models.get_mut(&lens) {
                    model.suggester = Some(suggester);
                }
            }
            Told::Scored {
                uri,
                revision,
                part,
                readings,
                goes_on,
            } => {
                let flagging = self.flagging();
                let Some(document) = self.current(&uri, revision) else {
                    return;
                };
                document.scored(part, &readings, flagging);
                if goes_on && document.published.elapsed() >= PUBLISH_EVERY {
                    self.publish(&uri);
                }
            }
            Told::Finished { uri, revision } => {
                let flagging = self.flagging();
                if let Some(document) = self.current(&uri, revision) {
                    document.flag(flagging);
                    self.finish(&uri);
                }
            }
            Told::Failed { uri, revision, why } => {
                self.show(1, &why);
                if self.current(&uri, revision).is_some() {
                    self.finish(&uri);
                }
            }
        }
    }

    /// The document, if that is still its newest revision.
    fn current(&mut self, uri: &str, revision: u64) -> Option<&mut OpenDocument> {
        let document = self.documents.get_mut(uri);
        document.filter(|document| document.revision == revision)
    }

    fn loaded(&mut self, loaded: LoadedModel) {
        self.loading_ended();
        if let Some(note) = &loaded.note {
            self.notify("window/logMessage", json!({ "type": 3, "message": note }));
        }
        let model = Model {
            name: loaded.name,
            own_threshold: loaded.threshold,
            suggester: None,
        };
        self.models.insert(loaded.lens, Some(model));
    }

    /// Which words are flagged.
    fn flagging(&self) -> Flagging {
        let settings = self.catalog.settings();
        let model = self.models.get(&self.options.lens).and_then(Option::as_ref);
        let (name, own) = match model {
            Some(model) => (&model.name, model.own_threshold),
            None => (&settings.model, None),
        };
        settings.flagging(name, self.options.threshold, own, false)
    }

    /// All that can be found in a document is.
    fn finish(&mut self, uri: &str) {
        let Some(document) = self.documents.get_mut(uri) else {
            return;
        };
        document.progress = Progress::Done;
        let waiting = std::mem::take(&mut document.waiting);
        self.publish(uri);
        for waiting in waiting {
            self.answer_about(uri, waiting);
        }
    }

    /// Finds the flagged words of all documents anew, by other dictionaries or thresholds.
    fn flag_anew(&mut self) {
        let flagging = self.flagging();
        let mut wrong = Vec::new();
        let mut done = Vec::new();
        for (uri, document) in &mut self.documents {
            let (accepted, trouble) = self.dictionaries.accepted(&document.now.document.path);
            wrong.extend(trouble);
            let exemptions = std::mem::take(&mut document.exemptions);
            document.exemptions = exemptions.with(Arc::new(accepted));
            if document.progress == Progress::Done {
                document.flag(flagging);
                done.push(uri.clone());
            }
        }
        for why in wrong {
            self.show(2, &why);
        }
        for uri in done {
            self.publish(&uri);
        }
        if self.is_pulled() {
            self.ask_client("workspace/diagnostic/refresh", Value::Null, Asked::Whatever);
        }
    }

    // Diagnostics.

    fn diagnostics(&self, document: &OpenDocument) -> Vec<Diagnostic> {
        let lens = self.options.lens;
        let severity = self.options.severity.unwrap_or(match lens {
            Lens::Replaced => DiagnosticSeverity::Information,
            Lens::Errors => DiagnosticSeverity::Warning,
        });
        let diagnostic = |finding: &Finding| Diagnostic {
            range: document.now.positions.range(finding.span),
            severity: Some(severity),
            code: Some(wording::code(lens, finding.kind).into()),
            code_description: None,
            source: Some("electroscope".to_owned()),
            message: wording::message(lens, finding).into(),
            tags: None,
            related_information: None,
            data: None,
        };
        document.findings.iter().map(diagnostic).collect()
    }

    fn is_pulled(&self) -> bool {
        self.client.is_some_and(|client| client.pulls) && !self.options.always_pushes
    }

    /// Sends the diagnostics of a document, unless the client asks for them.
    fn publish(&mut self, uri: &str) {
        if let Some(document) = self.documents.get_mut(uri) {
            document.published = Instant::now();
        }
        let Some(document) = self.documents.get(uri).filter(|_| !self.is_pulled()) else {
            return;
        };
        let params = PublishDiagnosticsParams {
            uri: document.now.uri.clone(),
            version: Some(document.now.version),
            diagnostics: self.diagnostics(document),
        };
        self.notify("textDocument/publishDiagnostics", json!(params));
    }

    // Questions about a document.

    /// Answers a request now, or once the newest version has been scored.
    fn ask(&mut self, uri: &str, request: Waiting) {
        match self.documents.get_mut(uri) {
            Some(document) if document.progress != Progress::Done => {
                document.hurry();
                document.waiting.push(request);
            }
            _ => self.answer_about(uri, request),
        }
    }

    fn answer_about(&mut self, uri: &str, request: Waiting) {
        let Some(document) = self.documents.get(uri) else {
            let (id, nothing) = match request {
                Waiting::Actions(id, _) | Waiting::Hover(id, _) => (id, Value::Null),
                Waiting::Pull(id) => (id, json!({ "kind": "full", "items": [] })),
            };
            self.answer(Response::new_ok(id, nothing));
            return;
        };
        let context = self.context(document);
        match request {
            Waiting::Pull(id) => {
                let items = self.diagnostics(document);
                self.answer(Response::new_ok(
                    id,
                    json!({ "kind": "full", "items": items }),
                ));
            }
            Waiting::Actions(id, params) => {
                let only = params.context.only.iter().flatten();
                let kinds: Vec<String> = only.map(|kind| String::from(kind.clone())).collect();
                let is_wanted = kinds.is_empty()
                    || kinds
                        .iter()
                        .any(|kind| kind.is_empty() || kind == "quickfix");
                let range = document.now.positions.span(params.range);
                let touches =
                    |span: Span| span.start() <= range.end() && range.start() <= span.end();
                let all = document.findings.iter();
                let findings: Vec<Finding> = all
                    .filter(|finding| is_wanted && touches(finding.span))
                    .cloned()
                    .collect();
                self.later(move || {
                    let actions = context.actions(&params, &findings);
                    Response::new_ok(id, actions)
                });
            }
            Waiting::Hover(id, position) => self.hover(id, position, document, context),
        }
    }

    fn hover(&self, id: RequestId, at: Position, document: &OpenDocument, context: Context) {
        let byte = document.now.positions.byte(at);
        let pointed = document.findings.iter();
        let mut pointed = pointed.filter(|finding| finding.span.contains(byte));
        let Some(finding) = pointed.next().cloned() else {
            self.answer(Response::new_ok(id, Value::Null));
            return;
        };
        let threshold = self.flagging().threshold;
        self.later(move || {
            let best = context.best(finding.span);
            let text = wording::explanation(context.lens, &finding, threshold, &best);
            let hover = json!({
                "contents": { "kind": "plaintext", "value": text },
                "range": context.now.positions.range(finding.span),
            });
            Response::new_ok(id, hover)
        });
    }

    fn context(&self, document: &OpenDocument) -> Context {
        let client = self.client.unwrap_or_default();
        let lens = self.options.lens;
        let model = self.models.get(&lens).and_then(Option::as_ref);
        Context {
            now: document.now.clone(),
            lens,
            suggester: model.and_then(|model| model.suggester.clone()),
            most: self.options.suggestions,
            applies_edits: client.applies_edits,
            has_versions: client.has_versions,
        }
    }

    /// Answers on the thread for that.
    fn later(&self, task: impl FnOnce() -> Response + Send + 'static) {
        if let Some(answering) = &self.answering {
            let _ = answering.send(Box::new(task));
        }
    }

    // Commands.

    fn execute(&mut self, id: RequestId, params: ExecuteCommandParams) {
        let argument = params.arguments.and_then(|all| all.into_iter().next());
        let argument = argument.unwrap_or_default();
        let whose = match params.command.as_str() {
            actions::EDIT => {
                if let Some(arguments) = self.params::<EditArguments>(&id, argument) {
                    self.edit(&arguments);
                    self.answer(Response::new_ok(id, Value::Null));
                }
                return;
            }
            actions::ADD_TO_USER => Whose::User,
            actions::ADD_TO_PROJECT => Whose::Project,
            other => {
                let why = format!("there is no command {other}");
                self.refuse(id, ErrorCode::InvalidParams, why);
                return;
            }
        };
        let Some(WordArguments { uri, word }) = self.params(&id, argument) else {
            return;
        };
        let path = super::documents::path_of(&uri);
        match self.dictionaries.add(&word, &path, whose) {
            Ok(done) => {
                tracing::info!("{done}");
                self.flag_anew();
            }
            Err(err) => self.show(1, &format!("{err:#}")),
        }
        self.answer(Response::new_ok(id, Value::Null));
    }

    /// Has the client change the text, if that still is what the change was made for.
    fn edit(&mut self, arguments: &EditArguments) {
        let Some(document) = self.documents.get(&arguments.uri) else {
            self.show(2, "the document is not open any more");
            return;
        };
        let now = &document.now;
        let span = now.positions.span(arguments.range);
        let is_same = span.of(&now.document.text) == Some(&*arguments.before);
        if now.version != arguments.version && (!is_same || arguments.before.is_empty()) {
            self.show(2, "the text has changed since that was offered");
            return;
        }
        let arguments = EditArguments {
            version: now.version,
            uri: arguments.uri.clone(),
            before: String::new(),
            new_text: arguments.new_text.clone(),
            label: arguments.label.clone(),
            range: arguments.range,
        };
        let has_versions = self.client.is_some_and(|client| client.has_versions);
        let edit = actions::workspace_edit(&arguments, has_versions);
        let params = json!({ "label": arguments.label, "edit": edit });
        self.ask_client("workspace/applyEdit", params, Asked::Edit(arguments.label));
    }

    // What is sent.

    fn encoding(&self) -> Encoding {
        self.client.unwrap_or_default().encoding
    }

    fn answer(&self, response: Response) {
        (self.send)(response.into());
    }

    fn refuse(&self, id: RequestId, code: ErrorCode, why: String) {
        self.answer(Response::new_err(id, code as i32, why));
    }

    fn notify(&self, method: &str, params: Value) {
        (self.send)(Notification::new(method.to_owned(), params).into());
    }

    fn ask_client(&mut self, method: &str, params: Value, asked: Asked) {
        let id = RequestId::from(self.next_id);
        self.next_id += 1;
        self.asked.insert(id.clone(), asked);
        (self.send)(Request::new(id, method.to_owned(), params).into());
    }

    /// Shows the user a message: 1 is an error, 2 a warning.
    fn show(&self, kind: u8, message: &str) {
        let message = format!("electroscope: {message}");
        self.notify(
            "window/showMessage",
            json!({ "type": kind, "message": message }),
        );
    }

    fn show_loading(&mut self, step: &str) {
        if !self.client.is_some_and(|client| client.has_progress) {
            return;
        }
        let value = match self.shows_loading {
            true => json!({ "kind": "report", "message": step }),
            false => {
                let create = json!({ "token": LOADING });
                self.ask_client("window/workDoneProgress/create", create, Asked::Whatever);
                self.shows_loading = true;
                json!({ "kind": "begin", "title": "Electroscope", "message": step })
            }
        };
        self.notify("$/progress", json!({ "token": LOADING, "value": value }));
    }

    fn loading_ended(&mut self) {
        if std::mem::take(&mut self.shows_loading) {
            let value = json!({ "kind": "end" });
            self.notify("$/progress", json!({ "token": LOADING, "value": value }));
        }
    }
}

fn parsed<P: DeserializeOwned>(params: Value) -> Result<P, String> {
    serde_json::from_value(params).map_err(|err| err.to_string())
}
