//! The language server, driven as an editor does: the real program, with messages through pipes.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::sandbox::Sandbox;

const BANANA: &str = "The committee has approved the banana of the new bridge over the river.\n";
const CALM: &str = "The boats wait in the harbour.\n";

/// Far more than anything takes; only a failure waits so long.
const LONG: Duration = Duration::from_secs(240);

/// An editor with a server.
struct Editor {
    here: Sandbox,
    server: Child,
    to: Option<ChildStdin>,
    from: Receiver<Value>,
    /// What was received and not asked for yet.
    kept: VecDeque<Value>,
    next_id: i64,
}

impl Editor {
    /// Starts `electroscope lsp` with `arguments`, and gets it to be initialized with `params`.
    fn start(arguments: &[&str], params: Value) -> Editor {
        let here = Sandbox::new();
        std::fs::create_dir(here.path().join(".git")).unwrap();
        let all: Vec<&str> = ["lsp"].iter().chain(arguments).copied().collect();
        let mut command = here.command(&all);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut server = command.spawn().unwrap();
        let to = server.stdin.take();
        let from = received(server.stdout.take().unwrap());
        let mut editor = Editor {
            here,
            server,
            to,
            from,
            kept: VecDeque::new(),
            next_id: 0,
        };
        let answer = editor.request("initialize", params);
        assert_eq!(answer["result"]["serverInfo"]["name"], "electroscope");
        editor.notify("initialized", json!({}));
        editor
    }

    /// One that looks for replaced words and applies edits.
    fn of_replaced() -> Editor {
        Editor::start(&["--lens", "replaced"], client(json!({})))
    }

    fn send(&mut self, message: &Value) {
        let body = message.to_string();
        let to = self.to.as_mut().unwrap();
        write!(to, "Content-Length: {}\r\n\r\n{body}", body.len()).unwrap();
        to.flush().unwrap();
    }

    fn notify(&mut self, method: &str, params: Value) {
        self.send(&json!({ "jsonrpc": "2.0", "method": method, "params": params }));
    }

    fn ask(&mut self, method: &str, params: Value) -> i64 {
        self.next_id += 1;
        let id = self.next_id;
        self.send(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }));
        id
    }

    fn request(&mut self, method: &str, params: Value) -> Value {
        let id = self.ask(method, params);
        self.answer(id)
    }

    fn answer(&mut self, id: i64) -> Value {
        self.wait_for(|message| message["id"] == id && message.get("method").is_none())
    }

    /// The first message that is wanted; others are kept.
    fn wait_for(&mut self, is_wanted: impl Fn(&Value) -> bool) -> Value {
        if let Some(at) = self.kept.iter().position(&is_wanted) {
            return self.kept.remove(at).unwrap();
        }
        let end = Instant::now() + LONG;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let message = self.from.recv_timeout(left);
            let message = message.unwrap_or_else(|err| panic!("{err}; so far {:#?}", self.kept));
            if is_wanted(&message) {
                return message;
            }
            self.kept.push_back(message);
        }
    }

    fn uri(&self, name: &str) -> String {
        format!("file://{}/{name}", self.here.path().display())
    }

    fn open(&mut self, name: &str, text: &str) {
        let language = if name.ends_with(".md") {
            "markdown"
        } else {
            "plaintext"
        };
        let item = json!({
            "uri": self.uri(name), "languageId": language, "version": 1, "text": text,
        });
        self.notify("textDocument/didOpen", json!({ "textDocument": item }));
    }

    fn change(&mut self, name: &str, version: i64, text: &str) {
        let uri = self.uri(name);
        self.notify(
            "textDocument/didChange",
            json!({
                "textDocument": { "uri": uri, "version": version },
                "contentChanges": [{ "text": text }],
            }),
        );
    }

    /// The diagnostics of a version of a document.
    fn diagnostics(&mut self, name: &str, version: i64) -> Vec<Value> {
        let uri = self.uri(name);
        let published = self.wait_for(|message| {
            message["method"] == "textDocument/publishDiagnostics"
                && message["params"]["uri"] == uri
                && message["params"]["version"] == version
        });
        published["params"]["diagnostics"]
            .as_array()
            .unwrap()
            .clone()
    }

    /// The code actions for a diagnostic.
    fn actions(&mut self, name: &str, diagnostic: &Value) -> Vec<Value> {
        let params = json!({
            "textDocument": { "uri": self.uri(name) },
            "range": diagnostic["range"],
            "context": { "diagnostics": [diagnostic] },
        });
        let answer = self.request("textDocument/codeAction", params);
        answer["result"].as_array().unwrap().clone()
    }

    /// Has the action with this title executed.
    fn execute(&mut self, actions: &[Value], title: &str) {
        let titles: Vec<&str> = actions
            .iter()
            .map(|one| one["title"].as_str().unwrap())
            .collect();
        let action = actions.iter().find(|action| action["title"] == title);
        let command = &action.unwrap_or_else(|| panic!("{titles:?}"))["command"];
        let params = json!({ "command": command["command"], "arguments": command["arguments"] });
        let answer = self.request("workspace/executeCommand", params);
        assert!(answer.get("error").is_none(), "{answer}");
    }

    /// Takes the edit that the server asks for, and gives `text` after it.
    fn apply(&mut self, text: &str) -> String {
        let asked = self.wait_for(|message| message["method"] == "workspace/applyEdit");
        let edit = &asked["params"]["edit"]["documentChanges"][0]["edits"][0];
        let edited = edited(text, edit);
        let answer = json!({
            "jsonrpc": "2.0", "id": asked["id"], "result": { "applied": true },
        });
        self.send(&answer);
        edited
    }

    fn ended(&mut self) -> ExitStatus {
        let end = Instant::now() + LONG;
        loop {
            if let Some(status) = self.server.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < end, "it goes on");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Editor {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

/// What a server sends.
fn received(from: impl Read + Send + 'static) -> Receiver<Value> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let mut from = BufReader::new(from);
        loop {
            let mut len = 0;
            loop {
                let mut line = String::new();
                if from.read_line(&mut line).unwrap_or(0) == 0 {
                    return;
                }
                match line.trim_end() {
                    "" => break,
                    line => {
                        if let Some(value) = line.strip_prefix("Content-Length: ") {
                            len = value.parse().unwrap();
                        }
                    }
                }
            }
            let mut body = vec![0; len];
            from.read_exact(&mut body).unwrap();
            if sender.send(serde_json::from_slice(&body).unwrap()).is_err() {
                return;
            }
        }
    });
    receiver
}

