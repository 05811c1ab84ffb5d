//! Encrypts one secret with XChaCha20-Poly1305 and its own data key (envelope encryption).
//!
//! `v2.<id of the master key>.<data key, encrypted by the master key>.<secret, encrypted by the
//! data key>`
//!
//! Changing the master key only re-encrypts the data key; the part with the secret stays the same.
//! Both parts are bound to their row and column as associated data, so a value that is copied
//! elsewhere can't be decrypted. In the first format, `v1.<id>.<secret>`, the master key encrypted
//! the secret itself; such values can be read and are converted when they are written again.

use std::sync::Arc;

use base64::{Engine, prelude::BASE64_STANDARD};
use chacha20poly1305::{
    KeyInit, XChaCha20Poly1305, XNonce,
    aead::{Aead, Payload},
};
use secrecy::{ExposeSecret, SecretString, zeroize::Zeroizing};
use syncline_model::Ids;

use super::{
    SealedColumn,
    keys::{EncryptionKeys, MasterKey},
};

const FIRST: &str = "v1";
const ENVELOPE: &str = "v2";
const NONCE_BYTES: usize = 24;
const KEY_BYTES: usize = 32;

/// Why a sealed value can't be decrypted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum OpenError {
    #[error("it was sealed with the encryption key {0}, which is not configured")]
    UnknownKey(String),
    #[error("it is damaged, or was sealed for another row")]
    Damaged,
}

/// A stored value, split into its parts.
enum Parts<'a> {
    First {
        key_id: &'a str,
        secret: &'a str,
    },
    Envelope {
        key_id: &'a str,
        data_key: &'a str,
        secret: &'a str,
    },
}

impl<'a> Parts<'a> {
    fn of(sealed: &'a str) -> Result<Self, OpenError> {
        let parts: Vec<_> = sealed.split('.').collect();
        match parts[..] {
            [FIRST, key_id, secret] => Ok(Self::First { key_id, secret }),
            [ENVELOPE, key_id, data_key, secret] => Ok(Self::Envelope {
                key_id,
                data_key,
                secret,
            }),
            _ => Err(OpenError::Damaged),
        }
    }

    fn key_id(&self) -> &'a str {
        match self {
            Self::First { key_id, .. } | Self::Envelope { key_id, .. } => key_id,
        }
    }

    fn secret(&self) -> &'a str {
        match self {
            Self::First { secret, .. } | Self::Envelope { secret, .. } => secret,
        }
    }
}

/// The id of a stored value's master key; the beginning of the value is enough.
pub(crate) fn key_id(sealed: &str) -> Option<&str> {
    let (version, rest) = sealed.split_once('.')?;
    let (key_id, _) = rest.split_once('.')?;
    [FIRST, ENVELOPE].contains(&version).then_some(key_id)
}

/// Whether two stored values contain the same encrypted secret, possibly under different master
/// keys.
pub(crate) fn same_value(one: &str, other: &str) -> bool {
    match (Parts::of(one), Parts::of(other)) {
        (Ok(one), Ok(other)) => one.secret() == other.secret(),
        _ => one == other,
    }
}

pub(super) fn seal(
    keys: &EncryptionKeys,
    column: &SealedColumn,
    row: &str,
    secret: &SecretString,
    ids: &Ids,
) -> String {
    let context = column.context(row);
    let data_key = Zeroizing::new(ids.bytes::<KEY_BYTES>());
    let cipher = XChaCha20Poly1305::new((&*data_key).into());
    let secret = encrypt(&cipher, secret.expose_secret().as_bytes(), &context, ids);
    envelope(&keys.newest(), &data_key, &context, &secret, ids)
}

pub(super) fn open(
    keys: &EncryptionKeys,
    column: &SealedColumn,
    row: &str,
    sealed: &str,
) -> Result<SecretString, OpenError> {
    let parts = Parts::of(sealed)?;
    let master = master_of(keys, &parts)?;
    let secret = match parts {
        Parts::First { secret, .. } => decrypt(&master.cipher, secret, &column.first_context(row))?,
        Parts::Envelope {
            data_key, secret, ..
        } => {
            let context = column.context(row);
            let data_key = open_data_key(&master, data_key, &context)?;
            decrypt(
                &XChaCha20Poly1305::new((&*data_key).into()),
                secret,
                &context,
            )?
        }
    };
    let secret = std::str::from_utf8(&secret).map_err(|_| OpenError::Damaged)?;
    Ok(SecretString::from(secret))
}

