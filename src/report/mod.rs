//! Findings as text, for the commands without a screen.
