//! The master keys. The first one encrypts, all of them decrypt, so a new key can be put in front
//! of an old one.
//!
//! Keys in a file may change while the process runs, because `encryption rotate` puts a new one in
//! front. So the file is read again before something is encrypted, and when a value names an
//! unknown key.

use std::{
    fmt,
    path::{Path, PathBuf},
    str::FromStr,
    sync::{Arc, PoisonError, RwLock},
};

use base64::{Engine, prelude::BASE64_STANDARD};
use chacha20poly1305::{KeyInit, XChaCha20Poly1305};
use secrecy::zeroize::Zeroizing;
use sha2::{Digest, Sha256};
use syncline_model::Ids;

/// A key's id is this many hex digits of its SHA-256.
const ID_DIGITS: usize = 8;

/// The keys, newest first. `Debug` shows only their ids. Clones share them.
#[derive(Clone)]
pub struct EncryptionKeys {
    keys: Arc<RwLock<Vec<Arc<MasterKey>>>>,
    file: Option<Arc<Path>>,
}

pub(super) struct MasterKey {
    /// Identifies the key that encrypted a value.
    pub(super) id: String,
    pub(super) cipher: XChaCha20Poly1305,
}

/// The setting is not a list of keys.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "an encryption key must be 32 bytes in base64 (several: comma-separated, newest first); \
     `openssl rand -base64 32` makes one"
)]
pub struct InvalidEncryptionKey;

/// Why the keys of a file can't be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    #[error("{path} can't be read")]
    Unreadable {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("{path} is damaged: {source}")]
    Invalid {
        path: PathBuf,
        source: InvalidEncryptionKey,
    },
}

impl FromStr for EncryptionKeys {
    type Err = InvalidEncryptionKey;

    fn from_str(keys: &str) -> Result<Self, Self::Err> {
        Ok(Self {
            keys: Arc::new(RwLock::new(parse(keys)?)),
            file: None,
        })
    }
}

impl fmt::Debug for EncryptionKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("EncryptionKeys")
            .field(&self.known_ids())
            .finish()
    }
}

impl EncryptionKeys {
    /// A new key in the form the setting takes.
    pub fn generate(ids: &Ids) -> String {
        BASE64_STANDARD.encode(ids.bytes::<32>())
    }

    /// The keys of a file, which may change while this process runs.
    pub fn in_file(path: &Path) -> Result<Self, KeyFileError> {
        Ok(Self {
            keys: Arc::new(RwLock::new(read(path)?)),
            file: Some(path.into()),
        })
    }

    /// The ids of the keys, newest first. Not secret.
    pub fn ids(&self) -> Vec<String> {
        self.read_again();
        self.known_ids()
    }

    fn known_ids(&self) -> Vec<String> {
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        keys.iter().map(|key| key.id.clone()).collect()
    }

    /// The key that encrypts.
    pub(super) fn newest(&self) -> Arc<MasterKey> {
        self.read_again();
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&keys[0])
    }

    pub(super) fn find(&self, id: &str) -> Option<Arc<MasterKey>> {
        self.known(id).or_else(|| {
            self.read_again();
            self.known(id)
        })
    }

    pub(crate) fn has(&self, id: &str) -> bool {
        self.find(id).is_some()
    }

    fn known(&self, id: &str) -> Option<Arc<MasterKey>> {
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        keys.iter().find(|key| key.id == id).cloned()
    }

    /// Loads the file's current keys. A key that was removed from the file stays known to this
    /// process, because it may just have encrypted a value.
    fn read_again(&self) {
        let Some(path) = &self.file else {
            return;
        };
        match read(path) {
            Ok(mut newer) => {
                let mut keys = self.keys.write().unwrap_or_else(PoisonError::into_inner);
                for key in keys.drain(..) {
                    if newer.iter().all(|known| known.id != key.id) {
                        newer.push(key);
                    }
                }
                *keys = newer;
            }
            Err(error) => tracing::warn!("the loaded encryption keys stay in use: {error}"),
        }
    }
}

impl MasterKey {
    fn new(key: &[u8; 32]) -> Self {
        let mut id = hex::encode(Sha256::digest(key));
        id.truncate(ID_DIGITS);
        Self {
            id,
            cipher: XChaCha20Poly1305::new(key.into()),
        }
    }
}

fn read(path: &Path) -> Result<Vec<Arc<MasterKey>>, KeyFileError> {
    let text = std::fs::read_to_string(path).map_err(|source| KeyFileError::Unreadable {
        path: path.to_owned(),
        source,
    })?;
    parse(Zeroizing::new(text).trim()).map_err(|source| KeyFileError::Invalid {
        path: path.to_owned(),
        source,
    })
}

/// Keys separated by commas or line breaks.
fn parse(keys: &str) -> Result<Vec<Arc<MasterKey>>, InvalidEncryptionKey> {
    keys.split([',', '\n'])
        .map(|key| {
            let bytes = BASE64_STANDARD
                .decode(key.trim())
                .map_err(|_| InvalidEncryptionKey)?;
            let bytes = Zeroizing::new(bytes);
            let key: &[u8; 32] = bytes
                .as_slice()
                .try_into()
                .map_err(|_| InvalidEncryptionKey)?;
            Ok(Arc::new(MasterKey::new(key)))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_is_not_32_bytes_of_base64_is_refused() {
        assert!("c2hvcnQ=".parse::<EncryptionKeys>().is_err());
        assert!("not base64!".parse::<EncryptionKeys>().is_err());
        assert!("".parse::<EncryptionKeys>().is_err());
    }

    #[test]
    fn debug_shows_what_keys_are_called_and_nothing_of_them() {
        let key = EncryptionKeys::generate(&Ids::seeded(1));
        let keys: EncryptionKeys = key.parse().unwrap();
        let shown = format!("{keys:?}");
        assert!(shown.contains(&keys.ids()[0]), "{shown}");
        assert!(!shown.contains(&key[..8]), "{shown}");
    }
}
