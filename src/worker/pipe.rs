//! Reads standard input to its end, on a thread of its own: whoever writes it may take their time.

use std::io::{IsTerminal, Read};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use super::files::FileEvent;
use electroscope_text::{Document, Language};

/// The name that standard input goes by.
pub const NAME: &str = "<stdin>";

/// Reads `input` to its end and tells what it held. `emit` is called on the thread, so it must only
/// enqueue. The thread is not waited for: a pipe whose writer never ends must not keep the program.
///
/// # Errors
///
/// Those of starting a thread.
pub fn read(
    mut input: impl Read + Send + 'static,
    language: Language,
    emit: impl FnOnce(FileEvent) + Send + 'static,
) -> std::io::Result<()> {
    let emit = std::sync::Arc::new(std::sync::Mutex::new(Some(emit)));
    let tell = move |event| {
        let emit = emit
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .take();
        if let Some(emit) = emit {
            emit(event);
        }
    };
    let failed = {
        let tell = tell.clone();
        move |reason| tell(FileEvent::Unreadable(PathBuf::from(NAME), reason))
    };
    super::thread::spawn(
        "pipe",
        move || {
            let mut bytes = Vec::new();
            let limit = Document::MAX_LEN as u64 + 1;
            let read = input.by_ref().take(limit).read_to_end(&mut bytes);
            let decoded = read.map_err(|err| err.to_string()).and_then(|_| {
                Document::decode(Path::new(NAME), bytes, language).map_err(|err| err.to_string())
            });
            tell(match decoded {
                Ok(document) => FileEvent::Changed(document),
                Err(reason) => FileEvent::Unreadable(PathBuf::from(NAME), reason),
            });
        },
        failed,
    )
    .map(drop)
}

/// The keyboard for a program that is to be run, if standard input is a document and not a terminal.
pub fn keyboard() -> Option<Stdio> {
    if std::io::stdin().is_terminal() {
        return None;
    }
    let terminal = std::fs::File::open("/dev/tty").ok()?;
    Some(Stdio::from(terminal))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;
    use std::time::Duration;

    fn event(bytes: &'static [u8]) -> FileEvent {
        let (send, receive) = mpsc::channel();
        read(bytes, Language::Plain, move |event| drop(send.send(event))).unwrap();
        receive.recv_timeout(Duration::from_secs(20)).unwrap()
    }

    #[test]
    fn what_was_piped_in_becomes_a_document() {
        let FileEvent::Changed(document) = event(b"a boat") else {
            panic!("not a document");
        };
        assert_eq!(
            (&*document.text, &*document.path),
            ("a boat", Path::new(NAME))
        );
    }

    #[test]
    fn what_is_not_text_is_said() {
        assert!(
            matches!(event(b"a\0"), FileEvent::Unreadable(_, reason) if reason.contains("NUL"))
        );
    }
}
