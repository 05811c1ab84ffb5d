//! What was served against what may be read: in no hour and no day more than the largest limit, and
//! the budgets in the tables never know of less than was served.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use chrono::{DateTime, TimeDelta};
use serde_json::Value;
use syncline_model::Time;

use super::Checker;
use crate::{
    clock::LARGEST_OFFSET,
    wire::{Asked, Served},
};

/// How long a minute counts beyond the window; the promise that the budgets make to themselves.
const MARGIN: TimeDelta = TimeDelta::seconds(10);
/// How long after a change of limits a request may leave that was permitted before.
const PERMIT_LASTS: TimeDelta = TimeDelta::seconds(30);
/// A budget of a calm month is read now and then only.
const EVERY: u64 = 32;
const LARGE: usize = 2_000;

#[derive(Default)]
pub(crate) struct Books {
    /// Per account, when how many records were served in the last day.
    served: BTreeMap<String, VecDeque<(Time, i64)>>,
}

impl Books {
    pub(super) fn accounts(&self) -> Vec<String> {
        self.served.keys().cloned().collect()
    }
}

impl Checker {
    pub(super) async fn look_at_books(&mut self, served: &[Served]) -> anyhow::Result<()> {
        let mut spenders = BTreeMap::new();
        for it in served.iter().filter(|it| it.records > 0) {
            // The key's own profile is no record that a sync reads.
            if it.asked == Asked::Other {
                continue;
            }
            let own = self.books.served.entry(it.account.clone()).or_default();
            own.push_back((it.at, it.records));
            spenders.insert(it.account.clone(), it.left_at);
        }
        for (account, left_at) in spenders {
            self.windows_hold(&account, left_at);
            self.budget_knows(&account).await?;
        }
        Ok(())
    }

    /// Two answers that are exactly a window apart are in no interval together.
    fn windows_hold(&mut self, account: &str, left_at: Time) {
        let Some((per_hour, per_day)) = self.limits_of(account, left_at) else {
            return;
        };
        let now = self.world.now();
        let own = self.books.served.entry(account.to_owned()).or_default();
        while own
            .front()
            .is_some_and(|(at, _)| now - *at >= TimeDelta::hours(25))
        {
            own.pop_front();
        }
        let Some((newest, _)) = own.back().copied() else {
            return;
        };
        let within = |window: TimeDelta| -> i64 {
            let counted = own.iter().rev().take_while(|(at, _)| newest - *at < window);
            counted.map(|(_, records)| records).sum()
        };
        let (hour, day) = (within(TimeDelta::hours(1)), within(TimeDelta::days(1)));
        for (what, used, limit) in [("an hour", hour, per_hour), ("a day", day, per_day)] {
            if used > limit {
                let text = format!("{account} was served {used} records within {what}, of {limit}");
                self.violated("no window has more records than its limit", text);
            }
        }
    }

    /// The largest limits of the connections that draw from the account, for a request that left
    /// then: those that were set last, unless its permit may be older than that.
    fn limits_of(&self, account: &str, left_at: Time) -> Option<(i64, i64)> {
        let team = self.team_of_account(account)?;
        let sharing = self.connections.values().filter(|it| it.team == team);
        let limits = sharing.map(|it| {
            let (present, since) = it.present;
            let limits = if left_at > since + PERMIT_LASTS {
                present
            } else {
                it.limits
            };
            (limits.records_per_hour, limits.records_per_day)
        });
        limits.reduce(|a, b| (a.0.max(b.0), a.1.max(b.1)))
    }

    fn team_of_account(&self, account: &str) -> Option<usize> {
        match account.split_once(' ')? {
            ("team", number) => number.parse().ok(),
            (_, key) => self.world.team_of(key),
        }
    }

    /// Whatever was served still counts, in the eyes of the fastest clock, for as long as it is in a
    /// window. Told for the newest records and for all from some moment on, since any of those sums
    /// could be the one that a window's beginning cuts off.
    pub(super) async fn budget_knows(&mut self, account: &str) -> anyhow::Result<()> {
        let own = self.books.served.get(account).cloned().unwrap_or_default();
        if own.len() > LARGE || (own.len() > 200 && !self.step.is_multiple_of(EVERY)) {
            return Ok(());
        }
        let counted = self.counted(account).await?;
        let oldest = self.world.now() - TimeDelta::hours(24) + TimeDelta::minutes(2);
        let (mut served, mut missing) = (0, None);
        for (at, records) in own.iter().rev().take_while(|(at, _)| *at > oldest) {
            served += records;
            let still: i64 = counted
                .iter()
                .filter(|(end, _)| *end + MARGIN - LARGEST_OFFSET > *at)
                .map(|(_, records)| records)
                .sum();
            if still < served {
                missing = Some((*at, served, still));
                break;
            }
        }
        if let Some((at, served, still)) = missing {
            let text = format!(
                "{account} was served {served} records since {at}, its budget knows {still}"
            );
            self.violated("the budget counts what was served", text);
        }
        Ok(())
    }

    /// What the account's budget counts: the end of each minute with its records, and what is
    /// reserved. A team whose connections don't know it yet still counts under their keys.
    async fn counted(&mut self, account: &str) -> anyhow::Result<Vec<(Time, i64)>> {
        let names = self.names_of(account);
        let mut counted = Vec::new();
        for row in self.tables.budgets().await? {
            if !names.contains(&row.id) {
                continue;
            }
            let budget = row.budget.0;
            for (minute, records) in budget["spent"].as_object().into_iter().flatten() {
                counted.push((end_of(minute.parse()?), records.as_i64().unwrap_or(0)));
            }
            for open in budget["open"].as_array().into_iter().flatten() {
                let latest = time_of(&open["latest"])?;
                let end = end_of(latest.timestamp().div_euclid(60));
                counted.push((end, open["records"].as_i64().unwrap_or(0)));
            }
        }
        Ok(counted)
    }

    fn names_of(&self, account: &str) -> BTreeSet<String> {
        let Some(team) = self.team_of_account(account) else {
            return BTreeSet::new();
        };
        let mut names = self.world.key_accounts(team);
        names.insert(format!(
            "apollo:team:{}",
            self.world.read(team, |team| team.id().to_owned())
        ));
        names
    }
}

fn end_of(minute: i64) -> Time {
    Time::from_timestamp((minute + 1) * 60, 0).unwrap_or(Time::MAX_UTC)
}

fn time_of(value: &Value) -> anyhow::Result<Time> {
    let text = value.as_str().unwrap_or_default();
    Ok(DateTime::parse_from_rfc3339(text)?.to_utc())
}
