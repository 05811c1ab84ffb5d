//! Secrets at rest: which columns hold them, and the one way in and out.
//!
//! `envelope` is how a value is sealed, `keys` is with what. A new kind of secret is a
//! [`SealedColumn`] in [`SEALED_COLUMNS`]: the check at the start, `encryption rotate` and `doctor`
//! walk that list, so none can be forgotten.

mod envelope;
mod keys;

use std::fmt;

use secrecy::SecretString;

pub(crate) use envelope::{key_id, same_value};
pub use keys::{EncryptionKeys, InvalidEncryptionKey, KeyFileError};

use self::envelope::OpenError;
use crate::{Store, StoreError, connections, encryption, webhook_secrets::WEBHOOK_SECRET};

/// A column whose values are sealed; null where there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SealedColumn {
    pub(crate) table: &'static str,
    pub(crate) column: &'static str,
    /// The column that names a row of the table.
    pub(crate) key: &'static str,
}

/// Every column that holds secrets.
pub(crate) const SEALED_COLUMNS: &[SealedColumn] =
    &[connections::CREDENTIALS, WEBHOOK_SECRET, encryption::CHECK];

impl SealedColumn {
    /// What a value of the row is bound to: it opens nowhere else.
    fn place(&self, row: &str) -> String {
        format!("{self} of {row}")
    }

    /// The place as the first format wrote it.
    fn first_place(&self, row: &str) -> String {
        format!("{self}/{row}")
    }
}

impl fmt::Display for SealedColumn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.table, self.column)
    }
}

impl Store {
    /// The secret as it may be stored, in this column of this row and nowhere else.
    pub(crate) fn seal(&self, column: &SealedColumn, row: &str, secret: &SecretString) -> String {
        envelope::seal(&self.keys, column, row, secret, &self.ids)
    }

    /// The secret behind what is stored there.
    pub(crate) fn unseal(
        &self,
        column: &SealedColumn,
        row: &str,
        sealed: &str,
    ) -> Result<SecretString, StoreError> {
        envelope::open(&self.keys, column, row, sealed)
            .map_err(|error| unreadable(column, row, &error))
    }

    /// What is stored there, under the newest master key; `None` where it is that already.
    pub(crate) fn rewrap(
        &self,
        column: &SealedColumn,
        row: &str,
        sealed: &str,
    ) -> Result<Option<String>, StoreError> {
        envelope::rewrap(&self.keys, column, row, sealed, &self.ids)
            .map_err(|error| unreadable(column, row, &error))
    }

    /// How a value under the newest master key begins.
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
