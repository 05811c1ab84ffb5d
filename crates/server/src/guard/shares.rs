//! A fixed amount of something, shared among all callers of a process so that none can take it all.
//!
//! A key gets more while it has fewer than twice as many as are free; an application (which may
//! have many keys) while it has fewer than four times as many. So one key alone gets at most two
//! thirds, one application at most four fifths, and other callers still find some free. Nothing is
//! reserved: free units go to the first caller that asks.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use syncline_model::ApiKey;
use tokio::sync::Notify;

const OF_A_KEY: usize = 2;
const OF_AN_APPLICATION: usize = 4;

pub(super) struct Shares {
    most: usize,
    state: Mutex<State>,
    all_free: Notify,
}

#[derive(Default)]
struct State {
    used: usize,
    by_key: HashMap<String, usize>,
    by_application: HashMap<String, usize>,
}

/// Units in use, until it is dropped.
pub(super) struct Share {
    shares: Arc<Shares>,
    holder: Option<Arc<ApiKey>>,
    units: usize,
}

impl Shares {
    pub(super) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self {
            most,
            state: Mutex::default(),
            all_free: Notify::new(),
        })
    }

    /// `None` if nothing is free, or nothing for this key. `holder` is `None` while the key is not
    /// known.
    pub(super) fn take(self: &Arc<Self>, holder: Option<Arc<ApiKey>>) -> Option<Share> {
        let mut share = Share {
            shares: self.clone(),
            holder,
            units: 0,
        };
        share.grow(1).then_some(share)
    }

    /// Resolves when everything is free.
    pub(super) async fn all_free(&self) {
        loop {
            let freed = self.all_free.notified();
            if self.state().used == 0 {
                return;
            }
            freed.await;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Share {
    /// Takes this many more units, or none.
    pub(super) fn grow(&mut self, units: usize) -> bool {
        let mut state = self.shares.state();
        let allowed = state.allow(self.shares.most, self.holder.as_deref(), units);
        drop(state);
        self.units += if allowed { units } else { 0 };
        allowed
    }

    pub(super) fn units(&self) -> usize {
        self.units
    }

    /// Counts the units for this key from now on, if the key may have them.
    pub(super) fn give_to(&mut self, key: Arc<ApiKey>) -> bool {
        let mut state = self.shares.state();
        state.release(self.holder.as_deref(), self.units);
        let allowed = state.allow(self.shares.most, Some(&key), self.units);
        drop(state);
        self.holder = Some(key);
        self.units = if allowed { self.units } else { 0 };
        allowed
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut state = self.shares.state();
        state.release(self.holder.as_deref(), self.units);
        if state.used == 0 {
            self.shares.all_free.notify_waiters();
        }
    }
}

impl State {
    fn allow(&mut self, most: usize, holder: Option<&ApiKey>, units: usize) -> bool {
        let free = most - self.used;
        if units > free {
            return false;
        }
        if let Some(key) = holder {
            let has = |shares: &HashMap<String, usize>, id| shares.get(id).copied().unwrap_or(0);
            if has(&self.by_key, &key.id) >= OF_A_KEY * free
                || has(&self.by_application, &key.application_id) >= OF_AN_APPLICATION * free
            {
                return false;
            }
            *self.by_key.entry(key.id.clone()).or_default() += units;
            let application = self.by_application.entry(key.application_id.clone());
            *application.or_default() += units;
        }
        self.used += units;
        true
    }

    fn release(&mut self, holder: Option<&ApiKey>, units: usize) {
        self.used -= units;
        let Some(key) = holder else {
            return;
        };
        give_back(&mut self.by_key, &key.id, units);
        give_back(&mut self.by_application, &key.application_id, units);
    }
}

/// Removes holders without units, so that the map stays small.
fn give_back(shares: &mut HashMap<String, usize>, id: &str, units: usize) {
    let Some(has) = shares.get_mut(id) else {
        return;
    };
    *has = has.saturating_sub(units);
    if *has == 0 {
        shares.remove(id);
    }
}

#[cfg(test)]
mod tests {
    use syncline_model::{Role, Time};

    use super::*;

    fn key(id: &str, application: &str) -> Arc<ApiKey> {
        Arc::new(ApiKey {
            id: id.to_owned(),
            application_id: application.to_owned(),
            name: id.to_owned(),
            role: Role::Admin,
            policy: None,
            grants: None,
            created_at: Time::UNIX_EPOCH,
            last_used_at: None,
            expires_at: None,
            revoked_at: None,
        })
    }

    /// As many as one holder gets.
    fn all_of(shares: &Arc<Shares>, holder: impl Fn() -> Option<Arc<ApiKey>>) -> Vec<Share> {
        std::iter::from_fn(|| shares.take(holder())).collect()
    }

    #[test]
    fn one_key_gets_two_thirds_one_application_four_fifths_and_others_find_some() {
        let shares = Shares::new(30);
        let first = all_of(&shares, || Some(key("a", "one")));
        assert_eq!(first.len(), 20);
        let second = all_of(&shares, || Some(key("b", "one")));
        assert_eq!(first.len() + second.len(), 24);
        assert!(!all_of(&shares, || Some(key("c", "other"))).is_empty());
        drop((first, second));
        assert_eq!(shares.state().used, 0);
        assert!(shares.state().by_key.is_empty() && shares.state().by_application.is_empty());
    }

    #[test]
    fn what_was_taken_before_the_key_was_known_becomes_the_keys() {
        let shares = Shares::new(3);
        let mut first = shares.take(None).unwrap();
        assert!(first.give_to(key("a", "one")));
        let mut second = shares.take(None).unwrap();
        assert!(second.give_to(key("a", "one")));
        let mut third = shares.take(None).unwrap();
        assert!(!third.give_to(key("a", "one")), "two are enough");
        assert!(third.give_to(key("b", "other")));
        drop((first, second, third));
        assert_eq!(shares.state().used, 0);
    }
}
