//! The screen: state, update, view.
//!
//! [`app`] draws, waits, and performs; [`update`] moves the [`state`] by one [`message`] and asks
//! for effects; [`view`] turns the state into a frame. Everything between is pure. What costs time
//! happens on other threads ([`crate::worker`]), so drawing never waits for it; what is not visible
//! is not laid out.
//!
//! To change what a key does, see [`keymap`]; what a command of the palette does, `palette`; how
//! lines break, [`electroscope_text::Wrapped`]; which colours there are, [`theme`].

pub mod app;
mod areas;
mod editor;
pub mod findings;
pub mod keymap;
pub mod message;
pub mod open;
mod palette;
pub mod prompt;
mod readings;
pub mod search;
pub mod state;
mod stretches;
mod suggested;
mod terminal;
#[cfg(test)]
mod tests;
pub mod theme;
pub mod update;
pub mod view;

pub use app::{Suppliers, run};
