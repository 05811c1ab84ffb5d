//! What is known of a provider's request windows, per endpoint.
//!
//! Providers count requests, or points that a request costs, in fixed windows of a minute, an hour and a day. The first request
//! after a window's end opens the next instance of it. A response reports the window's limit and
//! what is left, but not when the window closes: that is at the latest one window length after we
//! first saw it. Other clients of the account count too, so what a response reports replaces our
//! own count, minus the requests that are still in flight. Syncs leave a fifth to interactive
//! calls.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

use crate::{Time, budget::LONGEST_ANSWER};

/// A window in which a provider counts requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RequestWindow {
    Minute,
    Hour,
    Day,
}

impl RequestWindow {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Minute => "minute",
            Self::Hour => "hour",
            Self::Day => "day",
        }
    }

    pub fn length(self) -> TimeDelta {
        match self {
            Self::Minute => TimeDelta::minutes(1),
            Self::Hour => TimeDelta::hours(1),
            Self::Day => TimeDelta::hours(24),
        }
    }
}

/// What a response reported of a window, its own request included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WindowUsage {
    pub window: RequestWindow,
    pub limit: i64,
    pub left: i64,
}

impl WindowUsage {
    /// Whether a sync may send another request of this cost, by what the provider just said.
    pub fn leaves_room_for(&self, cost: i64) -> bool {
        self.left.saturating_sub(cost) >= fifth(self.limit)
    }
}

/// What is known of a request window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WindowState<'a> {
    pub endpoint: &'a str,
    pub window: RequestWindow,
    pub limit: i64,
    pub left: i64,
    /// When the whole limit is available again, at the latest; `None` if it already is.
    pub resets_at: Option<Time>,
}

/// The windows of one endpoint.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct EndpointWindows {
    known: BTreeMap<RequestWindow, Instance>,
    /// Windows that answered 429, and until when nothing is sent to the endpoint.
    refused: BTreeMap<RequestWindow, Refused>,
}

/// A 429 response.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "StoredRefused")]
pub(crate) struct Refused {
    /// When it came.
    #[serde(with = "crate::time::millis")]
    pub(crate) at: Time,
    #[serde(with = "crate::time::millis")]
    pub(crate) until: Time,
}

/// Earlier versions stored only the end.
#[derive(Deserialize)]
#[serde(untagged)]
enum StoredRefused {
    Until(Time),
    Whole { at: Time, until: Time },
}

impl From<StoredRefused> for Refused {
    fn from(stored: StoredRefused) -> Self {
        match stored {
            StoredRefused::Until(until) => Self {
                at: until - RequestWindow::Day.length(),
                until,
            },
            StoredRefused::Whole { at, until } => Self { at, until },
        }
    }
}

/// The instance of a window that was seen last.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct Instance {
    limit: i64,
    /// As reported, minus the requests that were in flight then and those sent since.
    left: i64,
    #[serde(with = "crate::time::millis")]
    closes_by: Time,
    /// The largest usage that a response reported; 0 before the first response.
    told: i64,
    /// What had been reported when the most recently settled request was sent. Its response reports
    /// less than this only if the next instance has begun. (It can report less than `told` merely
    /// because another response overtook it.)
    floor: i64,
}

/// What responses had reported when a request was sent.
pub(crate) type UsedInWindows = BTreeMap<RequestWindow, i64>;

impl EndpointWindows {
    /// If a request may not be sent now, when to ask again.
    pub(crate) fn refusal(&self, cost: i64, interactive: bool, now: Time) -> Option<Time> {
        let full = self
            .known
            .iter()
            .filter(|(_, it)| !it.has_room(cost, interactive))
            .map(|(window, it)| it.holds_until(self.refused.get(window)))
            .filter(|it| *it > now);
        let refused = self.refused.values().map(|it| it.until);
        full.chain(refused.filter(|it| *it > now)).max()
    }

    /// Counts a request that is sent now and answered by `answer_by`.
    pub(crate) fn count(&mut self, cost: i64, now: Time, answer_by: Time) -> UsedInWindows {
        for (window, instance) in &mut self.known {
            if now >= instance.holds_until(self.refused.get(window)) {
                *instance = Instance::unseen(instance.limit);
            }
            if instance.told == 0 {
                // This request may be the one that opens the window, as late as just before its
                // response.
                instance.closes_by = answer_by + window.length();
            }
            instance.left = instance.left.saturating_sub(cost);
        }
        self.refused.clear();
        let told = self.known.iter().map(|(window, it)| (*window, it.told));
        told.filter(|(_, told)| *told > 0).collect()
    }

    /// The request that was sent when this was reported is answered; the next call of `learn` is
    /// for its response.
    pub(crate) fn answered(&mut self, told: &UsedInWindows) {
        for (window, instance) in &mut self.known {
            instance.floor = told.get(window).copied().unwrap_or_default();
        }
    }

