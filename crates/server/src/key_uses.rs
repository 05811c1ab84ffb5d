//! Records when keys were last used: at most once a minute, and without delaying the caller.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use chrono::TimeDelta;
use syncline_model::{ApiKey, Time};

use crate::AppState;

const EVERY: TimeDelta = TimeDelta::minutes(1);

/// What this process has recorded, by the key's id.
#[derive(Default)]
pub struct KeyUses(Mutex<HashMap<String, Time>>);

impl KeyUses {
    pub(crate) fn note(&self, state: &AppState, key: &ApiKey) {
        let now = state.clock.now();
        if !self.is_due(key, now) {
            return;
        }
        let (store, id) = (state.store.clone(), key.id.clone());
        state.tasks.spawn(async move {
            if let Err(error) = store.note_key_use(&id, now).await {
                tracing::warn!("could not record when an API key was last used: {error}");
            }
        });
    }

    /// Whether the key's use should be recorded now; `true` is returned to one caller only.
    fn is_due(&self, key: &ApiKey, now: Time) -> bool {
        let is_past = |noted: Option<Time>| noted.is_none_or(|noted| noted + EVERY <= now);
        // Other processes record uses too, so the key's row counts as well.
        if !is_past(key.last_used_at) {
            return false;
        }
        let mut noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let due = is_past(noted.get(&key.id).copied());
        if due {
            // Remove old entries, because keys come and go.
            noted.retain(|_, noted| !is_past(Some(*noted)));
            noted.insert(key.id.clone(), now);
        }
        due
    }
}
