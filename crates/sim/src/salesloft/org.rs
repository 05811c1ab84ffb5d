//! A team's cost points and settings, and the edits of tests that concern Salesloft.

use std::collections::{BTreeMap, HashSet, VecDeque};

use chrono::{DateTime, TimeDelta, Timelike as _, Utc};
use serde_json::Value as Json;

use super::options::SalesloftOptions;
use super::resource::number;
use super::switches::SalesloftSwitches;
use super::webhook_subscriptions::Subscription;
use crate::tokens::TokenOptions;
use crate::world::{EditError, Team};

#[derive(Debug)]
pub(crate) struct Org {
    pub(crate) switches: SalesloftSwitches,
    pub(super) duplicates_allowed: bool,
    pub(super) one_cadence_per_person: bool,
    /// The tasks that were made with an idempotency key.
    pub(super) task_keys: BTreeMap<String, String>,
    pub(super) subscriptions: Vec<Subscription>,
    points_per_minute: u32,
    /// Points that were spent, oldest first; those of earlier windows are dropped.
    spent: VecDeque<(DateTime<Utc>, u32)>,
}

/// A team's cost points after a request.
#[derive(Debug, Clone, Copy)]
pub(super) struct Points {
    pub(super) cost: u32,
    pub(super) limit: u32,
    pub(super) remaining: u32,
    /// Whether the request was within the limit.
    pub(super) admitted: bool,
}

impl Org {
    pub(crate) fn new(options: &SalesloftOptions) -> Self {
        Self {
            switches: options.switches.clone(),
            duplicates_allowed: options.duplicates_allowed,
            one_cadence_per_person: options.one_cadence_per_person,
            task_keys: BTreeMap::new(),
            subscriptions: Vec::new(),
            points_per_minute: options.points_per_minute,
            spent: VecDeque::new(),
        }
    }

    /// Spends points, if there are enough.
    pub(super) fn take(&mut self, cost: u32, now: DateTime<Utc>) -> Points {
        let used = self.used(now);
        let limit = self.points_per_minute;
        let admitted = used.saturating_add(cost) <= limit;
        if admitted {
            self.spent.push_back((now, cost));
        }
        let used = if admitted { used + cost } else { used };
        Points {
            cost,
            limit,
            remaining: limit.saturating_sub(used),
            admitted,
        }
    }

    /// The points spent in the window of `now`.
    fn used(&mut self, now: DateTime<Utc>) -> u32 {
        let from = if self.switches.rolling_minute {
            now - TimeDelta::seconds(60) + TimeDelta::microseconds(1)
        } else {
            let second = now.with_second(0).and_then(|at| at.with_nanosecond(0));
            second.unwrap_or(now)
        };
        while self.spent.front().is_some_and(|(at, _)| *at < from) {
            self.spent.pop_front();
        }
        self.spent.iter().map(|(_, points)| points).sum()
    }
}

/// Edits that only make sense with Salesloft's API.
impl Team {
    /// Another application of the team spends cost points.
    pub fn spend_points(&mut self, now: DateTime<Utc>, points: u32) {
        self.salesloft.spent.push_back((now, points));
    }

    /// Changes the same fields of many contacts in one go.
    pub fn bulk_update_contacts(
        &mut self,
        now: DateTime<Utc>,
        ids: &[String],
        fields: &Json,
    ) -> Result<(), EditError> {
        let apart = i64::from(!self.salesloft.switches.bulk_edits_share_time);
        for (n, id) in (0_i64..).zip(ids) {
            let at = now + TimeDelta::microseconds(n * apart);
            self.update_contact(at, id, fields)?;
        }
        Ok(())
    }

    /// Archives an account, which stays listed, or restores it.
    pub fn archive_account(
        &mut self,
        now: DateTime<Utc>,
        id: &str,
        archived: bool,
    ) -> Result<(), EditError> {
        self.tick(now);
        let mut account = self.live_account(id)?.clone();
        account.archived_at = archived.then_some(now);
        self.replace_account(now, account);
        Ok(())
    }

    /// Gives a generated team what Salesloft's teams have: tokens, times in microseconds, and accounts with
    /// domains of their own.
    pub(crate) fn become_salesloft(&mut self, options: &SalesloftOptions, at: usize) {
        self.conventions.opens_touch_contacts = options.switches.counters_touch_people;
        // The person shows the cadences.
        self.switches.enrolment_touches_contact = true;
        self.add_lasting_tokens(at, &options.tokens, TokenOptions::of_salesloft_team);
        self.separate_domains();
        self.sharpen_times();
    }

    fn separate_domains(&mut self) {
        let mut known = HashSet::new();
        let accounts = self.accounts.all().iter();
        let twins = accounts.filter(|account| {
            let domain = account.domain.clone();
            domain.is_some_and(|domain| !known.insert(domain))
        });
        let twins: Vec<String> = twins.map(|account| account.id.clone()).collect();
        for id in twins {
            self.accounts.edit_in_place(&id, |account| {
                let domain = account.domain.take().unwrap_or_default();
                account.domain = Some(format!("{}-{domain}", account.id));
            });
        }
    }

    /// The generator counts in milliseconds; this adds microseconds.
    fn sharpen_times(&mut self) {
        for id in self.contact_ids() {
            self.contacts.edit(&id, |contact| {
                let more = microseconds(&contact.id);
                contact.created_at += more;
                contact.updated_at += more;
                for state in &mut contact.states {
                    let more = microseconds(&state.id);
                    state.added_at += more;
                    state.since += more;
                    state.updated_at += more;
                }
            });
        }
        for id in self.account_ids() {
            self.accounts.edit(&id, |account| {
                let more = microseconds(&account.id);
                account.created_at += more;
                account.updated_at += more;
            });
        }
        for id in self.sequence_ids() {
            self.sequences.edit(&id, |sequence| {
                let more = microseconds(&sequence.id);
                sequence.created_at += more;
                sequence.updated_at += more;
            });
        }
    }
}

fn microseconds(id: &str) -> TimeDelta {
    TimeDelta::microseconds(number(id).wrapping_mul(7_919).rem_euclid(1_000))
}