    /// Takes in what a response reported; `on_their_way` is what the other requests cost that were in
    /// flight when it came.
    pub(crate) fn learn(&mut self, usage: WindowUsage, on_their_way: i64, at: Time) {
        let WindowUsage { window, limit, .. } = usage;
        if limit <= 0 {
            self.known.remove(&window);
            return;
        }
        let used = limit - usage.left.clamp(0, limit);
        let answer = Instance {
            limit,
            left: limit.saturating_sub(used).saturating_sub(on_their_way),
            closes_by: at + window.length(),
            told: used,
            floor: 0,
        };
        let known = self.known.entry(window).or_insert(answer);
        *known = known.after(answer, at);
    }

    pub(crate) fn refuse(&mut self, window: RequestWindow, refused: Refused) {
        let known = self.refused.entry(window).or_insert(refused);
        if refused.until > known.until {
            *known = refused;
        }
    }

    /// Corrects times in the future, which were noted while a clock was ahead.
    pub(crate) fn clamp_future(&mut self, now: Time, margin: TimeDelta) -> bool {
        let mut any = false;
        for (window, it) in &mut self.known {
            let latest = now + LONGEST_ANSWER + window.length();
            if it.closes_by > latest + margin {
                it.closes_by = latest;
                any = true;
            }
        }
        for it in self.refused.values_mut() {
            if it.at > now + margin {
                *it = Refused {
                    at: now,
                    until: now + (it.until - it.at),
                };
                any = true;
            }
        }
        any
    }

    pub(crate) fn states<'a>(
        &'a self,
        endpoint: &'a str,
        now: Time,
    ) -> impl Iterator<Item = WindowState<'a>> {
        self.known.iter().map(move |(window, it)| {
            let (left, resets_at) = match self.refused.get(window) {
                Some(it) if it.until > now => (0, Some(it.until)),
                None if it.closes_by > now => (it.left.max(0), Some(it.closes_by)),
                _ => (it.limit, None),
            };
            WindowState {
                endpoint,
                window: *window,
                limit: it.limit,
                left,
                resets_at,
            }
        })
    }

    /// Merges in another record of the same endpoint: per window, the one that was seen later.
    pub(crate) fn merge(&mut self, other: Self) {
        for (window, theirs) in other.known {
            let ours = self.known.entry(window).or_insert(theirs);
            if theirs.closes_by > ours.closes_by {
                *ours = theirs;
            }
        }
        for (window, refused) in other.refused {
            self.refuse(window, refused);
        }
    }

    /// When the last of its windows and refusals ends.
    pub(crate) fn known_until(&self) -> Time {
        let closes = self.known.values().map(|it| it.closes_by);
        let ends = closes.chain(self.refused.values().map(|refused| refused.until));
        ends.max().unwrap_or_default()
    }

    /// Removes what ended before `oldest`. `false`: nothing is left.
    pub(crate) fn prune(&mut self, oldest: Time) -> bool {
        self.known.retain(|_, it| it.closes_by > oldest);
        self.refused.retain(|_, it| it.until > oldest);
        !self.known.is_empty() || !self.refused.is_empty()
    }
}

impl Instance {
    /// An instance that no response has reported yet.
    fn unseen(limit: i64) -> Self {
        Self {
            limit,
            left: limit,
            ..Self::default()
        }
    }

    /// The state after the response `answer` at `at`. Where the response may belong to the previous
    /// instance, the result neither closes too early nor leaves too much.
    fn after(self, answer: Self, at: Time) -> Self {
        let next_has_begun = answer.told < self.floor;
        let unseen = self.told == 0;
        if next_has_begun || unseen && self.floor == 0 {
            return answer;
        }
        if unseen {
            // The request was sent before this instance began.
            return Self {
                limit: answer.limit,
                left: self.left.min(answer.left),
                ..self
            };
        }
        if at >= self.closes_by {
            // The request was sent before this instance ended; it is unknown whether it also
            // arrived before.
            return Self { told: 0, ..answer };
        }
        let overtaken_by = (self.told - answer.told).max(0);
        Self {
            limit: answer.limit,
            left: answer.left.saturating_sub(overtaken_by),
            told: self.told.max(answer.told),
            ..self
        }
    }

    /// Until when the instance counts. After a 429 that is until the time to retry, even if the
    /// instance might close later: either the provider named that time, or a request is needed to
    /// find out.
    fn holds_until(&self, refused: Option<&Refused>) -> Time {
        refused.map_or(self.closes_by, |it| self.closes_by.min(it.until))
    }

    /// A request that costs more than a window allows is sent when nothing of it is used: then the
    /// provider decides.
    fn has_room(&self, cost: i64, interactive: bool) -> bool {
        let kept = if interactive { 0 } else { fifth(self.limit) };
        self.left.saturating_sub(cost) >= kept || self.left >= self.limit
    }
}

/// What syncs leave of a window: a fifth, but never all of it.
fn fifth(limit: i64) -> i64 {
    (limit.saturating_add(4) / 5).min(limit.saturating_sub(1))
}

#[cfg(test)]
#[path = "request_windows_tests.rs"]
mod tests;
