//! What a provider account has spent and reserved, and whether one more request may be sent:
//! `records_per_hour` and `records_per_day` are enforced here.
//!
//! The limits hold in every 60 minutes and in every 24 hours. So a request reserves the most
//! records that its response can bring, and the response settles the reservation. An unsettled
//! reservation counts as if its records came at the latest possible moment. Records are counted per
//! minute, and a minute counts until all of it has left the window, plus a margin for differences
//! between the clocks of processes.
//!
//! A clock may have been ahead for a while. Times later than now can't be right, so they are set to
//! now ([`Budget::clamp_future`]). What counted before the clock jumped ahead is kept until as much
//! time has passed on the new time, in case the clock jumps back.
//!
//! The store keeps one budget per account and writes it with compare-and-swap on its version;
//! everything here is arithmetic. The requests themselves are counted in `request_windows`.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

use crate::{
    CLOCKS_DIFFER_BY, Time, VolumeLimits, WaitReason,
    mutation::{self, Mutation},
    request_windows::{
        EndpointWindows, Refused, RequestWindow, UsedInWindows, WindowState, WindowUsage,
    },
};

/// How much longer than its window a record counts, because clocks differ.
const CLOCK_MARGIN: TimeDelta = CLOCKS_DIFFER_BY;

/// An account that is read every hour has no gap longer than an hour.
const ABOUT_A_DAY: i64 = 23 * 60;

/// The latest that a response can come after its request was granted.
pub(crate) const LONGEST_ANSWER: TimeDelta = TimeDelta::minutes(2);
/// The maximum number of endpoints whose request windows are kept: every page writes the whole
/// budget.
const MOST_ENDPOINTS: usize = 100;

/// What an account has spent and reserved, and what is known of its request windows.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Budget {
    /// Records received, by minute since the epoch.
    spent: BTreeMap<i64, i64>,
    open: Vec<Reservation>,
    /// By endpoint.
    windows: BTreeMap<String, EndpointWindows>,
}

/// A request that was granted and not yet settled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct Reservation {
    id: String,
    endpoint: String,
    records: i64,
    /// What it takes of its endpoint's windows.
    #[serde(skip_serializing_if = "is_one")]
    cost: i64,
    /// The latest time its response could come.
    #[serde(with = "crate::time::millis")]
    latest: Time,
    /// The usage that its endpoint's windows had reported when the request was sent.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    told: UsedInWindows,
}

impl Default for Reservation {
    fn default() -> Self {
        Self {
            id: String::new(),
            endpoint: String::new(),
            records: 0,
            cost: 1,
            latest: Time::default(),
            told: UsedInWindows::default(),
        }
    }
}

/// A request for permission to send one request.
#[derive(Debug, Clone, Copy)]
pub struct Ask<'a> {
    /// The unique id under which its response is settled.
    pub id: &'a str,
    pub endpoint: &'a str,
    /// The most records that its response can bring.
    pub records: i64,
    /// What it takes of its endpoint's request windows: 1, unless the provider counts something else
    /// than requests.
    pub cost: i64,
    pub limits: &'a VolumeLimits,
    /// A caller waits for the response, so it may use the part of a request window that syncs leave
    /// free.
    pub interactive: bool,
    /// How long after now its response can come at the latest.
    pub answer_within: TimeDelta,
}

/// The request may not be sent now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refusal {
    /// When it would be granted, if nothing else is spent until then.
    pub until: Time,
    pub reason: WaitReason,
}

/// A rolling window over records, ending now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordWindow {
    Hour,
    Day,
}

/// How much of a record window is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WindowUse {
    /// Records received.
    pub used: i64,
    /// Records of open reservations: they may still come, or may have come with a response that was
    /// lost.
    pub reserved: i64,
    /// When the first of both leaves the window; `None` when nothing counts.
    pub resets_at: Option<Time>,
}

