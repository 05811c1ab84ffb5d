//! A caller's enrichment with one of the connection's keys: with the one that may spend most.

use std::{
    cmp::Reverse,
    sync::atomic::{AtomicUsize, Ordering},
};

use chrono::TimeDelta;
use syncline_model::KeyStatus;
use syncline_providers::{ErrorKind, KeyCheck, ProviderError, capabilities::Enrichment};
use syncline_store::{Connection, ConnectionKey};

use crate::{
    AppState,
    error::{ApiError, ApiResult},
    remote::Remote,
};

/// How long a key without credits is not asked with.
const OUT_OF_CREDITS_FOR: TimeDelta = TimeDelta::hours(1);
/// How often the use of a key is noted.
const NOTED_EVERY: TimeDelta = TimeDelta::minutes(1);

/// What a caller asks about.
#[derive(Clone, Copy)]
pub(crate) enum Asked<'a> {
    /// The company of a person with this e-mail address.
    Person(&'a str),
    /// The company with this domain.
    Organization(&'a str),
}

impl Asked<'_> {
    /// The most that the provider takes for it: for the person, and for their company.
    fn most_credits(self) -> i64 {
        match self {
            Self::Person(_) => 2,
            Self::Organization(_) => 1,
        }
    }

    async fn ask(self, remote: &Remote) -> ApiResult<Result<Enrichment, ProviderError>> {
        let enrichments = remote.capabilities().enrichments()?;
        let session = remote.session();
        Ok(match self {
            Self::Person(email) => enrichments.enrich_person(&session, email).await,
            Self::Organization(domain) => enrichments.enrich_organization(&session, domain).await,
        })
    }
}

/// Asks with one key after the other, until the provider does not refuse the key itself.
pub(crate) async fn with_keys(
    state: &AppState,
    connection: &Connection,
    asked: Asked<'_>,
) -> ApiResult<Enrichment> {
    let keys = state.store.keys_of(&connection.id).await?;
    let mut refusal = None;
    for key in by_what_is_left(state, connection, &keys).await? {
        let reserved =
            state
                .store
                .reserve_key_credits(&connection.application_id, key, asked.most_credits());
        let reservation = match reserved.await? {
            Ok(reservation) => reservation,
            Err(left) => {
                refusal.get_or_insert_with(|| over_ceiling(state, key, left.until));
                continue;
            }
        };
        let remote = Remote::with_key(state, connection, key).await?;
        match asked.ask(&remote).await? {
            Ok(enrichment) => {
                let credits = i64::from(enrichment.credits);
                state
                    .store
                    .settle_key_credits(&reservation, credits)
                    .await?;
                note_use(state, key).await?;
                return Ok(enrichment);
            }
            Err(error) => {
                if !may_have_cost(&error) {
                    state.store.settle_key_credits(&reservation, 0).await?;
                }
                if !is_about_key(state, key, &remote, &error).await? {
                    return Err(error.into());
                }
                refusal = Some(error.into());
            }
        }
    }
    Err(refusal.unwrap_or_else(|| {
        ApiError::Conflict("no key of this connection can be used: see its keys".to_owned())
    }))
}

/// The keys that may be used: that with most credits left today first, and those with the same in turns.
/// If none may be used it is one that may not, so that the provider says why.
async fn by_what_is_left<'k>(
    state: &AppState,
    connection: &Connection,
    keys: &'k [ConnectionKey],
) -> ApiResult<Vec<&'k ConnectionKey>> {
    static TURN: AtomicUsize = AtomicUsize::new(0);
    let now = state.clock.now();
    let mut ordered: Vec<&ConnectionKey> = keys.iter().filter(|key| key.is_usable(now)).collect();
    if ordered.is_empty() {
        return Ok(keys.iter().take(1).collect());
    }
    let first = TURN.fetch_add(1, Ordering::Relaxed) % ordered.len();
    ordered.rotate_left(first);
    if ordered.iter().any(|key| key.max_credits_per_day.is_some()) {
        let left_of_used = state.store.credits_left_by_key(&connection.id).await?;
        let left = |key: &ConnectionKey| match left_of_used.get(&key.id) {
            Some(left) => *left,
            None => key.max_credits_per_day.unwrap_or(i64::MAX),
        };
        ordered.sort_by_cached_key(|key| Reverse(left(key)));
    }
    Ok(ordered)
}

/// Whether the answer says that this key can't be used; then it is noted, and another one is asked with.
async fn is_about_key(
    state: &AppState,
    key: &ConnectionKey,
    remote: &Remote,
    error: &ProviderError,
) -> ApiResult<bool> {
    let now = state.clock.now();
    let (status, retry_at) = match error.kind {
        ErrorKind::OutOfCredits => (KeyStatus::UsedUp, Some(now + OUT_OF_CREDITS_FOR)),
        ErrorKind::Forbidden(_) => (KeyStatus::Forbidden, None),
        ErrorKind::Unauthorized => {
            let provider = state.providers.get(remote.connection().provider)?;
            match provider.check(&remote.credentials()).await {
                KeyCheck::Rejected { .. } => (KeyStatus::Rejected, None),
                KeyCheck::Valid { .. } | KeyCheck::Unclear { .. } => return Ok(true),
            }
        }
        ErrorKind::RateLimited(_) => return Ok(true),
        _ => return Ok(false),
    };
    let reason = Some(error.message.as_str());
    state.store.note_key(key, status, reason, retry_at).await?;
    Ok(true)
}

async fn note_use(state: &AppState, key: &ConnectionKey) -> ApiResult<()> {
    let now = state.clock.now();
    let is_noted = key.last_used_at.is_some_and(|at| now - at < NOTED_EVERY);
    if !is_noted || key.status != KeyStatus::Active {
        let active = state.store.note_key(key, KeyStatus::Active, None, None);
        active.await?;
    }
    Ok(())
}

fn may_have_cost(error: &ProviderError) -> bool {
    let was_sent = error.records != Some(0);
    was_sent && error.is_temporary()
}

fn over_ceiling(state: &AppState, key: &ConnectionKey, until: syncline_model::Time) -> ApiError {
    let wait = (until - state.clock.now()).num_seconds().max(1);
    ApiError::NoCreditsLeft {
        reason: format!(
            "the key \"{}\" may spend {} credits in 24 hours, and has",
            key.label,
            key.max_credits_per_day.unwrap_or_default()
        ),
        retry_after: u64::try_from(wait).unwrap_or(1),
    }
}
