//! Gauges that are read from the database. The label values are closed sets: no customer, no id.

use syncline_model::{
    Budget, ConnectionStatus, ProviderLimits, RecordWindow, StateName, Time, WaitReason,
};
use syncline_store::{ActiveRuns, Gauges};

use super::exposition::{Family, Sample};

/// States of runs that have not ended, with the reasons that they may have.
const STATES: [(StateName, Option<WaitReason>); 5] = [
    (StateName::Queued, None),
    (StateName::Running, None),
    (StateName::Waiting, Some(WaitReason::RecordsPerHour)),
    (StateName::Waiting, Some(WaitReason::RecordsPerDay)),
    (StateName::Waiting, Some(WaitReason::ProviderRateLimit)),
];

/// Without the database only the build and `syncline_database_up 0` are shown.
pub(super) fn families(gauges: Option<&Gauges>, limits: &ProviderLimits) -> Vec<Family> {
    let mut families = vec![
        build_info(),
        Family::single(
            "syncline_database_up",
            "Whether the database answered when it was asked for these gauges.",
            if gauges.is_some() { 1.0 } else { 0.0 },
        ),
    ];
    if let Some(gauges) = gauges {
        families.extend(of_database(gauges));
        families.extend(of_syncs(gauges));
        families.extend(of_budgets(gauges, limits));
        families.extend(of_webhooks(gauges));
        families.extend(of_destinations(gauges));
    }
    families
}

fn build_info() -> Family {
    Family {
        name: "syncline_build_info",
        help: "The version of this program; the value is always 1.",
        samples: vec![sample(&[("version", env!("CARGO_PKG_VERSION"))], 1.0)],
    }
}

fn of_database(gauges: &Gauges) -> [Family; 3] {
    let pools = |value: fn(&syncline_store::PoolUse) -> u32, state: &'static str| {
        gauges
            .pools
            .iter()
            .map(move |it| sample(&[("pool", it.pool), ("state", state)], f64::from(value(it))))
    };
    [
        Family::single(
            "syncline_database_round_trip_seconds",
            "How long a statement without any work took, the wait for a connection included.",
            gauges.round_trip.as_secs_f64(),
        ),
        Family {
            name: "syncline_database_pool_connections",
            help: "Connections of this process to the database, by pool and whether they are in use.",
            samples: pools(|it| it.used, "used")
                .chain(pools(|it| it.idle, "idle"))
                .collect(),
        },
        Family {
            name: "syncline_database_pool_max_connections",
            help: "The most connections that this process opens, by pool.",
            samples: gauges
                .pools
                .iter()
                .map(|it| sample(&[("pool", it.pool)], f64::from(it.most)))
                .collect(),
        },
    ]
}

fn of_syncs(gauges: &Gauges) -> Vec<Family> {
    vec![
        Family::single(
            "syncline_due_lag_seconds",
            "How long the run or sync that is due longest has waited for a worker.",
            age(gauges.due_since, gauges.at),
        ),
        Family {
            name: "syncline_runs",
            help: "Runs that have not ended, by state and what they wait for.",
            samples: STATES
                .iter()
                .map(|(state, reason)| {
                    let reason_word = reason.map_or("", WaitReason::as_str);
                    let is_it = |it: &&ActiveRuns| {
                        it.state == *state
                            && (*state != StateName::Waiting || it.waiting_reason == *reason)
                    };
                    let runs: i64 = gauges.runs.iter().filter(is_it).map(|it| it.runs).sum();
                    sample(
                        &[("state", state.as_str()), ("reason", reason_word)],
                        number(runs),
                    )
                })
                .collect(),
        },
        Family {
            name: "syncline_syncs_behind",
            help: "Syncs that are not paused and had no success for two periods, by object; counted to \
                   100000.",
            samples: gauges
                .syncs
                .iter()
                .map(|it| sample(&[("object", it.object.as_str())], number(it.behind)))
                .collect(),
        },
        Family {
            name: "syncline_last_success_age_seconds",
            help: "How long ago the sync that is behind most succeeded last, by object; for one \
                   that never has, how old it is.",
            samples: gauges
                .syncs
                .iter()
                .map(|it| {
                    let seconds = age(it.oldest_success, gauges.at);
                    sample(&[("object", it.object.as_str())], seconds)
                })
                .collect(),
        },
        Family::single(
            "syncline_syncs_failing",
            "Syncs whose newest run failed; counted to 100000.",
            number(gauges.failing),
        ),
        Family {
            name: "syncline_connections",
            help: "Connections, by status.",
            samples: ConnectionStatus::ALL
                .iter()
                .map(|status| {
                    let of = gauges.connections.iter().find(|(it, _)| it == status);
                    let count = of.map_or(0, |(_, count)| *count);
                    sample(&[("status", status.as_str())], number(count))
                })
                .collect(),
        },
        Family::single(
            "syncline_held_deletions",
            "Rows whose deletion waits for approval; counted to 100000.",
            number(gauges.held_deletions),
        ),
    ]
}