/// The parameters of `initialize` of a client that can do what matters here.
fn client(options: Value) -> Value {
    json!({
        "processId": std::process::id(),
        "initializationOptions": options,
        "capabilities": {
            "workspace": {
                "applyEdit": true,
                "workspaceEdit": { "documentChanges": true },
            },
            "window": { "workDoneProgress": true },
        },
    })
}

/// A text of ASCII after an edit of the protocol.
fn edited(text: &str, edit: &Value) -> String {
    let byte = |at: &Value| {
        let (line, column) = (
            at["line"].as_u64().unwrap(),
            at["character"].as_u64().unwrap(),
        );
        let before = text.split_inclusive('\n').take(line as usize);
        before.map(str::len).sum::<usize>() + column as usize
    };
    let mut edited = text.to_owned();
    edited.replace_range(
        byte(&edit["range"]["start"])..byte(&edit["range"]["end"]),
        edit["newText"].as_str().unwrap(),
    );
    edited
}

/// The columns of a diagnostic and its message up to the p.
fn told(diagnostic: &Value) -> (u64, u64, String) {
    let column = |end: &str| diagnostic["range"][end]["character"].as_u64().unwrap();
    let message = diagnostic["message"].as_str().unwrap();
    let message = message.split(" (p ").next().unwrap().to_owned();
    (column("start"), column("end"), message)
}

#[test]
fn lsp_tells_findings_of_the_text_in_the_editor_and_forgets_them_when_it_is_mended() {
    let mut editor = Editor::of_replaced();
    // The file says something else.
    editor.here.write("a.md", CALM.as_bytes());
    editor.open("a.md", BANANA);
    let found = editor.diagnostics("a.md", 1);
    let banana = (31, 37, "“banana” may not belong here".to_owned());
    assert_eq!(found.iter().map(told).collect::<Vec<_>>(), [banana]);
    assert_eq!(found[0]["source"], "electroscope");
    assert_eq!(found[0]["code"], "replaced-word");
    assert_eq!(found[0]["severity"], 3);
    // The model was loaded in the meantime, for all to see.
    editor.wait_for(|message| {
        message["method"] == "$/progress" && message["params"]["value"]["kind"] == "begin"
    });
    editor.wait_for(|message| {
        message["method"] == "$/progress" && message["params"]["value"]["kind"] == "end"
    });
    // What was told last is about the last of several versions.
    editor.change("a.md", 2, &format!("{CALM}\n{BANANA}"));
    editor.change("a.md", 3, &BANANA.replace("banana", "design"));
    assert_eq!(editor.diagnostics("a.md", 3), Vec::<Value>::new());
}

