//! The overview: numbers, and the first few names of active runs and of problems. The fields are
//! those of `--json` and must stay compatible: docs/monitoring.md.

use std::collections::BTreeMap;

use serde::Serialize;
use syncline_model::{
    HealthStatus, Object, ProviderLimits, ProviderName, RecordWindow, StateName, Time, VolumeLimits,
};
use syncline_store::{
    AccountBudget, ActiveRuns, Gauges, HeldDeletions, RunAtWork, Store, StoreError, SyncOwner,
    TroubledSync,
};

/// Names that are listed of each kind.
const NAMES: i64 = 10;
/// A longer wait means that there is no worker.
const LATE_AFTER_SECONDS: i64 = 60;

#[derive(Serialize)]
pub(super) struct Overview {
    pub(super) version: &'static str,
    #[serde(with = "syncline_model::time::millis")]
    pub(super) at: Time,
    pub(super) health: OverallHealth,
    pub(super) database: DatabaseBody,
    /// By status.
    pub(super) connections: BTreeMap<&'static str, i64>,
    pub(super) rejected_keys: Vec<SyncOwnerBody>,
    pub(super) runs: RunsBody,
    pub(super) syncs: SyncsBody,
    /// The recently used accounts with the least left.
    pub(super) budgets: Vec<BudgetBody>,
    pub(super) webhooks: WebhooksBody,
    pub(super) held_deletions: HeldBody,
}

#[derive(Serialize)]
pub(super) struct OverallHealth {
    pub(super) status: HealthStatus,
    pub(super) reasons: Vec<String>,
}

#[derive(Serialize)]
pub(super) struct DatabaseBody {
    pub(super) kind: &'static str,
    pub(super) round_trip_ms: u64,
}

#[derive(Clone, Serialize)]
pub(super) struct SyncOwnerBody {
    pub(super) application: String,
    pub(super) customer_id: String,
    pub(super) provider_name: ProviderName,
}

#[derive(Serialize)]
pub(super) struct RunsBody {
    pub(super) running: i64,
    pub(super) waiting: i64,
    pub(super) queued: i64,
    pub(super) due_lag_seconds: i64,
    /// The first ten.
    pub(super) active: Vec<RunBody>,
}

#[derive(Serialize)]
pub(super) struct RunBody {
    #[serde(flatten)]
    pub(super) whose: SyncOwnerBody,
    pub(super) object: Object,
    pub(super) run_id: String,
    pub(super) state: StateName,
    #[serde(with = "syncline_model::time::millis_or_null")]
    pub(super) waiting_until: Option<Time>,
    pub(super) waiting_reason: Option<&'static str>,
    pub(super) records_read: i64,
}

#[derive(Serialize)]
pub(super) struct SyncsBody {
    pub(super) behind: i64,
    pub(super) failing: i64,
    /// The first ten.
    pub(super) troubled: Vec<TroubledBody>,
}

#[derive(Serialize)]
pub(super) struct TroubledBody {
    #[serde(flatten)]
    pub(super) whose: SyncOwnerBody,
    pub(super) object: Object,
    pub(super) status: HealthStatus,
    pub(super) reason: String,
    #[serde(with = "syncline_model::time::millis_or_null")]
    pub(super) last_succeeded_at: Option<Time>,
}

#[derive(Serialize)]
pub(super) struct BudgetBody {
    /// One of the customers that use it.
    pub(super) customer_id: String,
    pub(super) provider_name: ProviderName,
    pub(super) hour: WindowBody,
    pub(super) day: WindowBody,
}

#[derive(Serialize)]
pub(super) struct WindowBody {
    /// Null: any number of records.
    pub(super) limit: Option<i64>,
    pub(super) used: i64,
}

#[derive(Serialize)]
pub(super) struct WebhooksBody {
    pub(super) backlog: i64,
    #[serde(with = "syncline_model::time::millis_or_null")]
    pub(super) oldest_at: Option<Time>,
    pub(super) disabled_endpoints: i64,
}

#[derive(Serialize)]
pub(super) struct HeldBody {
    pub(super) records: i64,
    /// The first ten.
    pub(super) by_run: Vec<HeldRunBody>,
}

#[derive(Serialize)]
pub(super) struct HeldRunBody {
    #[serde(flatten)]
    pub(super) whose: SyncOwnerBody,
    pub(super) object: Object,
    pub(super) records: i64,
    pub(super) run_id: String,
}

pub(super) async fn look(store: &Store, limits: &ProviderLimits) -> Result<Overview, StoreError> {
    let gauges = store.gauges().await?;
    let runs = runs(store, &gauges).await?;
    let syncs = SyncsBody {
        behind: gauges.syncs.iter().map(|it| it.behind).sum(),
        failing: gauges.failing,
        troubled: store
            .troubled_syncs(NAMES)
            .await?
            .into_iter()
            .map(Into::into)
            .collect(),
    };
    let rejected_keys = store
        .rejected_keys(NAMES)
        .await?
        .into_iter()
        .map(Into::into)
        .collect();
    let by_run = store
        .held_deletions(NAMES)
        .await?
        .into_iter()
        .map(Into::into)
        .collect();
    let count =
        |(status, count): &(syncline_model::ConnectionStatus, i64)| (status.as_str(), *count);
    let mut overview = Overview {
        version: env!("CARGO_PKG_VERSION"),
        at: gauges.at,
        health: OverallHealth {
            status: HealthStatus::Healthy,
            reasons: Vec::new(),
        },
        database: DatabaseBody {
            kind: if store.is_embedded() {
                "sqlite"
            } else {
                "postgres"
            },
            round_trip_ms: u64::try_from(gauges.round_trip.as_millis()).unwrap_or(u64::MAX),
        },
        connections: gauges.connections.iter().map(count).collect(),
        rejected_keys,
        runs,
        syncs,
        budgets: budgets(&gauges, limits),
        webhooks: WebhooksBody {
            backlog: gauges.webhooks.messages,
            oldest_at: gauges.webhooks.oldest,
            disabled_endpoints: gauges.webhooks.disabled_endpoints,
        },
        held_deletions: HeldBody {
            records: gauges.held_deletions,
            by_run,
        },
    };
    overview.health = overview.judge();
    Ok(overview)
}