fn of_budgets(gauges: &Gauges, limits: &ProviderLimits) -> [Family; 2] {
    let used = || {
        gauges
            .budgets
            .iter()
            .map(|it| (&it.budget, limits.of(it.provider, it.limits)))
    };
    let least = |window: RecordWindow| {
        used()
            .filter_map(|(budget, limits)| {
                let limit = window.limit(&limits)?;
                let used = budget.records_used(window, gauges.at).used;
                Some(ratio(limit - used, limit))
            })
            .fold(1.0, f64::min)
    };
    [
        Family {
            name: "syncline_budget_left_ratio",
            help: "The smallest share of records that a recently used provider account may still read \
                   in this hour or day, from 0 to 1.",
            samples: vec![
                sample(&[("window", "hour")], least(RecordWindow::Hour)),
                sample(&[("window", "day")], least(RecordWindow::Day)),
            ],
        },
        Family::single(
            "syncline_request_limit_left_ratio",
            "The smallest share of requests that a provider leaves a recently used account in any \
             window of any endpoint, from 0 to 1.",
            used()
                .map(|(budget, _)| requests_left(budget, gauges.at))
                .fold(1.0, f64::min),
        ),
    ]
}

fn requests_left(budget: &Budget, now: Time) -> f64 {
    budget
        .request_windows(now)
        .map(|window| ratio(window.left, window.limit))
        .fold(1.0, f64::min)
}

fn of_webhooks(gauges: &Gauges) -> [Family; 3] {
    let webhooks = &gauges.webhooks;
    [
        Family::single(
            "syncline_webhook_backlog",
            "Messages that wait for delivery to enabled webhook endpoints; counted to 100000.",
            number(webhooks.messages),
        ),
        Family::single(
            "syncline_webhook_backlog_age_seconds",
            "How old the oldest of them is.",
            age(webhooks.oldest, gauges.at),
        ),
        Family::single(
            "syncline_webhook_endpoints_disabled",
            "Webhook endpoints that Syncline disabled because they kept failing.",
            number(webhooks.disabled_endpoints),
        ),
    ]
}

fn of_destinations(gauges: &Gauges) -> [Family; 3] {
    let destinations = &gauges.destinations;
    [
        Family::single(
            "syncline_destinations_failing",
            "Destinations that could not be written when it was tried last.",
            number(destinations.failing),
        ),
        Family::single(
            "syncline_destination_failing_age_seconds",
            "For how long the one that fails longest has failed.",
            age(destinations.failing_since, gauges.at),
        ),
        Family::single(
            "syncline_destination_connections_behind",
            "Connections with changes that a destination lacks; counted to 100000.",
            number(destinations.connections_behind),
        ),
    ]
}

fn sample(labels: &[(&'static str, &'static str)], value: f64) -> Sample {
    Sample {
        labels: labels.to_vec(),
        value,
    }
}

fn age(since: Option<Time>, now: Time) -> f64 {
    let age = since.and_then(|since| (now - since).to_std().ok());
    age.unwrap_or_default().as_secs_f64()
}

/// A limit of 0 counts as unused.
fn ratio(left: i64, limit: i64) -> f64 {
    if limit <= 0 {
        return 1.0;
    }
    (number(left) / number(limit)).clamp(0.0, 1.0)
}

#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
fn number(count: i64) -> f64 {
    count as f64
}
