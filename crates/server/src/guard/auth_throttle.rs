//! Limits how many wrong API keys an address may try a minute.
//!
//! Beyond that, its calls are answered with 429 for the rest of the minute, without a look-up in
//! the database. Keys that were valid before in this process are still accepted: behind a proxy all
//! callers share one address, and one who guesses keys must not lock out the others.

use std::{
    collections::{HashMap, HashSet},
    hash::{BuildHasher, RandomState},
    net::{IpAddr, SocketAddr},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::{extract::ConnectInfo, http::Extensions};
use tokio::time::Instant;

use super::rates::whole_seconds;
use crate::error::ApiError;

const WINDOW: Duration = Duration::from_mins(1);
/// Addresses that are remembered at once; beyond that, those whose minute is over are dropped.
const ADDRESSES: usize = 10_000;
/// Valid keys that are remembered.
const KEYS: usize = 100_000;

pub(super) struct AuthThrottle {
    /// Wrong keys per address and minute.
    most: u32,
    state: Mutex<State>,
    /// Keys are remembered as hashes that mean nothing outside of this process.
    hasher: RandomState,
}

#[derive(Default)]
struct State {
    right: HashSet<u64>,
    wrong: HashMap<IpAddr, Wrong>,
}

struct Wrong {
    since: Instant,
    tries: u32,
}

/// A presented key, with the address it came from.
#[derive(Clone, Copy)]
pub(crate) struct Presented {
    key: u64,
    from: Option<IpAddr>,
}

impl AuthThrottle {
    pub(super) fn new(most: u32) -> Self {
        Self {
            most,
            state: Mutex::default(),
            hasher: RandomState::new(),
        }
    }

    /// Whether the key may be looked up.
    pub(super) fn check(&self, key: &str, of: &Extensions) -> Result<Presented, ApiError> {
        let from = of.get::<ConnectInfo<SocketAddr>>();
        let presented = Presented {
            key: self.hasher.hash_one(key),
            from: from.map(|ConnectInfo(from)| network(from.ip())),
        };
        let state = self.state();
        let Some(wrong) = presented.from.and_then(|from| state.wrong.get(&from)) else {
            return Ok(presented);
        };
        let left = WINDOW.saturating_sub(wrong.since.elapsed());
        if wrong.tries < self.most || left.is_zero() || state.right.contains(&presented.key) {
            return Ok(presented);
        }
        Err(ApiError::TooMany {
            reason: "too many wrong API keys came from this address".to_owned(),
            retry_after: whole_seconds(left),
        })
    }

    pub(super) fn record_right(&self, presented: Presented) {
        let mut state = self.state();
        if state.right.len() < KEYS {
            state.right.insert(presented.key);
        }
    }

    pub(super) fn record_wrong(&self, presented: Presented) {
        let Some(from) = presented.from else {
            return;
        };
        let mut state = self.state();
        state.right.remove(&presented.key);
        if state.wrong.len() >= ADDRESSES {
            state
                .wrong
                .retain(|_, wrong| wrong.since.elapsed() < WINDOW);
        }
        let wrong = state.wrong.entry(from).or_insert(Wrong {
            since: Instant::now(),
            tries: 0,
        });
        if wrong.since.elapsed() >= WINDOW {
            wrong.since = Instant::now();
            wrong.tries = 0;
        }
        wrong.tries += 1;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The /64 network of an IPv6 address, because one client usually has all of it.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::from([a, b, c, d, 0, 0, 0, 0])
        }
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(address: &str) -> Extensions {
        let mut extensions = Extensions::new();
        let address: IpAddr = address.parse().unwrap();
        extensions.insert(ConnectInfo(SocketAddr::new(address, 1)));
        extensions
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_has_so_many_wrong_keys_a_minute_and_right_ones_pass() {
        let throttle = AuthThrottle::new(3);
        let here = from("2001:db8::1");
        throttle.record_right(throttle.check("right", &here).ok().unwrap());
        for guess in 0..3 {
            let presented = throttle.check(&guess.to_string(), &here).ok().unwrap();
            throttle.record_wrong(presented);
        }
        assert!(throttle.check("one more", &here).is_err());
        assert!(throttle.check("one more", &from("2001:db8::2")).is_err());
        assert!(throttle.check("one more", &from("192.0.2.1")).is_ok());
        assert!(throttle.check("right", &here).is_ok());
        tokio::time::advance(WINDOW).await;
        assert!(throttle.check("one more", &here).is_ok());
    }
}
