//! Update or create. Callers that search for the same account wait for each other, so that only the
//! first one creates it.

use std::time::Duration;

use chrono::TimeDelta;
use syncline_model::draft::AccountDraft;
use syncline_providers::capabilities::RecordWrites;
use syncline_store::WriteLock;

use super::{
    find_accounts::{Wanted, find},
    writes::Created,
};
use crate::{
    AppState,
    error::{ApiError, ApiResult},
    remote::Remote,
};

/// Longer than all requests of an upsert can take: about thirty, of half a minute each.
const LOCK_FOR: TimeDelta = TimeDelta::minutes(20);
/// How often, and how many times, a caller tries to take a lock: half a minute in total.
const LOOK_EVERY: Duration = Duration::from_millis(50);
const LOOKS: u32 = 600;

pub(super) async fn account(
    state: &AppState,
    remote: &Remote,
    wanted: &Wanted,
    draft: AccountDraft,
) -> ApiResult<Created> {
    let writes = remote.capabilities().record_writes()?;
    let mut locks = Vec::new();
    let written = under_locks(state, remote, writes, wanted, &draft, &mut locks).await;
    let id = written.as_ref().ok().map(Created::id);
    for lock in locks {
        if let Err(error) = state.store.unlock_write(lock, id).await {
            tracing::warn!("could not release a write lock; it is held until it expires: {error}");
        }
    }
    written
}

/// Locks are taken in the order of their names, which prevents deadlocks.
async fn under_locks(
    state: &AppState,
    remote: &Remote,
    writes: &dyn RecordWrites,
    wanted: &Wanted,
    draft: &AccountDraft,
    locks: &mut Vec<WriteLock>,
) -> ApiResult<Created> {
    for name in wanted.lock_names(draft) {
        locks.push(turn(state, remote, &name).await?);
    }
    let written_last: Vec<String> = locks
        .iter()
        .filter_map(|lock| lock.record_id.clone())
        .collect();
    update_or_create(state, remote, writes, wanted, draft, &written_last).await
}

async fn update_or_create(
    state: &AppState,
    remote: &Remote,
    writes: &dyn RecordWrites,
    wanted: &Wanted,
    draft: &AccountDraft,
    written_last: &[String],
) -> ApiResult<Created> {
    let found = find(state, remote, wanted, written_last).await?;
    let session = remote.session();
    let wrote = match found.as_slice() {
        [] => {
            let draft = wanted.completed(draft);
            writes.create_account(&session, &draft).await?
        }
        [account] => writes.update_account(&session, &account.id, draft).await?,
        _ => {
            return Err(ApiError::BadRequest(
                "More than one account found for upsert query".to_owned(),
            ));
        }
    };
    Ok(Created::of(state, remote, wrote).await)
}

async fn turn(state: &AppState, remote: &Remote, name: &str) -> ApiResult<WriteLock> {
    for _ in 0..LOOKS {
        let lock = state
            .store
            .lock_write(remote.connection(), name, LOCK_FOR)
            .await?;
        if let Some(lock) = lock {
            return Ok(lock);
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    Err(ApiError::Conflict(
        "the same record is being written by another request; try again".to_owned(),
    ))
}

impl Wanted {
    /// A new account gets the name and domain that it was searched by, unless the caller gives
    /// others.
    fn completed(&self, draft: &AccountDraft) -> AccountDraft {
        let mut draft = draft.clone();
        if draft.name.is_none() {
            draft.name = self.name.clone().map(Some);
        }
        if draft.domain.is_none() {
            draft.domain = self.domain.clone().map(Some);
        }
        draft
    }
}
