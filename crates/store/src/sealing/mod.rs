//! Secrets at rest: which columns have them, and how they are encrypted and decrypted.
//!
//! `envelope` is the format of a value, `keys` has the master keys. A new kind of secret is a
//! [`SealedColumn`] in [`SEALED_COLUMNS`]: the check at the start, `encryption rotate` and `doctor`
//! go through that list, so none is forgotten.

mod envelope;
mod keys;

use std::fmt;

use secrecy::SecretString;

pub(crate) use envelope::{key_id, same_value};
pub use keys::{EncryptionKeys, InvalidEncryptionKey, KeyFileError};

use self::envelope::OpenError;
use crate::{
    Store, StoreError, approvals, authorizations, connection_keys, credentials, destinations,
    encryption, providers, webhook_secrets::WEBHOOK_SECRET,
};

/// A column whose values are encrypted, or null.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SealedColumn {
    pub(crate) table: &'static str,
    pub(crate) column: &'static str,
    /// The column that identifies a row of the table.
    pub(crate) key: &'static str,
}

/// Every column with secrets.
pub(crate) const SEALED_COLUMNS: &[SealedColumn] = &[
    approvals::INPUT,
    approvals::RESULT,
    authorizations::VERIFIER,
    connection_keys::KEY,
    credentials::CREDENTIALS,
    destinations::SECRETS,
    providers::OAUTH_CLIENT_SECRET,
    WEBHOOK_SECRET,
    encryption::CHECK,
];

impl SealedColumn {
    /// The associated data of a row's value; it can't be decrypted in another context.
    fn context(&self, row: &str) -> String {
        format!("{self} of {row}")
    }

    /// The associated data in the first format.
    fn first_context(&self, row: &str) -> String {
        format!("{self}/{row}")
    }
}

impl fmt::Display for SealedColumn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.table, self.column)
    }
}

impl Store {
    /// Encrypts a secret for this column and row.
    pub(crate) fn seal(&self, column: &SealedColumn, row: &str, secret: &SecretString) -> String {
        envelope::seal(&self.keys, column, row, secret, &self.ids)
    }

    /// Decrypts the stored secret of this column and row.
    pub(crate) fn unseal(
        &self,
        column: &SealedColumn,
        row: &str,
        sealed: &str,
    ) -> Result<SecretString, StoreError> {
        envelope::open(&self.keys, column, row, sealed)
            .map_err(|error| unreadable(column, row, &error))
    }

    /// The stored value re-encrypted under the newest master key; `None` if it already is.
    pub(crate) fn reseal(
        &self,
        column: &SealedColumn,
        row: &str,
        sealed: &str,
    ) -> Result<Option<String>, StoreError> {
        envelope::reseal(&self.keys, column, row, sealed, &self.ids)
            .map_err(|error| unreadable(column, row, &error))
    }

    /// The prefix of values under the newest master key.
    pub(crate) fn newest_head(&self) -> String {
        envelope::newest_head(&self.keys)
    }
}

fn unreadable(column: &SealedColumn, row: &str, error: &OpenError) -> StoreError {
    StoreError::Inconsistent {
        table: column.table,
        column: column.column,
        row: row.to_owned(),
        reason: error.to_string(),
    }
}