impl Budget {
    /// Makes a reservation, or returns when to ask again. A refusal changes nothing.
    pub fn reserve(&mut self, ask: &Ask<'_>, now: Time) -> Result<(), Refusal> {
        let records = ask.reserved();
        let refusals = [
            self.refused_by_requests(ask, now),
            self.refused_by_records(RecordWindow::Hour, records, ask.limits, now),
            self.refused_by_records(RecordWindow::Day, records, ask.limits, now),
        ];
        if let Some(refusal) = refusals.into_iter().flatten().max_by_key(|it| it.until) {
            return Err(refusal);
        }
        self.prune(now);
        let latest = now + ask.answer_within;
        let windows = self.windows.get_mut(ask.endpoint);
        self.open.push(Reservation {
            id: ask.id.to_owned(),
            endpoint: ask.endpoint.to_owned(),
            records,
            cost: ask.cost,
            latest,
            told: windows
                .map(|it| it.count(ask.cost, now, latest))
                .unwrap_or_default(),
        });
        Ok(())
    }

    /// The response came at `at` with that many records: they count from then on, and the
    /// reservation is removed. Records of an unknown reservation count too.
    pub fn settle(&mut self, id: &str, records: i64, at: Time) {
        if let Some(index) = self.open.iter().position(|it| it.id == id) {
            let answered = self.open.remove(index);
            if let Some(windows) = self.windows.get_mut(&answered.endpoint) {
                windows.answered(&answered.told);
            }
        }
        add(&mut self.spent, minute_of(at), records);
        self.prune(at);
    }

    /// A granted request was sent again.
    pub fn count_retry(&mut self, endpoint: &str, cost: i64, at: Time) {
        if let Some(windows) = self.windows.get_mut(endpoint) {
            windows.count(cost, at, at);
        }
    }

    /// Takes in what a response's headers said of the endpoint's request windows. Call it after the
    /// response is settled, in the same change: all open reservations count as in flight.
    pub fn learn(&mut self, endpoint: &str, usage: &[WindowUsage], at: Time) {
        let on_their_way = self.on_their_way(endpoint, at);
        if !usage.is_empty() {
            let windows = self.windows.entry(endpoint.to_owned()).or_default();
            for usage in usage {
                windows.learn(*usage, on_their_way, at);
            }
        }
        self.prune(at);
    }

    /// A 429 that came at `at`: nothing is sent to the endpoint until `until`, neither by syncs nor
    /// by callers. After that the window counts as open again, until a response says otherwise.
    pub fn refused(&mut self, endpoint: &str, window: RequestWindow, until: Time, at: Time) {
        let windows = self.windows.entry(endpoint.to_owned()).or_default();
        windows.refuse(window, Refused { at, until });
        self.bound();
    }

    /// Corrects times in the future, which were noted while the clock was ahead: they are set to
    /// now. Returns whether there were any; the correction only lasts if the caller stores the
    /// budget.
    pub fn clamp_future(&mut self, now: Time) -> bool {
        if mutation::on(Mutation::FutureSpendingCounts) {
            return false;
        }
        let mut any = false;
        let ahead = self.spent.split_off(&(minute_of(now + CLOCK_MARGIN) + 1));
        any |= !ahead.is_empty();
        add(&mut self.spent, minute_of(now), sum(ahead.values()));
        let latest = now + LONGEST_ANSWER;
        for reservation in &mut self.open {
            if reservation.latest > latest + CLOCK_MARGIN {
                reservation.latest = latest;
                any = true;
            }
        }
        for windows in self.windows.values_mut() {
            any |= windows.clamp_future(now, CLOCK_MARGIN);
        }
        any
    }

    pub fn records_used(&self, window: RecordWindow, now: Time) -> WindowUse {
        let counted = self.counted(window, now);
        let counts = |minute: i64| window.left_by(minute) > now;
        let spent = self.spent.iter().filter(|(minute, _)| counts(**minute));
        let used = sum(spent.map(|(_, records)| records));
        WindowUse {
            used,
            reserved: sum(counted.values()) - used,
            resets_at: counted.keys().next().map(|it| window.left_by(*it)),
        }
    }

    /// What was read and reserved in each of the last 24 hours, counted back from now, oldest first. Hours
    /// without any are left out.
    pub fn records_by_hour(&self, now: Time) -> Vec<(Time, i64)> {
        let mut hours: BTreeMap<i64, i64> = BTreeMap::new();
        for (minute, records) in self.minutes() {
            let ago = (minute_of(now) - minute).max(0) / 60;
            if ago < 24 {
                add(&mut hours, -ago, records);
            }
        }
        let from = |hour: i64| now + TimeDelta::hours(hour - 1);
        let hours = hours.into_iter().filter(|(_, records)| *records > 0);
        hours.map(|(hour, records)| (from(hour), records)).collect()
    }

