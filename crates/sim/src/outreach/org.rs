//! An organisation's rate limits and settings.

use std::collections::HashMap;

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};

use super::options::{OutreachOptions, Ruleset};
use super::switches::OutreachSwitches;
use crate::world::Team;

const WINDOW: TimeDelta = TimeDelta::hours(1);

#[derive(Debug)]
pub(crate) struct Org {
    pub(super) ruleset: Ruleset,
    pub(super) excluded_domains: Vec<String>,
    pub(crate) switches: OutreachSwitches,
    pub(super) requests_per_hour: u32,
    /// Whether prospects still have a `contactHistogram`.
    pub(super) has_histogram: bool,
    /// By user.
    windows: HashMap<String, Window>,
}

/// One user's requests in the hour that began with the first of them.
#[derive(Debug, Clone, Copy)]
struct Window {
    opened: DateTime<Utc>,
    used: u32,
}

/// The rate limit of a user after a request.
#[derive(Debug, Clone, Copy)]
pub(super) struct RateLimit {
    pub(super) limit: u32,
    pub(super) remaining: u32,
    pub(super) resets_at: DateTime<Utc>,
    /// Whether the request was within the limit.
    pub(super) admitted: bool,
}

impl Org {
    pub(crate) fn new(options: &OutreachOptions) -> Self {
        Self {
            ruleset: options.ruleset,
            excluded_domains: options.excluded_domains.clone(),
            switches: options.switches.clone(),
            requests_per_hour: options.requests_per_hour,
            has_histogram: true,
            windows: HashMap::new(),
        }
    }

    /// Counts a request of a user, if it is within the limit.
    pub(super) fn take(&mut self, user_id: &str, now: DateTime<Utc>) -> RateLimit {
        let fresh = Window {
            opened: now,
            used: 0,
        };
        let window = self.windows.entry(user_id.to_owned()).or_insert(fresh);
        if now >= window.opened + WINDOW {
            *window = fresh;
        }
        let admitted = window.used < self.requests_per_hour;
        window.used += u32::from(admitted);
        RateLimit {
            limit: self.requests_per_hour,
            remaining: self.requests_per_hour.saturating_sub(window.used),
            resets_at: window.opened + WINDOW,
            admitted,
        }
    }
}

/// Outreach's settings.
impl Team {
    /// Replaces the rules for adding prospects to sequences.
    pub fn set_ruleset(&mut self, ruleset: Ruleset) {
        self.org.ruleset = ruleset;
    }

    pub(super) fn shortname(&self) -> String {
        let domain: String = self.domain();
        domain.trim_end_matches(".example").to_owned()
    }

    /// Where the organisation's users sign in.
    pub fn instance_url(&self) -> String {
        format!("https://app.example/{}", self.shortname())
    }

    /// Removes the histogram from prospects from 2026-10-01 on, or earlier if it is switched off.
    pub(crate) fn drop_histogram_if_due(&mut self, now: DateTime<Utc>) {
        let last = NaiveDate::from_ymd_opt(2026, 9, 30);
        let due = last.is_some_and(|last| now.date_naive() > last);
        if self.org.has_histogram && (due || self.org.switches.no_histogram) {
            self.org.has_histogram = false;
            self.contacts.set_renderer(super::without_histogram);
        }
    }
}
