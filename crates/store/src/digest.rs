//! The digest under which a secret of ours is stored that nobody has to read back: API keys, tokens of
//! sessions, and what an authorization comes back with. All are long and random, so a plain SHA-256 is
//! enough.

use sha2::{Digest, Sha256};

/// In hex.
pub(crate) fn digest(secret: &str) -> String {
    hex::encode(Sha256::digest(secret))
}
