//! Call quotas: per team and action, three fixed windows that start with their first request.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};

/// A window in which calls are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Window {
    Minute,
    Hour,
    Day,
}

impl Window {
    pub const ALL: [Self; 3] = [Self::Minute, Self::Hour, Self::Day];

    pub fn length(self) -> TimeDelta {
        match self {
            Self::Minute => TimeDelta::minutes(1),
            Self::Hour => TimeDelta::hours(1),
            Self::Day => TimeDelta::hours(24),
        }
    }

    /// The word in the 429 text and the key in the usage statistics.
    pub(crate) fn noun(self) -> &'static str {
        match self {
            Self::Minute => "minute",
            Self::Hour => "hour",
            Self::Day => "day",
        }
    }

    fn in_headers(self) -> &'static str {
        match self {
            Self::Minute => "minute",
            Self::Hour => "hourly",
            Self::Day => "24-hour",
        }
    }
}

/// Calls allowed per window; `None` means no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Quota {
    pub per_minute: Option<u32>,
    pub per_hour: Option<u32>,
    pub per_day: Option<u32>,
}

impl Quota {
    pub const UNLIMITED: Self = Self {
        per_minute: None,
        per_hour: None,
        per_day: None,
    };

    pub const fn new(per_minute: u32, per_hour: u32, per_day: u32) -> Self {
        Self {
            per_minute: Some(per_minute),
            per_hour: Some(per_hour),
            per_day: Some(per_day),
        }
    }

    pub fn of(self, window: Window) -> Option<u32> {
        match window {
            Window::Minute => self.per_minute,
            Window::Hour => self.per_hour,
            Window::Day => self.per_day,
        }
    }
}

#[derive(Debug, Clone, Copy, Default)]
struct Counter {
    opened: Option<DateTime<Utc>>,
    used: u32,
}

impl Counter {
    fn used_at(self, window: Window, now: DateTime<Utc>) -> u32 {
        match self.opened {
            Some(opened) if now < opened + window.length() => self.used,
            _ => 0,
        }
    }
}

/// Why a call was rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Exhausted {
    pub(crate) window: Window,
    pub(crate) limit: u32,
    /// Seconds until the window closes.
    pub(crate) resets_in: i64,
}

/// One team's counters.
#[derive(Debug, Default)]
pub(crate) struct Counters(BTreeMap<&'static str, [Counter; 3]>);

impl Counters {
    /// Counts a call, unless a window's quota is used up.
    pub(crate) fn take(
        &mut self,
        action: &'static str,
        quota: Quota,
        now: DateTime<Utc>,
        rejected_count_too: bool,
    ) -> Result<(), Exhausted> {
        let counters = self.0.entry(action).or_default();
        let mut longest_first = Window::ALL.into_iter().zip(counters.iter()).rev();
        let full = longest_first.find_map(|(window, counter)| {
            let limit = quota.of(window)?;
            let opened = counter.opened?;
            (counter.used_at(window, now) >= limit).then_some(Exhausted {
                window,
                limit,
                resets_in: seconds_up(opened + window.length() - now),
            })
        });
        if full.is_none() || rejected_count_too {
            for (window, counter) in Window::ALL.into_iter().zip(counters.iter_mut()) {
                if counter.used_at(window, now) == 0 {
                    *counter = Counter {
                        opened: Some(now),
                        used: 0,
                    };
                }
                counter.used += 1;
            }
        }
        full.map_or(Ok(()), Err)
    }

    /// Uncounts a call.
    pub(crate) fn give_back(&mut self, action: &'static str) {
        if let Some(counters) = self.0.get_mut(action) {
            for counter in counters {
                counter.used = counter.used.saturating_sub(1);
            }
        }
    }

    pub(crate) fn used(&self, action: &str, window: Window, now: DateTime<Utc>) -> u32 {
        let Some(counters) = self.0.get(action) else {
            return 0;
        };
        Window::ALL
            .into_iter()
            .zip(counters.iter())
            .find(|(candidate, _)| *candidate == window)
            .map_or(0, |(window, counter)| counter.used_at(window, now))
    }

    /// The headers of an answer. A window without a limit has an empty limit header and no usage
    /// header.
    pub(crate) fn headers(
        &self,
        action: &str,
        quota: Quota,
        now: DateTime<Utc>,
    ) -> Vec<(String, String)> {
        let mut headers = Vec::with_capacity(9);
        for window in Window::ALL {
            let name = window.in_headers();
            let Some(limit) = quota.of(window) else {
                headers.push((format!("x-rate-limit-{name}"), String::new()));
                continue;
            };
            let used = self.used(action, window, now).min(limit);
            headers.push((format!("x-rate-limit-{name}"), limit.to_string()));
            headers.push((format!("x-{name}-usage"), used.to_string()));
            headers.push((
                format!("x-{name}-requests-left"),
                (limit - used).to_string(),
            ));
        }
        headers
    }
}

fn seconds_up(span: TimeDelta) -> i64 {
    let whole = span.num_seconds();
    if span > TimeDelta::seconds(whole) {
        whole + 1
    } else {
        whole
    }
}
