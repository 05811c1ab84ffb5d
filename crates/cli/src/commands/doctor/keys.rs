//! The encryption keys, and the keys of the API.

use chrono::TimeDelta;
use syncline_model::{Clock, Ids, Role, SystemClock};
use syncline_store::{EncryptionKeys, PageRequest, Store, StoreError};

use super::report::Report;
use crate::{
    commands::one_line, config::Config, encryption_keys::encryption_keys, key_file::KeyFile,
};

const ENCRYPTION: &str = "encryption keys";
const API: &str = "API keys";

/// How long before its expiry a key is reported.
const SOON: TimeDelta = TimeDelta::days(14);
/// The most keys of an application that are checked.
const MOST: i64 = 10_000;

/// The encryption keys that `serve` would use; none are created.
pub(super) fn configured(report: &mut Report, config: &Config) -> Option<EncryptionKeys> {
    let embedded = !config.database_url().starts_with("postgres");
    let keys = if config.encryption_key.is_none() && embedded {
        KeyFile::in_dir(&config.data_dir).open()
    } else {
        encryption_keys(config, None, &Ids::random())
    };
    match keys {
        Ok(keys) => Some(keys),
        Err(error) => {
            let what = format!(
                "{}; the stored credentials can't be decrypted without the key that encrypted them",
                one_line(&error)
            );
            report.bad(ENCRYPTION, what);
            None
        }
    }
}

/// Whether the keys open all secrets, and how many secrets are sealed with older keys.
pub(super) async fn sealed(report: &mut Report, store: &Store) {
    if let Err(error) = look_at_sealed(report, store).await {
        report.bad(ENCRYPTION, one_line(&error.into()));
    }
}

async fn look_at_sealed(report: &mut Report, store: &Store) -> Result<(), StoreError> {
    let ids = store.encryption_key_ids();
    let newest = ids.first().map(String::as_str).unwrap_or_default();
    let (mut all, mut older) = (0, 0);
    for sealed in store.sealed_by().await? {
        all += sealed.values;
        if sealed.key_id.as_deref() != Some(newest) {
            older += sealed.values;
        }
    }
    let unopened = store.unopened_secrets().await?;
    match &unopened[..] {
        [] => {
            let open = match all {
                1 => "1 secret can be decrypted".to_owned(),
                n => format!("all {n} secrets can be decrypted"),
            };
            report.ok(ENCRYPTION, format!("{open}; the newest key is {newest}"));
        }
        [first, rest @ ..] => {
            let more = match rest.len() {
                0 => String::new(),
                n => format!(", and {n} more"),
            };
            report.bad(
                ENCRYPTION,
                format!("{first}{more}: add its key after the newest one, or set the secret again"),
            );
        }
    }
    // A missing key has to be fixed first: a rotation would skip what it sealed.
    if older > 0 && unopened.is_empty() {
        report.note(
            ENCRYPTION,
            format!("{older} of {all} secrets use an older key: run syncline encryption rotate"),
        );
    }
    Ok(())
}

/// Whether there are valid keys, and which of them expire soon.
pub(super) async fn of_the_api(report: &mut Report, store: &Store) {
    if let Err(error) = look_at_api(report, store).await {
        report.bad(API, one_line(&error.into()));
    }
}

async fn look_at_api(report: &mut Report, store: &Store) -> Result<(), StoreError> {
    let now = SystemClock::default().now();
    let (mut all, mut valid, mut admins) = (0, 0, 0);
    let mut ending = Vec::new();
    for application in store.list_applications().await? {
        let page = PageRequest {
            limit: MOST,
            ..PageRequest::default()
        };
        for key in store.tenant(&application.id).list_api_keys(&page).await? {
            all += 1;
            let ended = key.expires_at.is_some_and(|end| end <= now);
            if key.revoked_at.is_some() || ended {
                continue;
            }
            valid += 1;
            if key.role == Role::Admin {
                admins += 1;
            }
            if let Some(end) = key.expires_at.filter(|end| *end < now + SOON) {
                ending.push(format!("'{}' on {}", key.name, end.format("%F")));
            }
        }
    }
    match (all, valid, admins) {
        (0, ..) => report.note(API, "there is none yet: the first `serve` creates one"),
        (_, 0, _) => report.bad(API, "all are revoked or expired: run syncline keys create"),
        (_, _, 0) => report.note(
            API,
            "no valid key has the role admin: run syncline keys create",
        ),
        _ => report.ok(
            API,
            format!("{valid} valid, {admins} of them with the role admin"),
        ),
    }
    if !ending.is_empty() {
        report.note(API, format!("some expire soon: {}", ending.join(", ")));
    }
    Ok(())
}