#[test]
fn lsp_counts_columns_in_the_units_that_were_agreed_on() {
    let text = format!("🦀 {BANANA}");
    let mut editor = Editor::of_replaced();
    editor.open("a.txt", &text);
    let found = editor.diagnostics("a.txt", 1);
    // A crab has two units of UTF-16 and four bytes.
    assert!(
        found
            .iter()
            .map(told)
            .any(|(start, end, _)| (start, end) == (34, 40)),
        "{found:?}"
    );
    drop(editor);
    let mut params = client(json!({ "lens": "replaced" }));
    params["capabilities"]["general"]["positionEncodings"] = json!(["utf-8", "utf-16"]);
    let mut editor = Editor::start(&[], params);
    editor.open("a.txt", &text);
    let found = editor.diagnostics("a.txt", 1);
    assert!(
        found
            .iter()
            .map(told)
            .any(|(start, end, _)| (start, end) == (36, 42)),
        "{found:?}"
    );
}

#[test]
fn lsp_keeps_two_documents_apart_and_takes_the_findings_of_a_closed_one_back() {
    let mut editor = Editor::of_replaced();
    editor.open("a.md", BANANA);
    editor.open("b.txt", CALM);
    assert_eq!(editor.diagnostics("a.md", 1).len(), 1);
    assert_eq!(editor.diagnostics("b.txt", 1).len(), 0);
    // In Markdown code is not prose, in a plain text everything is.
    let code = format!("`{}`\n", BANANA.trim());
    editor.change("a.md", 2, &code);
    editor.change("b.txt", 2, &code);
    assert_eq!(editor.diagnostics("a.md", 2).len(), 0);
    assert!(!editor.diagnostics("b.txt", 2).is_empty());
    let uri = editor.uri("b.txt");
    editor.notify(
        "textDocument/didClose",
        json!({ "textDocument": { "uri": uri } }),
    );
    let emptied = editor.wait_for(|message| {
        message["params"]["uri"] == uri && message["params"].get("version").is_none()
    });
    assert_eq!(emptied["params"]["diagnostics"], json!([]));
}

#[test]
fn lsp_mends_a_misspelt_word_and_says_what_it_may_be() {
    const TEXT: &str = "I was very happy to recieve your letter.\n";
    let mut editor = Editor::start(&[], client(json!({ "suggestions": 2 })));
    editor.open("a.md", TEXT);
    let found = editor.diagnostics("a.md", 1);
    assert_eq!(
        found.iter().map(told).collect::<Vec<_>>(),
        [(20, 27, "“recieve” may be a spelling error".to_owned())]
    );
    assert_eq!(found[0]["code"], "writing-error/spelling");
    assert_eq!(found[0]["severity"], 2);
    let hover = editor.request(
        "textDocument/hover",
        json!({
            "textDocument": { "uri": editor.uri("a.md") },
            "position": { "line": 0, "character": 22 },
        }),
    );
    let said = hover["result"]["contents"]["value"].as_str().unwrap();
    assert!(
        said.starts_with("“recieve” is ") && said.contains("a spelling error: p 0."),
        "{said}"
    );
    assert!(said.contains("Perhaps: receive"), "{said}");
    let actions = editor.actions("a.md", &found[0]);
    assert_eq!(actions[0]["diagnostics"], json!([found[0]]));
    editor.execute(&actions, "Replace “recieve” with “receive”");
    let mended = editor.apply(TEXT);
    assert_eq!(mended, TEXT.replace("recieve", "receive"));
    editor.change("a.md", 2, &mended);
    assert_eq!(editor.diagnostics("a.md", 2).len(), 0);
    // What was offered for another text is not done to this one.
    editor.execute(&actions, "Replace “recieve” with “receive”");
    let refused = editor.wait_for(|message| message["method"] == "window/showMessage");
    let why = refused["params"]["message"].as_str().unwrap();
    assert!(why.contains("the text has changed"), "{why}");
}

#[test]
fn lsp_adds_words_to_dictionaries_and_flags_them_no_more_in_any_document() {
    let mut editor = Editor::of_replaced();
    editor.open("a.md", BANANA);
    editor.open("b.md", BANANA);
    let found = editor.diagnostics("a.md", 1);
    assert_eq!(editor.diagnostics("b.md", 1).len(), 1);
    let actions = editor.actions("a.md", &found[0]);
    editor.execute(&actions, "Add “banana” to the project dictionary");
    assert_eq!(editor.diagnostics("a.md", 1).len(), 0);
    assert_eq!(editor.diagnostics("b.md", 1).len(), 0);
    let read = |path: &str| std::fs::read_to_string(editor.here.path().join(path)).unwrap();
    assert_eq!(read(".electroscope/dictionary.txt"), "banana\n");
    editor.execute(&actions, "Add “banana” to the user dictionary");
    let read = |path: &str| std::fs::read_to_string(editor.here.path().join(path)).unwrap();
    assert_eq!(read("home/.config/electroscope/dictionary.txt"), "banana\n");
}

