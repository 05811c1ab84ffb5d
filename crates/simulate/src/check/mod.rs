//! The invariants, checked after every step on what changed, and on whole tables at the end.
//!
//! The checker reads the tables as a user would, and knows the provider's real records; it keeps a
//! copy of the tables as they were after the last step. One file per group of invariants.

mod books;
mod clocks;
mod deletions;
mod endings;
mod feed;
mod fields;
mod incremental;
mod last;
mod reads;
mod rows;
mod runs;
mod steps;
mod tables;
mod tokens;
mod truth;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    path::Path,
    sync::Arc,
};

use chrono::TimeDelta;
use syncline_model::{Time, VolumeLimits};
use syncline_store::Store;

pub(crate) use tables::{Run, Sync};
pub(crate) use truth::marked;

use self::{
    books::BudgetChecks,
    feed::FeedReaders,
    reads::Reads,
    rows::Rows,
    runs::Runs,
    tables::{HistoryEvent, Tables},
};
use crate::{
    tokens::Vault,
    trace::Trace,
    wire::{FalseAnswer, Served, StepRequest, Wire},
    world::World,
};

/// A violated invariant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The step after which it was found.
    pub step: u64,
    /// The invariant that is violated.
    pub rule: &'static str,
    /// What was found instead, with ids.
    pub text: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "step {}: {}: {}", self.step, self.rule, self.text)
    }
}

/// How long after a change of limits a request may be sent that was permitted before.
const PERMIT_LASTS: TimeDelta = TimeDelta::seconds(30);

/// A connection, for the checker.
#[derive(Debug, Clone)]
pub(crate) struct Connected {
    pub(crate) id: String,
    pub(crate) team: usize,
    /// The largest limits that it has ever had.
    pub(crate) limits: VolumeLimits,
    /// Its present limits, and since when.
    pub(crate) present: (VolumeLimits, Time),
}

impl Connected {
    pub(crate) fn new(id: &str, team: usize, limits: VolumeLimits, now: Time) -> Self {
        Self {
            present: (limits, now),
            id: id.to_owned(),
            team,
            limits,
        }
    }

    /// The limits for a request: the newest ones, unless its permit may be older. A permit is
    /// granted with the page before, so this applies only to the first request of a scan after a
    /// change.
    fn limits_for(&self, it: &Served) -> VolumeLimits {
        let (present, since) = self.present;
        let is_later = it.left_before.is_some_and(|before| before > since);
        if is_later || it.left_at > since + PERMIT_LASTS {
            present
        } else {
            self.limits
        }
    }
}

/// A step, for the checker.
#[derive(Debug, Clone, Default)]
pub(crate) struct Moment {
    pub(crate) step: u64,
    /// The scan of a worker that stepped although another worker had leased the scan.
    pub(crate) overtaken: Option<String>,
    /// The run whose held deletions were applied by hand.
    pub(crate) applied: Option<String>,
    /// Pages that were served and have not reached their process.
    pub(crate) waiting: Vec<StepRequest>,
    /// The clock time of a process that has ticked.
    pub(crate) ticked: Option<Time>,
    /// The step's request provably was not sent.
    pub(crate) unsent: bool,
}

pub(crate) struct Checker {
    tables: Tables,
    world: Arc<World>,
    wire: Arc<Wire>,
    vault: Arc<Vault>,
    /// Connections whose authorization has ended.
    unauthorized: BTreeSet<String>,
    version: Option<i64>,
    step: u64,
    /// Lookups that a run may make.
    lookups_per_run: i64,
    pub(crate) connections: BTreeMap<String, Connected>,
    runs: Runs,
    rows: Rows,
    reads: Reads,
    books: BudgetChecks,
    feeds: FeedReaders,
    syncs: Vec<Sync>,
    history_seen: i64,
    events_seen: i64,
    /// Runs that have an event.
    told: BTreeSet<String>,
    /// What the newest step wrote to the rows' history.
    history: Vec<HistoryEvent>,
    violations: Vec<Violation>,
}

