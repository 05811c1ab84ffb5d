//! Compares the records that were served with the record limits: no hour and no day has more than
//! the largest limit, and the budgets in the tables never count fewer than were served.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use chrono::{DateTime, TimeDelta};
use serde_json::Value;
use syncline_model::Time;

use super::{Checker, Moment};
use crate::{
    clock::LARGEST_OFFSET,
    transport::PERMIT_MAX_AGE,
    wire::{Asked, Served},
};

/// How long a minute counts beyond the window; the budgets' own margin.
const MARGIN: TimeDelta = TimeDelta::seconds(10);
/// An account with more than 200 answers is compared only once in this many steps.
const EVERY: u64 = 32;
const LARGE: usize = 2_000;

#[derive(Default)]
pub(crate) struct BudgetChecks {
    /// Per account, what was served in the last day.
    served: BTreeMap<String, VecDeque<Spent>>,
    /// The sum that all budgets counted after the last step.
    counted: i64,
}

/// The records of one answer.
#[derive(Debug, Clone, Copy)]
struct Spent {
    at: Time,
    /// When its request was sent.
    left_at: Time,
    records: i64,
}

impl BudgetChecks {
    pub(super) fn accounts(&self) -> Vec<String> {
        self.served.keys().cloned().collect()
    }
}

impl Checker {
    pub(super) async fn look_at_books(&mut self, served: &[Served]) -> anyhow::Result<()> {
        let mut spenders = BTreeSet::new();
        for it in served.iter().filter(|it| it.records > 0) {
            // The key's own profile doesn't count as a record.
            if matches!(it.asked, Asked::Other | Asked::Token) {
                continue;
            }
            let own = self.books.served.entry(it.account.clone()).or_default();
            own.push_back(Spent {
                at: it.at,
                left_at: it.left_at,
                records: it.records,
            });
            self.windows_hold(it);
            spenders.insert(&it.account);
        }
        for account in spenders {
            self.budget_knows(account).await?;
        }
        Ok(())
    }

    /// Two answers that are exactly a window apart are never in the same window.
    ///
    /// Windows are measured in true time, as long as no clock jumps ahead. If one does, records
    /// that were read before look as old as that clock says: the tables can't distinguish a jump
    /// from a long idle time. So records count for less time by as much as the sender's clock is ahead
    /// of any clock that may have stamped them. Once the clocks are right again, everything that
    /// was read while they were ahead counts in full.
    fn windows_hold(&mut self, newest: &Served) {
        let account = &newest.account;
        let Some((per_hour, per_day)) = self.limits_of(account, newest) else {
            return;
        };
        let now = self.world.now();
        let own = self.books.served.entry(account.clone()).or_default();
        while own
            .front()
            .is_some_and(|it| now - it.at >= TimeDelta::hours(25))
        {
            own.pop_front();
        }
        let leaps = &self.world.leaps;
        let quiet = leaps.are_none();
        let within = |window: TimeDelta| -> i64 {
            let young = own.iter().rev().take_while(|it| newest.at - it.at < window);
            let counted = young.filter(|it| {
                let looks_older = if quiet {
                    TimeDelta::zero()
                } else {
                    newest.ahead - leaps.least_since(it.left_at - PERMIT_MAX_AGE)
                };
                newest.at - it.at + looks_older < window
            });
            counted.map(|it| it.records).sum()
        };
        let (hour, day) = (within(TimeDelta::hours(1)), within(TimeDelta::days(1)));
        for (what, used, limit) in [("an hour", hour, per_hour), ("a day", day, per_day)] {
            if used > limit {
                let text = format!("{account} was served {used} records within {what}, of {limit}");
                self.violated("no window has more records than its limit", text);
            }
        }
    }

    /// The largest limits, for that request, of the connections that use the account.
    fn limits_of(&self, account: &str, it: &Served) -> Option<(i64, i64)> {
        let team = self.team_of_account(account)?;
        let sharing = self.connections.values().filter(|own| own.team == team);
        let limits = sharing.map(|own| {
            let limits = own.limits_for(it);
            let most = |limit: Option<i64>| limit.unwrap_or(i64::MAX);
            (most(limits.records_per_hour), most(limits.records_per_day))
        });
        limits.reduce(|a, b| (a.0.max(b.0), a.1.max(b.1)))
    }