/// The value re-encrypted under the newest master key; `None` if it already is.
pub(super) fn reseal(
    keys: &EncryptionKeys,
    column: &SealedColumn,
    row: &str,
    sealed: &str,
    ids: &Ids,
) -> Result<Option<String>, OpenError> {
    let parts = Parts::of(sealed)?;
    let newest = keys.newest();
    match parts {
        Parts::First { .. } => {
            let secret = open(keys, column, row, sealed)?;
            Ok(Some(seal(keys, column, row, &secret, ids)))
        }
        Parts::Envelope { key_id, .. } if key_id == newest.id => Ok(None),
        Parts::Envelope {
            data_key, secret, ..
        } => {
            let context = column.context(row);
            let data_key = open_data_key(&*master_of(keys, &parts)?, data_key, &context)?;
            Ok(Some(envelope(&newest, &data_key, &context, secret, ids)))
        }
    }
}

/// The prefix of values under the newest master key.
pub(super) fn newest_head(keys: &EncryptionKeys) -> String {
    format!("{ENVELOPE}.{}.", keys.newest().id)
}

fn master_of(keys: &EncryptionKeys, parts: &Parts<'_>) -> Result<Arc<MasterKey>, OpenError> {
    keys.find(parts.key_id())
        .ok_or_else(|| OpenError::UnknownKey(parts.key_id().to_owned()))
}

fn envelope(
    master: &MasterKey,
    data_key: &[u8; KEY_BYTES],
    context: &str,
    secret: &str,
    ids: &Ids,
) -> String {
    let data_key = encrypt(&master.cipher, data_key, &of_data_key(context), ids);
    format!("{ENVELOPE}.{}.{data_key}.{secret}", master.id)
}

fn open_data_key(
    master: &MasterKey,
    sealed: &str,
    context: &str,
) -> Result<Zeroizing<[u8; KEY_BYTES]>, OpenError> {
    let key = decrypt(&master.cipher, sealed, &of_data_key(context))?;
    let key: &[u8; KEY_BYTES] = key.as_slice().try_into().map_err(|_| OpenError::Damaged)?;
    Ok(Zeroizing::new(*key))
}

/// The associated data of a data key; it differs from that of any secret.
fn of_data_key(context: &str) -> String {
    format!("the data key of {context}")
}

/// The nonce and the ciphertext, in base64.
fn encrypt(cipher: &XChaCha20Poly1305, plain: &[u8], context: &str, ids: &Ids) -> String {
    let nonce = ids.bytes::<NONCE_BYTES>();
    let payload = Payload {
        msg: plain,
        aad: context.as_bytes(),
    };
    let sealed = cipher
        .encrypt(&XNonce::from(nonce), payload)
        .expect("a secret is far shorter than the cipher's limit");
    BASE64_STANDARD.encode([&nonce[..], &sealed].concat())
}