async fn runs(store: &Store, gauges: &Gauges) -> Result<RunsBody, StoreError> {
    let of = |state: StateName| {
        let of_state = |it: &&ActiveRuns| it.state == state;
        gauges.runs.iter().filter(of_state).map(|it| it.runs).sum()
    };
    let lag = gauges
        .due_since
        .map(|since| (gauges.at - since).num_seconds().max(0));
    Ok(RunsBody {
        running: of(StateName::Running),
        waiting: of(StateName::Waiting),
        queued: of(StateName::Queued),
        due_lag_seconds: lag.unwrap_or_default(),
        active: store
            .runs_at_work(NAMES)
            .await?
            .into_iter()
            .map(Into::into)
            .collect(),
    })
}

fn budgets(gauges: &Gauges, limits: &ProviderLimits) -> Vec<BudgetBody> {
    let mut budgets: Vec<BudgetBody> = gauges
        .budgets
        .iter()
        .map(|it| budget(it, &limits.of(it.provider, it.limits), gauges.at))
        .filter(BudgetBody::is_limited)
        .collect();
    budgets.sort_by_key(BudgetBody::permille_left);
    budgets.truncate(usize::try_from(NAMES).unwrap_or_default());
    budgets
}

fn budget(of: &AccountBudget, limits: &VolumeLimits, now: Time) -> BudgetBody {
    let window = |window: RecordWindow| WindowBody {
        limit: window.limit(limits),
        used: of.budget.records_used(window, now).used,
    };
    BudgetBody {
        customer_id: of.customer_id.clone(),
        provider_name: of.provider,
        hour: window(RecordWindow::Hour),
        day: window(RecordWindow::Day),
    }
}

impl BudgetBody {
    fn is_limited(&self) -> bool {
        self.hour.limit.or(self.day.limit).is_some()
    }

    fn permille_left(&self) -> i64 {
        self.hour.permille_left().min(self.day.permille_left())
    }
}

impl WindowBody {
    pub(super) fn percent_left(&self) -> i64 {
        self.permille_left() / 10
    }

    fn permille_left(&self) -> i64 {
        self.limit.map_or(1000, |limit| {
            ((limit - self.used).max(0) * 1000) / limit.max(1)
        })
    }
}

impl Overview {
    fn judge(&self) -> OverallHealth {
        let mut health = OverallHealth {
            status: HealthStatus::Healthy,
            reasons: Vec::new(),
        };
        let lag = self.runs.due_lag_seconds;
        if lag > LATE_AFTER_SECONDS {
            health.note(
                HealthStatus::Failing,
                format!(
                    "due syncs have waited {lag} s for a worker: check that `serve` is running"
                ),
            );
        }
        let rejected = self
            .connections
            .get("unauthorized")
            .copied()
            .unwrap_or_default();
        for (number, what) in [
            (rejected, "connections have a key that the provider rejects"),
            (self.syncs.failing, "syncs failed in their newest run"),
            (
                self.syncs.behind,
                "syncs had no successful run for two periods",
            ),
            (self.held_deletions.records, "deletions wait for approval"),
            (
                self.webhooks.disabled_endpoints,
                "webhook endpoints are disabled",
            ),
        ] {
            if number > 0 {
                health.note(HealthStatus::Degraded, format!("{number} {what}"));
            }
        }
        health
    }
}

impl OverallHealth {
    fn note(&mut self, status: HealthStatus, reason: String) {
        self.status = self.status.max(status);
        self.reasons.push(reason);
    }
}

impl From<SyncOwner> for SyncOwnerBody {
    fn from(whose: SyncOwner) -> Self {
        Self {
            application: whose.application,
            customer_id: whose.customer_id,
            provider_name: whose.provider,
        }
    }
}

impl From<RunAtWork> for RunBody {
    fn from(run: RunAtWork) -> Self {
        Self {
            whose: run.whose.into(),
            object: run.object,
            run_id: run.run_id,
            state: run.state,
            waiting_until: run.until,
            waiting_reason: run.waiting_reason.map(syncline_model::WaitReason::as_str),
            records_read: run.records_read,
        }
    }
}

impl From<TroubledSync> for TroubledBody {
    fn from(sync: TroubledSync) -> Self {
        Self {
            whose: sync.whose.into(),
            object: sync.object,
            status: sync.status,
            reason: sync.reason,
            last_succeeded_at: sync.last_succeeded_at,
        }
    }
}

impl From<HeldDeletions> for HeldRunBody {
    fn from(held: HeldDeletions) -> Self {
        Self {
            whose: held.whose.into(),
            object: held.object,
            records: held.records,
            run_id: held.run_id,
        }
    }
}