    /// By endpoint, the shorter windows first.
    pub fn request_windows(&self, now: Time) -> impl Iterator<Item = WindowState<'_>> {
        self.windows
            .iter()
            .flat_map(move |(endpoint, windows)| windows.states(endpoint, now))
    }

    /// Takes over what another account spent, per minute the larger value, because credentials
    /// moved here. Idempotent. The request windows are not taken over.
    pub fn take_over_spending(&mut self, other: &Self) {
        for (minute, records) in other.minutes() {
            let ours = self.spent.entry(minute).or_default();
            *ours = records.max(*ours);
        }
    }

    /// Merges in the request windows of another copy of the same budget: per window, the one that
    /// was seen later.
    pub fn learn_from(&mut self, other: &Self) {
        for (endpoint, windows) in &other.windows {
            let ours = self.windows.entry(endpoint.clone()).or_default();
            ours.merge(windows.clone());
        }
        self.bound();
    }

    /// Adds what another account spent, because both are the same account. Its reservations are
    /// moved here too.
    pub fn merge(&mut self, other: Self) {
        for (minute, records) in other.spent {
            add(&mut self.spent, minute, records);
        }
        self.open.extend(other.open);
        for (endpoint, windows) in other.windows {
            self.windows.entry(endpoint).or_default().merge(windows);
        }
        self.bound();
    }

    fn refused_by_requests(&self, ask: &Ask<'_>, now: Time) -> Option<Refusal> {
        let windows = self.windows.get(ask.endpoint)?;
        Some(Refusal {
            until: windows.refusal(ask.cost, ask.interactive, now)?,
            reason: WaitReason::ProviderRateLimit,
        })
    }

    fn refused_by_records(
        &self,
        window: RecordWindow,
        records: i64,
        limits: &VolumeLimits,
        now: Time,
    ) -> Option<Refusal> {
        let limit = window.limit(limits)?;
        if records == 0 {
            return None;
        }
        let counted = self.counted(window, now);
        let mut excess = sum(counted.values())
            .saturating_add(records)
            .saturating_sub(limit);
        if excess <= 0 {
            return None;
        }
        if mutation::on(Mutation::ClockAlignedWindow) {
            return Some(Refusal {
                until: window.opened(now) + window.length(),
                reason: window.reason(),
            });
        }
        let enough_left = counted.iter().find(|(_, records)| {
            excess -= *records;
            excess <= 0
        });
        Some(Refusal {
            // Limits that no page fits under are rejected when they are set, and nothing is read
            // under them.
            until: enough_left.map_or(now + window.length(), |(minute, _)| window.left_by(*minute)),
            reason: window.reason(),
        })
    }

    /// What counts in the window, by minute.
    fn counted(&self, window: RecordWindow, now: Time) -> BTreeMap<i64, i64> {
        let mut minutes = self.minutes();
        if mutation::on(Mutation::ClockAlignedWindow) {
            let first = minute_of(window.opened(now));
            minutes.retain(|minute, _| *minute >= first);
            return minutes;
        }
        minutes.retain(|minute, _| window.left_by(*minute) > now);
        minutes
    }

    /// What was spent and reserved, by minute.
    fn minutes(&self) -> BTreeMap<i64, i64> {
        let mut minutes = self.spent.clone();
        for reservation in &self.open {
            add(
                &mut minutes,
                minute_of(reservation.latest),
                reservation.records,
            );
        }
        minutes
    }

    fn on_their_way(&self, endpoint: &str, now: Time) -> i64 {
        let on_its_way = |it: &&Reservation| it.endpoint == endpoint && it.latest >= now;
        let costs = self.open.iter().filter(on_its_way).map(|it| it.cost);
        costs.fold(0, i64::saturating_add)
    }

    /// Removes what no window counts any more.
    fn prune(&mut self, now: Time) {
        let first = self.first_kept(now);
        self.spent = self.spent.split_off(&first);
        self.open
            .retain(|it| it.latest >= now || it.records > 0 && minute_of(it.latest) >= first);
        let oldest = now - RecordWindow::Day.length() - CLOCK_MARGIN;
        self.windows.retain(|_, windows| windows.prune(oldest));
        self.bound();
    }

    /// If there are too many endpoints, removes those whose windows close first.
    fn bound(&mut self) {
        if self.windows.len() <= MOST_ENDPOINTS {
            return;
        }
        let ends = self.windows.values().map(EndpointWindows::known_until);
        let mut ends: Vec<Time> = ends.collect();
        ends.sort_unstable_by(|one, other| other.cmp(one));
        let least = ends[MOST_ENDPOINTS - 1];
        let mut left = MOST_ENDPOINTS;
        self.windows.retain(|_, windows| {
            let kept = windows.known_until() >= least && left > 0;
            left -= usize::from(kept);
            kept
        });
    }

    /// The first minute to keep: normally the first that counts. But a long gap may be a clock that
    /// jumped ahead, so the day before a gap is kept until the time after it adds up to about a
    /// day. That is why the longest gap is not counted as passed time.
    fn first_kept(&self, now: Time) -> i64 {
        let mut first = minute_of(now - RecordWindow::Day.length() - CLOCK_MARGIN);
        let counts = |it: &Reservation| minute_of(it.latest) >= first;
        if self.spent.range(..first).next().is_none() && self.open.iter().all(counts) {
            return first;
        }
        let (mut later, mut lasted, mut silence) = (minute_of(now), 0, 0);
        for minute in self.minutes().into_keys().rev() {
            let gap = (later - minute).max(0);
            lasted += gap;
            silence = gap.max(silence);
            if lasted - silence >= ABOUT_A_DAY {
                break;
            }
            first = first.min(minute);
            later = minute;
        }
        first
    }
}

