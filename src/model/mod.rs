//! ELECTRA: from text and files to logits.
//!
//! One-letter names in comments: `B` windows in a batch, `T` tokens in a window, `H` hidden size,
//! `E` embedding size, `V` vocabulary size.
