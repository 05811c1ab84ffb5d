//! What enrichment tells later: jobs that are carried out when they are due, the callbacks with their
//! results, and the results for those who poll.
//!
//! Nothing here waits. A job is carried out, and charged for, by the first call after its due time, as of
//! its due time.

mod ask;
mod job;
mod phones;
mod waterfall;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use sha2::{Digest as _, Sha256};

use self::job::{Job, Kind};
use super::ApolloOptions;
use super::reply::mix;
use crate::callback::Callback;
use crate::dialect::span;
use crate::world::Team;

pub(super) use self::ask::LateAsk;
pub(super) use self::waterfall::second;

/// A team's late results.
#[derive(Debug)]
pub(crate) struct Late {
    delay: TimeDelta,
    twice: bool,
    lost: bool,
    /// Makes the ids of different teams different.
    salt: u64,
    requests: u64,
    jobs: u64,
    /// By due time; the number keeps the order of jobs that are due together.
    waiting: BTreeMap<(DateTime<Utc>, u64), Job>,
    /// The people whose phone numbers are on their way.
    in_progress: BTreeSet<String>,
    outbox: VecDeque<(i64, String, Bytes)>,
    results: HashMap<i64, LateResult>,
}

/// The result of a job that was carried out.
#[derive(Debug)]
pub(super) struct LateResult {
    pub(super) kind: Kind,
    pub(super) since: DateTime<Utc>,
    pub(super) body: Bytes,
    pub(super) dispatched_at: Option<DateTime<Utc>>,
    pub(super) failure: Option<String>,
}

impl Late {
    pub(crate) fn new(options: &ApolloOptions, team_id: &str) -> Self {
        let digest = Sha256::digest(team_id.as_bytes());
        let salt = digest.iter().take(8);
        Self {
            delay: span(options.callback_delay),
            twice: options.callbacks_twice,
            lost: options.callbacks_lost,
            salt: salt.fold(0, |salt, byte| salt << 8 | u64::from(*byte)),
            requests: 0,
            jobs: 0,
            waiting: BTreeMap::new(),
            in_progress: BTreeSet::new(),
            outbox: VecDeque::new(),
            results: HashMap::new(),
        }
    }

    pub(crate) fn pending(&self) -> usize {
        self.waiting.len() + self.outbox.len()
    }

    /// A new id for a request, over the whole range: half of them are negative.
    fn request_id(&mut self) -> i64 {
        self.requests += 1;
        mix(self.salt ^ self.requests).cast_signed()
    }

    fn add(&mut self, job: Job) {
        if job.kind == Kind::Phones {
            let ids = job.people.iter().map(|person| person.id.clone());
            self.in_progress.extend(ids);
        }
        self.jobs += 1;
        self.waiting.insert((job.due, self.jobs), job);
    }

    /// Whether the request has a job that is not carried out yet.
    pub(super) fn is_waiting(&self, request_id: i64) -> bool {
        let mut jobs = self.waiting.values();
        jobs.any(|job| job.request_id == request_id)
    }

    pub(super) fn result(&self, request_id: i64) -> Option<&LateResult> {
        self.results.get(&request_id)
    }

    pub(crate) fn note_delivery(
        &mut self,
        now: DateTime<Utc>,
        request_id: i64,
        delivery: Result<(), String>,
    ) {
        if let Some(result) = self.results.get_mut(&request_id) {
            result.dispatched_at = Some(now);
            result.failure = delivery.err();
        }
    }

    fn take_due(&mut self, now: DateTime<Utc>) -> Option<Job> {
        let first = self.waiting.first_entry()?;
        let (due, _) = first.key();
        (*due <= now).then(|| first.remove())
    }

    /// Keeps the result, and puts the callback with it into the outbox unless callbacks get lost.
    fn finish(&mut self, job: Job, body: Bytes) {
        if job.kind == Kind::Phones {
            for person in &job.people {
                self.in_progress.remove(&person.id);
            }
        }
        if !self.lost {
            let callback = (job.request_id, job.url, body.clone());
            self.outbox.push_back(callback);
        }
        let result = LateResult {
            kind: job.kind,
            since: job.due,
            body,
            // The sender can't tell a lost callback from one that arrived.
            dispatched_at: self.lost.then_some(job.due),
            failure: None,
        };
        self.results.insert(job.request_id, result);
    }
}

impl Team {
    /// Carries out the jobs that are due. One for which the credits don't suffice finds nothing.
    pub(crate) fn finish_late(&mut self, now: DateTime<Utc>) {
        while let Some(job) = self.late.take_due(now) {
            let charges = job.charges();
            let price: u64 = charges.iter().map(|charge| charge.credits).sum();
            let paid = price <= self.credits();
            let body = job.body(paid);
            if paid {
                for charge in charges {
                    self.charge(charge);
                }
            }
            self.late.finish(job, Bytes::from(body));
        }
    }

    /// Takes the callbacks that are due; `at` is the team's index.
    pub(crate) fn take_callbacks(&mut self, at: usize, now: DateTime<Utc>) -> Vec<Callback> {
        self.finish_late(now);
        let times = if self.late.twice { 2 } else { 1 };
        let mut due = Vec::new();
        while let Some((request_id, url, body)) = self.late.outbox.pop_front() {
            let callback = Callback {
                team: at,
                url,
                body,
                request_id,
            };
            due.extend(std::iter::repeat_n(callback, times));
        }
        due
    }
}