fn decrypt(
    cipher: &XChaCha20Poly1305,
    sealed: &str,
    context: &str,
) -> Result<Zeroizing<Vec<u8>>, OpenError> {
    let bytes = BASE64_STANDARD
        .decode(sealed)
        .map_err(|_| OpenError::Damaged)?;
    let (nonce, ciphertext) = bytes
        .split_first_chunk::<NONCE_BYTES>()
        .ok_or(OpenError::Damaged)?;
    let payload = Payload {
        msg: ciphertext,
        aad: context.as_bytes(),
    };
    cipher
        .decrypt(&XNonce::from(*nonce), payload)
        .map(Zeroizing::new)
        .map_err(|_| OpenError::Damaged)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEYS: SealedColumn = SealedColumn {
        table: "doors",
        column: "key",
        key: "id",
    };
    const SPARE: SealedColumn = SealedColumn {
        column: "spare_key",
        ..KEYS
    };

    fn keys(seeds: &[u64]) -> EncryptionKeys {
        let keys: Vec<_> = seeds
            .iter()
            .map(|seed| EncryptionKeys::generate(&Ids::seeded(*seed)))
            .collect();
        keys.join(",").parse().unwrap()
    }

    /// In the first format.
    fn first_format(keys: &EncryptionKeys, row: &str, secret: &str, ids: &Ids) -> String {
        let master = keys.newest();
        let context = format!("doors.key/{row}");
        let secret = encrypt(&master.cipher, secret.as_bytes(), &context, ids);
        format!("v1.{}.{secret}", master.id)
    }

    fn opened(keys: &EncryptionKeys, row: &str, sealed: &str) -> Result<String, OpenError> {
        open(keys, &KEYS, row, sealed).map(|secret| secret.expose_secret().to_owned())
    }

    #[test]
    fn a_sealed_secret_opens_in_its_own_row_and_column_only() {
        let (keys, ids) = (keys(&[1]), Ids::seeded(9));
        let sealed = seal(&keys, &KEYS, "front", &"apollo-key".into(), &ids);
        assert!(!sealed.contains("apollo-key"));
        assert_eq!(opened(&keys, "front", &sealed).unwrap(), "apollo-key");
        assert_eq!(opened(&keys, "back", &sealed), Err(OpenError::Damaged));
        let elsewhere = open(&keys, &SPARE, "front", &sealed);
        assert_eq!(elsewhere.unwrap_err(), OpenError::Damaged);
    }

    #[test]
    fn no_part_of_one_value_opens_in_another() {
        let (keys, ids) = (keys(&[1]), Ids::seeded(9));
        let one = seal(&keys, &KEYS, "front", &"one".into(), &ids);
        let other = seal(&keys, &KEYS, "front", &"other".into(), &ids);
        let (head, _) = one.rsplit_once('.').unwrap();
        let (_, secret) = other.rsplit_once('.').unwrap();
        let mixed = format!("{head}.{secret}");
        assert_eq!(opened(&keys, "front", &mixed), Err(OpenError::Damaged));
        // A sealed data key can't pass as a secret of the first format.
        let data_key = one.split('.').nth(2).unwrap();
        let posed = format!("v1.{}.{data_key}", keys.newest().id);
        assert_eq!(opened(&keys, "front", &posed), Err(OpenError::Damaged));
    }

    #[test]
    fn a_byte_that_changed_anywhere_is_noticed() {
        let (keys, ids) = (keys(&[1]), Ids::seeded(9));
        let sealed = seal(&keys, &KEYS, "front", &"apollo-key".into(), &ids);
        for at in 0..sealed.len() {
            let mut bytes = sealed.clone().into_bytes();
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(bytes).unwrap();
            assert!(opened(&keys, "front", &changed).is_err(), "{changed}");
        }
    }

    #[test]
    fn an_old_key_behind_a_new_one_still_opens_and_a_missing_one_is_named() {
        let ids = Ids::seeded(9);
        let sealed = seal(&keys(&[1]), &KEYS, "front", &"s".into(), &ids);
        assert!(opened(&keys(&[2, 1]), "front", &sealed).is_ok());
        let missing = OpenError::UnknownKey(key_id(&sealed).unwrap().to_owned());
        assert_eq!(opened(&keys(&[2]), "front", &sealed), Err(missing));
    }

    #[test]
    fn values_of_the_first_format_open() {
        let (keys, ids) = (keys(&[1]), Ids::seeded(9));
        let sealed = first_format(&keys, "front", "apollo-key", &ids);
        assert_eq!(opened(&keys, "front", &sealed).unwrap(), "apollo-key");
        assert_eq!(opened(&keys, "back", &sealed), Err(OpenError::Damaged));
    }

    #[test]
    fn another_master_key_changes_the_data_keys_part_alone() {
        let ids = Ids::seeded(9);
        let (old, both, new) = (keys(&[1]), keys(&[2, 1]), keys(&[2]));
        let sealed = seal(&old, &KEYS, "front", &"apollo-key".into(), &ids);
        let again = reseal(&both, &KEYS, "front", &sealed, &ids);
        let again = again.unwrap().unwrap();
        assert!(same_value(&sealed, &again));
        assert_ne!(sealed, again);
        assert_eq!(opened(&new, "front", &again).unwrap(), "apollo-key");
        assert_eq!(reseal(&new, &KEYS, "front", &again, &ids), Ok(None));
        let damaged = reseal(&both, &KEYS, "back", &sealed, &ids);
        assert_eq!(damaged, Err(OpenError::Damaged));
    }

    #[test]
    fn the_first_format_becomes_the_second_also_under_the_same_key() {
        let (keys, ids) = (keys(&[1]), Ids::seeded(9));
        let sealed = first_format(&keys, "front", "apollo-key", &ids);
        let again = reseal(&keys, &KEYS, "front", &sealed, &ids);
        let again = again.unwrap().unwrap();
        assert!(again.starts_with("v2."));
        assert_eq!(opened(&keys, "front", &again).unwrap(), "apollo-key");
    }
}
