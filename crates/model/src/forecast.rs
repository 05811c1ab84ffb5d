//! Forecast: what a schedule costs of a provider account's limits, and how fresh its data would be.
//!
//! Arithmetic over known totals; nothing is asked of a provider. Reads of one account wait for each
//! other in the order in which they are due, so where a limit is too small for a schedule, all that are
//! due more often than the limit lets them be are read equally often, and the others as planned.
//! Incremental reads count as if nothing changed.

use chrono::TimeDelta;

use crate::{Object, RequestWindow, VolumeLimits, budget::RecordWindow};

/// Parts of a record or request, so that averages over full and incremental reads are exact enough.
const PARTS: i128 = 1000;

/// What reading one object of a connection takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reading {
    pub object: Object,
    /// Between the starts of two runs.
    pub period: TimeDelta,
    /// Records that a full run reads and that count.
    pub records: i64,
    /// Requests that a full run sends, as the provider counts them.
    pub requests: i64,
    /// The name under which the provider counts them.
    pub endpoint: &'static str,
    /// Incremental runs after each full one.
    pub incrementals: i64,
}

/// A request window of the provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestLimit {
    pub endpoint: String,
    pub window: RequestWindow,
    pub limit: i64,
}

/// What a limit counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Counted {
    Records(RecordWindow),
    Requests {
        endpoint: String,
        window: RequestWindow,
    },
}

/// What the schedule takes of one limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Use {
    pub of: Counted,
    /// What syncs may use of the limit.
    pub limit: i64,
    /// What the schedule asks for within the window, on average.
    pub asked: i64,
    /// What syncs will use within it, on average.
    pub used: i64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forecast {
    /// The time between two reads of each [`Reading`], in their order.
    pub periods: Vec<TimeDelta>,
    pub uses: Vec<Use>,
}

impl Use {
    pub fn fits(&self) -> bool {
        self.asked <= self.limit
    }
}

impl Forecast {
    /// For everything that is read of one account.
    pub fn of(readings: &[Reading], limits: &VolumeLimits, requests: &[RequestLimit]) -> Self {
        let limits = limits_of(limits, requests);
        let mut periods: Vec<TimeDelta> = readings.iter().map(|reading| reading.period).collect();
        for (counted, length, limit) in &limits {
            let slowest = slowest(&parts_of(readings, counted), *length, *limit);
            for (period, reading) in periods.iter_mut().zip(readings) {
                if counted.concerns(reading) {
                    *period = (*period).max(slowest);
                }
            }
        }
        let uses = limits.into_iter().map(|(of, length, limit)| {
            let parts = parts_of(readings, &of);
            let asked = within(&parts, length);
            let actual = parts.iter().zip(&periods);
            let actual: Vec<_> = actual
                .map(|((parts, _), period)| (*parts, *period))
                .collect();
            let used = within(&actual, length);
            Use {
                of,
                limit,
                asked,
                used,
            }
        });
        Self {
            uses: uses.collect(),
            periods,
        }
    }
}

impl Counted {
    fn concerns(&self, reading: &Reading) -> bool {
        match self {
            Self::Records(_) => reading.records > 0,
            Self::Requests { endpoint, .. } => reading.endpoint == endpoint,
        }
    }
}

/// Every limit with its length and what syncs may use of it: all records, and four fifths of a request
/// window.
fn limits_of(records: &VolumeLimits, requests: &[RequestLimit]) -> Vec<(Counted, TimeDelta, i64)> {
    let windows = [RecordWindow::Hour, RecordWindow::Day].into_iter();
    let records = windows.filter_map(|window| {
        let limit = window.limit(records)?;
        Some((Counted::Records(window), window.length(), limit))
    });
    let requests = requests.iter().map(|it| {
        let counted = Counted::Requests {
            endpoint: it.endpoint.clone(),
            window: it.window,
        };
        (counted, it.window.length(), it.limit - it.limit / 5)
    });
    records
        .chain(requests)
        .filter(|(_, _, limit)| *limit > 0)
        .collect()
}

/// What each reading's average run takes of what is counted, in parts, and how often it is due.
fn parts_of(readings: &[Reading], counted: &Counted) -> Vec<(i128, TimeDelta)> {
    let parts = readings.iter().map(|reading| {
        if !counted.concerns(reading) {
            return (0, reading.period);
        }
        let incrementals = i128::from(reading.incrementals.max(0));
        let total = match counted {
            Counted::Records(_) => i128::from(reading.records),
            // An incremental run asks for one page at least.
            Counted::Requests { .. } => i128::from(reading.requests) + incrementals,
        };
        (total * PARTS / (1 + incrementals), reading.period)
    });
    parts.collect()
}

/// What they take together within this time.
fn within(parts: &[(i128, TimeDelta)], length: TimeDelta) -> i64 {
    let sum: i128 = parts
        .iter()
        .map(|(parts, period)| share(*parts, *period, length))
        .sum();
    i64::try_from((sum + PARTS / 2) / PARTS).unwrap_or(i64::MAX)
}

/// What a run every `period` takes within `length`.
fn share(parts: i128, period: TimeDelta, length: TimeDelta) -> i128 {
    let period = i128::from(period.num_milliseconds()).max(1);
    parts * i128::from(length.num_milliseconds()) / period
}

/// How often those can be read that would otherwise take more than the limit: zero if all fits.
fn slowest(parts: &[(i128, TimeDelta)], length: TimeDelta, limit: i64) -> TimeDelta {
    let limit = i128::from(limit) * PARTS;
    let mut by_period: Vec<_> = parts.iter().filter(|(parts, _)| *parts > 0).collect();
    by_period.sort_by_key(|(_, period)| *period);
    let asked = |those: &[&(i128, TimeDelta)]| -> i128 {
        those
            .iter()
            .map(|(parts, period)| share(*parts, *period, length))
            .sum()
    };
    if asked(&by_period) <= limit {
        return TimeDelta::zero();
    }
    // The most frequent ones are slowed down together, as few of them as it takes.
    for slowed in 1..=by_period.len() {
        let (slow, planned) = by_period.split_at(slowed);
        let left = limit - asked(planned);
        if left <= 0 {
            continue;
        }
        let sum: i128 = slow.iter().map(|(parts, _)| parts).sum();
        let every = sum * i128::from(length.num_milliseconds()) / left;
        let every = TimeDelta::milliseconds(i64::try_from(every).unwrap_or(i64::MAX));
        if planned.first().is_none_or(|(_, next)| every <= *next) {
            return every;
        }
    }
    TimeDelta::zero()
}

#[cfg(test)]
#[path = "forecast_tests.rs"]
mod tests;