impl Checker {
    pub(crate) async fn new(
        database: &Path,
        wire: Arc<Wire>,
        vault: Arc<Vault>,
        store: Store,
        lookups_per_run: u32,
    ) -> anyhow::Result<Self> {
        Ok(Self {
            tables: Tables::open(database).await?,
            world: wire.world.clone(),
            feeds: FeedReaders::new(store),
            wire,
            vault,
            unauthorized: BTreeSet::new(),
            version: None,
            step: 0,
            lookups_per_run: lookups_per_run.into(),
            connections: BTreeMap::new(),
            runs: Runs::default(),
            rows: Rows::default(),
            reads: Reads::default(),
            books: BudgetChecks::default(),
            syncs: Vec::new(),
            history_seen: 0,
            events_seen: 0,
            told: BTreeSet::new(),
            history: Vec::new(),
            violations: Vec::new(),
        })
    }

    /// Checks what a step changed.
    pub(crate) async fn look(&mut self, moment: &Moment) -> anyhow::Result<()> {
        self.step = moment.step;
        let served = self.wire.take_served();
        self.look_at_reads(&served, &moment.waiting);
        self.pages_are_read_once(&served, &moment.waiting);
        let version = self.tables.version().await?;
        if self.version != Some(version) {
            self.version = Some(version);
            self.look_at_tables(moment).await?;
            self.look_at_tokens().await?;
            self.what_never_left_is_free(moment).await?;
        }
        if let Some(clock) = moment.ticked {
            self.nothing_lies_in_the_future(clock);
        }
        self.look_at_books(&served).await?;
        self.look_at_token_faults();
        self.read_feeds().await?;
        Ok(())
    }

    async fn look_at_tables(&mut self, moment: &Moment) -> anyhow::Result<()> {
        self.history = self.tables.history_after(self.history_seen).await?;
        self.history_seen = self
            .history
            .last()
            .map_or(self.history_seen, |it| it.number);
        self.syncs = self.tables.syncs().await?;
        let ended = self.look_at_runs(moment).await?;
        self.look_at_rows().await?;
        self.look_at_deletions(moment)?;
        self.look_at_events(&ended).await?;
        for run in ended {
            self.look_at_ending(&run).await?;
        }
        Ok(())
    }

    pub(crate) fn violations(&self) -> &[Violation] {
        &self.violations
    }

    pub(crate) fn into_violations(self) -> Vec<Violation> {
        self.violations
    }

    pub(crate) fn violated(&mut self, rule: &'static str, text: String) {
        self.violations.push(Violation {
            step: self.step,
            rule,
            text,
        });
    }

    /// The syncs as they were after the newest step.
    pub(crate) fn syncs(&self) -> &[Sync] {
        &self.syncs
    }

    pub(crate) fn active_runs(&self) -> impl Iterator<Item = &Run> {
        self.runs.active()
    }

    pub(crate) fn run(&self, id: &str) -> Option<&Run> {
        self.runs.get(id).map(|known| &known.row)
    }

    /// Runs that ended and hold deletions.
    pub(crate) fn holding_runs(&self) -> Vec<String> {
        self.runs.holding()
    }

    /// Runs that ended.
    pub(crate) fn runs_ended(&self) -> usize {
        self.runs.ended.values().map(Vec::len).sum()
    }

    /// Adds the final tables to the digest.
    pub(crate) fn sum_up(&self, trace: &mut Trace) {
        let now = self.world.now();
        for known in self.runs.all() {
            trace.note(now, &format!("{:?}", known.row));
        }
        for ((connection, object), copies) in self.rows.all() {
            let deleted = copies.values().filter(|copy| copy.is_deleted).count();
            let stamps = copies.values().map(|copy| copy.stamp).max();
            let line = format!(
                "{connection} {object}: {} rows, {deleted} deleted, {stamps:?}",
                copies.len()
            );
            trace.note(now, &line);
        }
    }

    fn team_of(&self, connection_id: &str) -> usize {
        self.connections[connection_id].team
    }
}

/// False answers about a scan's object, and their kind.
fn lies_of(served: &[Served]) -> impl Iterator<Item = (&str, FalseAnswer)> {
    served.iter().filter_map(|it| {
        let step_request = it.step_request.as_ref()?;
        Some((step_request.scan_id.as_str(), it.lie?))
    })
}

fn ids(ids: &[String]) -> String {
    const SHOWN: usize = 5;
    let shown = ids[..ids.len().min(SHOWN)].join(", ");
    match ids.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}
