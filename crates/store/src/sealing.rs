//! Provider credentials at rest: sealed with XChaCha20-Poly1305, bound to the row they belong to.
//!
//! The first key seals, every key opens, so a new key can be put in front of an old one. The row's
//! name is authenticated along (AAD), so a sealed value that is copied to another row doesn't open.

use std::str::FromStr;

use base64::{Engine, prelude::BASE64_STANDARD};
use chacha20poly1305::{
    KeyInit, XChaCha20Poly1305, XNonce,
    aead::{Aead, Payload},
};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use syncline_model::Ids;

/// Names the format, so that another can follow it.
const VERSION: &str = "v1";
const NONCE_BYTES: usize = 24;

/// The keys, newest first. `Debug` shows none of them.
#[derive(Clone)]
pub struct EncryptionKeys(Vec<Key>);

#[derive(Clone)]
struct Key {
    /// The first 8 hex digits of the key's SHA-256: tells which key sealed a value.
    id: String,
    cipher: XChaCha20Poly1305,
}

/// The setting is not a list of keys.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "an encryption key must be 32 bytes in base64 (several: comma-separated, newest first); \
     `openssl rand -base64 32` makes one"
)]
pub struct InvalidEncryptionKey;

/// Why a sealed value doesn't open.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum OpenError {
    #[error("it was sealed with the encryption key {0}, which is not configured")]
    UnknownKey(String),
    #[error("it is damaged, or was sealed for another row")]
    Damaged,
}

impl FromStr for EncryptionKeys {
    type Err = InvalidEncryptionKey;

    fn from_str(keys: &str) -> Result<Self, Self::Err> {
        let keys = keys
            .split(',')
            .map(|key| {
                let bytes = BASE64_STANDARD
                    .decode(key.trim())
                    .map_err(|_| InvalidEncryptionKey)?;
                let key: [u8; 32] = bytes.try_into().map_err(|_| InvalidEncryptionKey)?;
                Ok(Key::new(&key))
            })
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Self(keys))
    }
}

impl std::fmt::Debug for EncryptionKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let ids: Vec<_> = self.0.iter().map(|key| &key.id).collect();
        f.debug_tuple("EncryptionKeys").field(&ids).finish()
    }
}

impl EncryptionKeys {
    /// A new key in the form the setting takes.
    pub fn generate(ids: &Ids) -> String {
        BASE64_STANDARD.encode(ids.bytes::<32>())
    }

    pub(crate) fn seal(&self, secret: &SecretString, row: &str, ids: &Ids) -> String {
        let key = &self.0[0];
        let nonce = ids.bytes::<NONCE_BYTES>();
        let sealed = key
            .cipher
            .encrypt(
                &XNonce::from(nonce),
                Payload {
                    msg: secret.expose_secret().as_bytes(),
                    aad: row.as_bytes(),
                },
            )
            .expect("a credential is far shorter than the cipher's limit");
        let mut bytes = nonce.to_vec();
        bytes.extend(sealed);
        format!("{VERSION}.{}.{}", key.id, BASE64_STANDARD.encode(bytes))
    }

    pub(crate) fn open(&self, sealed: &str, row: &str) -> Result<SecretString, OpenError> {
        let mut parts = sealed.splitn(3, '.');
        let (Some(VERSION), Some(key_id), Some(bytes)) = (parts.next(), parts.next(), parts.next())
        else {
            return Err(OpenError::Damaged);
        };
        let key = self
            .0
            .iter()
            .find(|key| key.id == key_id)
            .ok_or_else(|| OpenError::UnknownKey(key_id.to_owned()))?;
        let bytes = BASE64_STANDARD
            .decode(bytes)
            .map_err(|_| OpenError::Damaged)?;
        let (nonce, ciphertext) = bytes
            .split_first_chunk::<NONCE_BYTES>()
            .ok_or(OpenError::Damaged)?;
        let opened = key
            .cipher
            .decrypt(
                &XNonce::from(*nonce),
                Payload {
                    msg: ciphertext,
                    aad: row.as_bytes(),
                },
            )
            .map_err(|_| OpenError::Damaged)?;
        String::from_utf8(opened)
            .map(SecretString::from)
            .map_err(|_| OpenError::Damaged)
    }
}

impl Key {
    fn new(key: &[u8; 32]) -> Self {
        let id = hex::encode(Sha256::digest(key))[..8].to_owned();
        Self {
            id,
            cipher: XChaCha20Poly1305::new(&(*key).into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(seeds: &[u64]) -> EncryptionKeys {
        let keys: Vec<_> = seeds
            .iter()
            .map(|seed| EncryptionKeys::generate(&Ids::seeded(*seed)))
            .collect();
        keys.join(",").parse().unwrap()
    }

    #[test]
    fn a_sealed_secret_opens_for_its_own_row_only() {
        let (keys, ids) = (keys(&[1]), Ids::seeded(9));
        let sealed = keys.seal(&"apollo-key".into(), "row-a", &ids);
        assert!(!sealed.contains("apollo-key"));
        assert_eq!(
            keys.open(&sealed, "row-a").unwrap().expose_secret(),
            "apollo-key"
        );
        assert_eq!(keys.open(&sealed, "row-b").unwrap_err(), OpenError::Damaged);
    }

    #[test]
    fn an_old_key_behind_a_new_one_still_opens_and_a_missing_one_is_named() {
        let ids = Ids::seeded(9);
        let sealed = keys(&[1]).seal(&"s".into(), "row", &ids);
        assert!(keys(&[2, 1]).open(&sealed, "row").is_ok());
        assert!(matches!(
            keys(&[2]).open(&sealed, "row"),
            Err(OpenError::UnknownKey(_))
        ));
    }

    #[test]
    fn a_key_that_is_not_32_bytes_of_base64_is_refused() {
        assert!("c2hvcnQ=".parse::<EncryptionKeys>().is_err());
        assert!("not base64!".parse::<EncryptionKeys>().is_err());
        assert!("".parse::<EncryptionKeys>().is_err());
    }
}
