//! The language server: the same findings in editors.
//!
//! One thread reads standard input, one writes standard output (both by `lsp_server`), `scoring` owns
//! the model, one thread answers what needs suggestions, and `server` does everything else in turn.
//! Everyone sends it `Event`s. What is scored is the text that the editor has, never the file.

mod actions;
mod dictionaries;
mod documents;
mod options;
mod parent;
mod positions;
mod scoring;
mod server;
mod wording;

use std::path::PathBuf;
use std::sync::mpsc;
use std::time::Duration;

use lsp_server::{Connection, IoThreads, Message, Response};

use crate::catalog::Catalog;
use crate::settings::Lens;
use crate::worker::thread;

/// What the server starts with. A client may set lens, threshold and more.
pub struct Start {
    /// What opens and loads models.
    pub catalog: Catalog,
    /// What is looked for.
    pub lens: Lens,
    /// The threshold; without one that of the settings and the model.
    pub threshold: Option<f32>,
    /// The user's dictionary, if there is a place for it.
    pub dictionary: Option<PathBuf>,
}

/// How the server ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The client asked for it, in the order of the protocol.
    InOrder,
    /// The client left without a word.
    Abandoned,
}

/// What happens.
enum Event {
    /// The client has sent something.
    Message(Message),
    /// The client will not send anything any more.
    InputEnded,
    /// The process that started the server is gone.
    ParentGone,
    /// From the thread that scores.
    Told(scoring::Told),
    /// From the thread that answers.
    Answer(Response),
    /// A thread has panicked, which is a bug; the sentence says so.
    Broken(String),
}

/// Serves the client on standard input and output until it ends.
///
/// # Errors
///
/// A thread that cannot be started; input that is not the protocol's; a bug.
pub fn serve(start: Start) -> anyhow::Result<Ended> {
    let (connection, threads) = Connection::stdio();
    let Connection { sender, receiver } = connection;
    let (events, incoming) = mpsc::channel();
    let broken = events.clone();
    let forwarded = events.clone();
    let forward = move || {
        for message in receiver {
            if forwarded.send(Event::Message(message)).is_err() {
                return;
            }
        }
        let _ = forwarded.send(Event::InputEnded);
    };
    thread::spawn("messages", forward, move |why| {
        let _ = broken.send(Event::Broken(why));
    })?;
    let send = Box::new(move |message| sender.send(message).is_ok());
    let ended = server::Server::new(start, send, events).run(&incoming);
    // The server, and with it the last sender, is gone: the thread that writes ends after the last answer.
    let is_waited_for = !matches!(&ended, Ok((_, server::Way::ParentGone)));
    let io = if is_waited_for { wait(threads) } else { Ok(()) };
    let (ended, _) = ended?;
    io?;
    Ok(ended)
}

/// Waits until everything is written, but not for a client that does not read.
fn wait(threads: IoThreads) -> anyhow::Result<()> {
    const MOMENT: Duration = Duration::from_secs(1);
    let (done, waiting) = mpsc::channel();
    thread::spawn("end", move || drop(done.send(threads.join())), |_| {})?;
    match waiting.recv_timeout(MOMENT) {
        Ok(Err(err)) if err.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(anyhow::Error::from(err).context("the connection to the client"))
        }
        _ => Ok(()),
    }
}
