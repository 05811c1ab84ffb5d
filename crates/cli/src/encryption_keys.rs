//! The encryption keys of a process: where they come from, and whether they open what is stored. How
//! secrets are encrypted is in `store/sealing`, how keys are rotated in `store/encryption.rs`.

use anyhow::{Context, anyhow, bail};
use secrecy::ExposeSecret;
use syncline_model::Ids;
use syncline_store::{EncryptionKeys, Store, StoreError};

use crate::{config::Config, key_file::KeyFile};

/// The configured keys, or otherwise those in the embedded database's key file.
pub(crate) fn encryption_keys(
    config: &Config,
    file: Option<&KeyFile>,
    ids: &Ids,
) -> anyhow::Result<EncryptionKeys> {
    match (&config.encryption_key, file) {
        (Some(keys), _) => keys
            .expose_secret()
            .parse()
            .context("SYNCLINE_ENCRYPTION_KEY is wrong"),
        (None, Some(file)) => file.open_or_make(ids),
        (None, None) => bail!(
            "SYNCLINE_ENCRYPTION_KEY is required with PostgreSQL: it seals your customers' \
             credentials. `openssl rand -base64 32` makes one; keep it safe"
        ),
    }
}

pub(crate) async fn check_encryption_keys(
    store: &Store,
    file: Option<&KeyFile>,
) -> anyhow::Result<()> {
    let checked = store.check_encryption_keys().await;
    checked.map_err(|error| explain_key_error(error, file))
}

/// Whether none of the keys opens a stored secret; otherwise the database failed.
pub(crate) fn are_wrong_keys(error: &StoreError) -> bool {
    matches!(
        error,
        StoreError::UnknownEncryptionKey { .. } | StoreError::Inconsistent { .. }
    )
}

pub(crate) fn explain_key_error(error: StoreError, file: Option<&KeyFile>) -> anyhow::Error {
    if !are_wrong_keys(&error) {
        return error.into();
    }
    let keys = match file {
        Some(file) => file.path().display().to_string(),
        None => "SYNCLINE_ENCRYPTION_KEY".to_owned(),
    };
    anyhow!(
        "the stored secrets can't be opened with {keys}: {error}. Start with the key that sealed \
         them, behind the newest one if there are several"
    )
}
