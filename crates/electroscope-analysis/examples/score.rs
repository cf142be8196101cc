//! Scores a text with a checkpoint, and prints the place, the p and the text of each word:
//!
//!     cargo run --release -p electroscope-analysis --example score -- CHECKPOINT TEXT

#![allow(clippy::print_stdout, reason = "an example that prints its results")]

use std::error::Error;
use std::path::PathBuf;

use electroscope_analysis::{Engine, Queue};
use electroscope_model::{Checkpoint, load};
use electroscope_text::{Document, Language, LineIndex};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let [folder, path] = arguments.as_slice() else {
        return Err("name the folder of a checkpoint and a text file".into());
    };
    let checkpoint = Checkpoint::open(folder)?;
    let (forward, _) = load(&checkpoint, "cpu", "f32")?;
    let positions = checkpoint.config.max_position_embeddings;
    let mut engine = Engine::new(checkpoint.tokenizer, forward, positions);

    let document = Document::decode(path, std::fs::read(path)?, Language::of(path))?;
    let mut queue = Queue::new(&mut engine);
    queue.push(document);
    while !queue.is_empty() {
        queue.work(|document, readings| {
            let lines = LineIndex::new(&document.text);
            for word in readings?.words() {
                let at = lines.position(&document.text, word.span.start());
                let text = word.span.of(&document.text).unwrap_or_default();
                println!("{}:{}\t{:.3}\t{text}", at.line, at.column, word.p);
            }
            Ok::<(), electroscope_model::Error>(())
        })?;
    }
    Ok(())
}
