//! Repeated denials of one key: the first of each minute are written one by one, the others are
//! counted and written as one entry. So no key can fill the database with calls that it may not
//! make.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use chrono::TimeDelta;
use syncline_model::{Time, time};
use syncline_store::{Actor, AuditEntry};
use tokio::time::Instant;

/// Entries of a key in a minute that are written one by one.
const UNTHROTTLED: u32 = 60;
const MINUTE: Duration = Duration::from_mins(1);

#[derive(Default)]
pub(super) struct DenialThrottle(Mutex<HashMap<String, Minute>>);

struct Minute {
    since: Time,
    begun: Instant,
    written: u32,
    more: u64,
    /// The last one that was counted.
    last: Option<AuditEntry>,
}

impl DenialThrottle {
    /// The entry, if it is to be written now; and the summary of the key's minute before.
    pub(super) fn note(&self, entry: AuditEntry) -> (Option<AuditEntry>, Option<AuditEntry>) {
        let Actor::Key { id, .. } = &entry.actor else {
            return (Some(entry), None);
        };
        let mut minutes = self.minutes();
        let minute = minutes
            .entry(id.clone())
            .or_insert_with(|| Minute::begin(entry.at));
        let mut told = None;
        if minute.is_over() || entry.at - minute.since >= TimeDelta::minutes(1) {
            told = minute.tell();
            *minute = Minute::begin(entry.at);
        }
        if minute.written < UNTHROTTLED {
            minute.written += 1;
            return (Some(entry), told);
        }
        minute.more += 1;
        minute.last = Some(entry);
        (None, told)
    }

    /// The summaries of minutes that are over.
    pub(super) fn over(&self) -> Vec<AuditEntry> {
        let mut told = Vec::new();
        self.minutes().retain(|_, minute| {
            let over = minute.is_over();
            told.extend(over.then(|| minute.tell()).flatten());
            !over
        });
        told
    }

    /// The summaries of all minutes, including those that are not over.
    pub(super) fn all(&self) -> Vec<AuditEntry> {
        let mut minutes = self.minutes();
        minutes.values_mut().filter_map(Minute::tell).collect()
    }

    fn minutes(&self) -> MutexGuard<'_, HashMap<String, Minute>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Minute {
    fn begin(since: Time) -> Self {
        Self {
            since,
            begun: Instant::now(),
            written: 0,
            more: 0,
            last: None,
        }
    }

    fn is_over(&self) -> bool {
        self.begun.elapsed() >= MINUTE
    }

    fn tell(&mut self) -> Option<AuditEntry> {
        let last = self.last.take()?;
        let more = std::mem::take(&mut self.more);
        let since = time::format(self.since);
        Some(AuditEntry {
            action: "refusal.repeat".to_owned(),
            message: format!(
                "{more} more like it since {since}, of which only this one is shown: {}",
                last.message
            ),
            ..last
        })
    }
}
