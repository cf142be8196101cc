//! What several tests need.

use std::path::Path;
use std::sync::OnceLock;

use crate::checkpoint::packed::PackedPair;

/// The pair that the program has built in, read from its assets.
pub(crate) fn pair() -> &'static PackedPair {
    static PAIR: OnceLock<PackedPair> = OnceLock::new();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../assets/builtin");
    PAIR.get_or_init(|| PackedPair::read(&folder).unwrap())
}