impl Ask<'_> {
    /// The records to reserve: at most a whole window, so that a response of unknown size can be
    /// granted at all.
    fn reserved(&self) -> i64 {
        let limits = [RecordWindow::Hour, RecordWindow::Day].map(|it| it.limit(self.limits));
        let most = limits.into_iter().flatten().min();
        let records = most.map_or(self.records, |most| self.records.min(most.max(1)));
        records.max(0)
    }
}

impl RecordWindow {
    pub fn length(self) -> TimeDelta {
        match self {
            Self::Hour => TimeDelta::minutes(60),
            Self::Day => TimeDelta::hours(24),
        }
    }

    /// `None`: there is no limit.
    pub fn limit(self, limits: &VolumeLimits) -> Option<i64> {
        match self {
            Self::Hour => limits.records_per_hour,
            Self::Day => limits.records_per_day,
        }
    }

    /// When the current hour or day of the clock began. Only used by
    /// [`Mutation::ClockAlignedWindow`].
    fn opened(self, now: Time) -> Time {
        let length = self.length().num_seconds();
        let opened = now.timestamp().div_euclid(length) * length;
        Time::from_timestamp(opened, 0).unwrap_or(now)
    }

    fn reason(self) -> WaitReason {
        match self {
            Self::Hour => WaitReason::RecordsPerHour,
            Self::Day => WaitReason::RecordsPerDay,
        }
    }

    /// When records of that minute stop counting.
    fn left_by(self, minute: i64) -> Time {
        let end = minute.saturating_add(1).saturating_mul(60);
        let counts_for = (self.length() + CLOCK_MARGIN).num_seconds();
        Time::from_timestamp(end.saturating_add(counts_for), 0).unwrap_or(Time::MAX_UTC)
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_one(cost: &i64) -> bool {
    *cost == 1
}

fn minute_of(time: Time) -> i64 {
    time.timestamp().div_euclid(60)
}

fn add(minutes: &mut BTreeMap<i64, i64>, minute: i64, records: i64) {
    if records > 0 {
        let sum = minutes.entry(minute).or_default();
        *sum = sum.saturating_add(records);
    }
}

fn sum<'a>(records: impl Iterator<Item = &'a i64>) -> i64 {
    records.fold(0, |sum, it| sum.saturating_add(*it))
}

#[cfg(test)]
#[path = "budget_tests.rs"]
mod tests;
