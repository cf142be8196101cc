//! Text in, spans out.
//!
//! Everything here is pure: no clock, no thread, no model. Only [`Document::decode`] can fail, for
//! bytes that are not text; after that every function is total.
//!
//! # Example
//!
//! The blocks of prose in a Markdown document, without the code:
//!
//! ```
//! use electroscope_text::{Document, Language, LineIndex, blocks};
//!
//! let text = "# Boats\n\n    code\n\nThey *wait* in the harbour.\n";
//! let document = Document::new("boats.md", text, Language::Markdown);
//! let blocks = blocks(&document);
//! let prose: Vec<&str> = blocks.iter().filter_map(|block| block.span.of(text)).collect();
//! assert_eq!(prose, ["Boats", "They *wait* in the harbour."]);
//!
//! let lines = LineIndex::new(text);
//! assert_eq!(lines.position(text, blocks[1].span.start()).line, 5);
//! ```

mod as_read;
mod comments;
mod dialect;
mod document;
mod formats;
mod lines;
mod prose;
mod sentences;
mod span;
mod visible;
mod words;
mod wrap;

pub use as_read::{AsRead, BlockText};
pub use comments::{Comment, comments, is_directive};
pub use document::{CodeLanguage, DecodeError, Document, Encoding, Language, is_prose};
pub use lines::{LineIndex, Position};
pub use prose::{Block, Segment, SegmentKind, blocks};
pub use sentences::sentences;
pub use span::Span;
pub use visible::{stand_in, visible};
pub use words::{is_punctuation, word_starts};
pub use wrap::{Glyph, Row, Wrapped, content};