    fn team_of_account(&self, account: &str) -> Option<usize> {
        match account.split_once(' ')? {
            ("team", number) => number.parse().ok(),
            (_, key) => self.world.team_of(key),
        }
    }

    /// Everything that was served must still count, by the fastest clock, for as long as it is in a
    /// window. Checked for the newest records and for each suffix of the list, since a window may
    /// begin anywhere.
    ///
    /// A clock that is behind stamps records too early, and they count only that long. A clock that
    /// is ahead considers earlier records old, but the budget keeps them: the clock may be wrong.
    pub(super) async fn budget_knows(&mut self, account: &str) -> anyhow::Result<()> {
        let own = self.books.served.get(account).cloned().unwrap_or_default();
        if own.len() > LARGE || (own.len() > 200 && !self.step.is_multiple_of(EVERY)) {
            return Ok(());
        }
        let counted = self.counted(account).await?;
        let leaps = &self.world.leaps;
        let quiet = leaps.are_none();
        let oldest = self.world.now() - TimeDelta::hours(24) + TimeDelta::minutes(2);
        let (mut served, mut missing) = (0, None);
        for it in own.iter().rev().take_while(|it| it.at > oldest) {
            let (mut at, mut looks_older) = (it.at, TimeDelta::zero());
            if !quiet {
                let behind = leaps.least_since(it.left_at - PERMIT_MAX_AGE);
                at += behind;
                looks_older = leaps.furthest_now() - behind;
            }
            if it.at - looks_older <= oldest {
                break;
            }
            served += it.records;
            let still: i64 = counted
                .iter()
                .filter(|(end, _)| *end + MARGIN - LARGEST_OFFSET > at)
                .map(|(_, records)| records)
                .sum();
            if still < served {
                missing = Some((it.at, served, still));
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

    /// A request that provably was not sent doesn't count in the budgets.
    pub(super) async fn what_never_left_is_free(&mut self, moment: &Moment) -> anyhow::Result<()> {
        let mut counted = 0;
        for row in self.tables.budgets().await? {
            counted += counted_in(&row.budget.0)?
                .into_iter()
                .map(|(_, records)| records)
                .sum::<i64>();
        }
        let before = std::mem::replace(&mut self.books.counted, counted);
        if moment.unsent && counted > before {
            let text = format!("the budgets count {counted} records after it, {before} before");
            self.violated("a request that never left costs nothing", text);
        }
        Ok(())
    }

    /// What the account's budget counts: the end of each minute with its records, and the
    /// reservations. While a team's connections don't know the team, they count under their keys.
    async fn counted(&mut self, account: &str) -> anyhow::Result<Vec<(Time, i64)>> {
        let names = self.names_of(account);
        let mut counted = Vec::new();
        for row in self.tables.budgets().await? {
            if !names.contains(&row.id) {
                continue;
            }
            counted.extend(counted_in(&row.budget.0)?);
        }
        Ok(counted)
    }

    fn names_of(&self, account: &str) -> BTreeSet<String> {
        let Some(team) = self.team_of_account(account) else {
            return BTreeSet::new();
        };
        let mut names = self.world.key_accounts(team);
        names.insert(self.world.account_name(team));
        names
    }
}

/// The end of each minute in which a budget counts records, and how many.
fn counted_in(budget: &Value) -> anyhow::Result<Vec<(Time, i64)>> {
    let mut counted = Vec::new();
    for (minute, records) in budget["spent"].as_object().into_iter().flatten() {
        counted.push((end_of(minute.parse()?), records.as_i64().unwrap_or(0)));
    }
    for open in budget["open"].as_array().into_iter().flatten() {
        let latest = time_of(&open["latest"])?;
        let end = end_of(latest.timestamp().div_euclid(60));
        counted.push((end, open["records"].as_i64().unwrap_or(0)));
    }
    Ok(counted)
}

fn end_of(minute: i64) -> Time {
    Time::from_timestamp((minute + 1) * 60, 0).unwrap_or(Time::MAX_UTC)
}

fn time_of(value: &Value) -> anyhow::Result<Time> {
    let text = value.as_str().unwrap_or_default();
    Ok(DateTime::parse_from_rfc3339(text)?.to_utc())
}
