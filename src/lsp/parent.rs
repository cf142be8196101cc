//! Notices when the process that started the server is gone. The end of input tells the same, unless another
//! process has the pipe open.

use std::path::PathBuf;
use std::sync::mpsc::Sender;
use std::time::Duration;

use super::Event;

/// How often it is looked for.
const INTERVAL: Duration = Duration::from_secs(3);

/// Watches the process `id` where the system shows processes as files, and elsewhere nothing.
pub(super) fn watch(id: u32, events: Sender<Event>) {
    let process = PathBuf::from(format!("/proc/{id}"));
    if !process.exists() {
        // It is of another name space, or this system does not show it.
        return;
    }
    let body = move || {
        while process.exists() {
            std::thread::sleep(INTERVAL);
        }
        let _ = events.send(Event::ParentGone);
    };
    // Without the thread the end of input has to do.
    let thread = std::thread::Builder::new().name("parent".to_owned());
    if let Err(err) = thread.spawn(body) {
        tracing::warn!("the client's process is not watched: {err}");
    }
}