#[test]
fn lsp_writes_marks_that_silence_a_word_here_or_in_the_file() {
    let text = format!("{CALM}\n{BANANA}");
    let mut editor = Editor::of_replaced();
    editor.open("a.md", &text);
    let found = editor.diagnostics("a.md", 1);
    assert_eq!(found.len(), 1, "{found:?}");
    let actions = editor.actions("a.md", &found[0]);
    editor.execute(&actions, "Ignore “banana” here");
    let marked = editor.apply(&text);
    let mark = "<!-- electroscope-disable-next-line banana -->";
    assert_eq!(marked, format!("{CALM}\n{mark}\n{BANANA}"));
    editor.change("a.md", 2, &marked);
    assert_eq!(editor.diagnostics("a.md", 2).len(), 0);
    editor.change("a.md", 3, &text);
    let found = editor.diagnostics("a.md", 3);
    let actions = editor.actions("a.md", &found[0]);
    editor.execute(&actions, "Ignore “banana” in this file");
    let marked = editor.apply(&text);
    let mark = "<!-- electroscope-disable-file banana -->";
    assert_eq!(marked, format!("{text}\n{mark}\n"));
    editor.change("a.md", 4, &marked);
    assert_eq!(editor.diagnostics("a.md", 4).len(), 0);
}

#[test]
fn lsp_takes_up_a_changed_configuration_and_tells_what_is_wrong_with_one() {
    let mut editor = Editor::of_replaced();
    editor.open("a.md", BANANA);
    assert_eq!(editor.diagnostics("a.md", 1).len(), 1);
    let set = |editor: &mut Editor, settings: Value| {
        let params = json!({ "settings": settings });
        editor.notify("workspace/didChangeConfiguration", params);
    };
    set(&mut editor, json!({ "electroscope": { "threshold": 1.0 } }));
    assert_eq!(editor.diagnostics("a.md", 1).len(), 0);
    set(
        &mut editor,
        json!({ "threshold": null, "severity": "hint" }),
    );
    assert_eq!(editor.diagnostics("a.md", 1)[0]["severity"], 4);
    set(&mut editor, json!({ "lens": "error" }));
    let told = editor.wait_for(|message| message["method"] == "window/showMessage");
    assert_eq!(
        told["params"]["message"],
        "electroscope: the option lens is \"error\"; it must be \"errors\" or \"replaced\""
    );
}

#[test]
fn lsp_is_asked_for_diagnostics_by_a_client_that_prefers_it() {
    let mut params = client(json!({ "lens": "replaced" }));
    params["capabilities"]["textDocument"]["diagnostic"] = json!({});
    params["capabilities"]["workspace"]["diagnostics"] = json!({ "refreshSupport": true });
    let mut editor = Editor::start(&[], params);
    editor.open("a.md", BANANA);
    let uri = editor.uri("a.md");
    let pull = json!({ "textDocument": { "uri": uri } });
    let answer = editor.request("textDocument/diagnostic", pull.clone());
    let items = answer["result"]["items"].as_array().unwrap();
    assert_eq!(items.len(), 1, "{answer}");
    let actions = editor.actions("a.md", &items[0]);
    editor.execute(&actions, "Add “banana” to the project dictionary");
    editor.wait_for(|message| message["method"] == "workspace/diagnostic/refresh");
    let answer = editor.request("textDocument/diagnostic", pull);
    assert_eq!(answer["result"]["items"], json!([]));
    let is_pushed = |message: &Value| message["method"] == "textDocument/publishDiagnostics";
    assert!(!editor.kept.iter().any(is_pushed));
}

#[test]
fn lsp_ends_in_order_after_shutdown_and_refuses_what_comes_after_it() {
    let mut editor = Editor::of_replaced();
    assert_eq!(
        editor.request("shutdown", Value::Null)["result"],
        Value::Null
    );
    let late = editor.request("textDocument/hover", json!({}));
    assert_eq!(late["error"]["code"], -32600);
    editor.notify("exit", Value::Null);
    assert_eq!(editor.ended().code(), Some(0));
}

#[test]
fn lsp_ends_with_its_input_while_it_loads_and_scores() {
    let mut editor = Editor::of_replaced();
    editor.open("a.md", &BANANA.repeat(2000));
    editor.to = None;
    assert_eq!(editor.ended().code(), Some(1));
}

#[test]
fn lsp_says_why_a_model_cannot_be_loaded_and_answers_all_the_same() {
    let mut editor = Editor::start(
        &["--lens", "replaced"],
        client(json!({ "model": "./none" })),
    );
    editor.open("a.md", BANANA);
    let told = editor.wait_for(|message| message["method"] == "window/showMessage");
    let why = told["params"]["message"].as_str().unwrap();
    assert!(why.contains("none"), "{why}");
    assert_eq!(editor.diagnostics("a.md", 1).len(), 0);
    let nothing = editor.request("textDocument/no", json!({}));
    assert_eq!(nothing["error"]["code"], -32601);
}
