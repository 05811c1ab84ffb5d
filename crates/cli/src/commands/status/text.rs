//! The overview as text: a line for each topic, and an indented line for each name.

use std::fmt::Write as _;

use syncline_model::Time;

use super::{
    customer::{ConnectionBody, CustomerBody, SyncBody},
    overview::{Overview, RunBody, SyncOwnerBody},
};

pub(super) fn of_overview(of: &Overview) -> String {
    let mut page = Page::default();
    page.line(
        "syncline",
        &format!("{} on {}, {}", of.version, of.database.kind, time(of.at)),
    );
    let reasons = match of.health.reasons.as_slice() {
        [] => String::new(),
        reasons => format!(": {}", reasons.join("; ")),
    };
    page.line("health", &format!("{}{reasons}", of.health.status.as_str()));
    page.line(
        "database",
        &format!("answers in {} ms", of.database.round_trip_ms),
    );
    let statuses: Vec<String> = of
        .connections
        .iter()
        .map(|(status, count)| format!("{count} {status}"))
        .collect();
    page.line("connections", &or_none(&statuses.join(", ")));
    for whose in &of.rejected_keys {
        page.name(whose, "the provider rejects its API key: set a valid one");
    }
    runs(&mut page, of);
    page.line(
        "syncs",
        &format!("{} failing, {} behind", of.syncs.failing, of.syncs.behind),
    );
    for sync in &of.syncs.troubled {
        page.name(
            &sync.whose,
            &format!("{}: {}", sync.status.as_str(), sync.reason),
        );
    }
    budgets(&mut page, of);
    let oldest = of
        .webhooks
        .oldest_at
        .map(|at| format!(", the oldest of {}", time(at)));
    page.line(
        "webhooks",
        &format!(
            "{} messages are pending{}, {} endpoints are disabled",
            of.webhooks.backlog,
            oldest.unwrap_or_default(),
            of.webhooks.disabled_endpoints
        ),
    );
    page.line(
        "deletions",
        &format!("{} are held", of.held_deletions.records),
    );
    for held in &of.held_deletions.by_run {
        let (records, objects) = (held.records, held.object.plural());
        page.name(
            &held.whose,
            &format!(
                "{records} {objects}: review them, then apply those of run {}",
                held.run_id
            ),
        );
    }
    page.0
}

fn runs(page: &mut Page, of: &Overview) {
    let runs = &of.runs;
    page.line(
        "runs",
        &format!(
            "{} running, {} waiting, {} queued; the longest wait for a worker is {} s",
            runs.running, runs.waiting, runs.queued, runs.due_lag_seconds
        ),
    );
    for run in &runs.active {
        page.name(&run.whose, &at_work(run));
    }
    let others = runs.running + runs.waiting + runs.queued
        - i64::try_from(runs.active.len()).unwrap_or_default();
    if others > 0 {
        page.more(others);
    }
}

fn at_work(run: &RunBody) -> String {
    let objects = run.object.plural();
    match run.waiting_until {
        Some(until) => format!(
            "{objects} wait until {}{}",
            time(until),
            why(run.waiting_reason)
        ),
        None => format!("{objects} {}, {} records read", run.state, run.records_read),
    }
}

fn why(reason: Option<&str>) -> &'static str {
    match reason {
        Some("records_per_hour") => ": the hourly record limit is reached",
        Some("records_per_day") => ": the daily record limit is reached",
        Some("provider_rate_limit") => ": the provider's request limit is reached",
        _ => "",
    }
}

fn budgets(page: &mut Page, of: &Overview) {
    let Some(least) = of.budgets.first() else {
        page.line("budgets", "no account was used recently");
        return;
    };
    page.line(
        "budgets",
        &format!(
            "least left: {} % of the hour's records, {} % of the day's ({:?})",
            least.hour.percent_left(),
            least.day.percent_left(),
            least.customer_id
        ),
    );
}

pub(super) fn of_customer(found: &[CustomerBody]) -> String {
    let mut page = Page::default();
    for customer in found {
        let whose = format!(
            "{:?} of application {}",
            customer.customer_id, customer.application
        );
        page.line("customer", &whose);
        if customer.connections.is_empty() {
            page.line("connections", "none");
        }
        for connection in &customer.connections {
            of_connection(&mut page, connection);
        }
    }
    page.0
}

fn of_connection(page: &mut Page, connection: &ConnectionBody) {
    let ConnectionBody {
        id,
        provider_name,
        status,
        health,
        syncs,
    } = connection;
    page.line(
        "connection",
        &format!("{id} with {provider_name}, {}", status.as_str()),
    );
    let reason = health.reason.as_ref().map(|reason| format!(": {reason}"));
    let health_line = format!("{}{}", health.status.as_str(), reason.unwrap_or_default());
    page.line("health", &health_line);
    for sync in syncs {
        page.line(&format!("  {}", sync.object.plural()), &of_sync(sync));
    }
}

fn of_sync(sync: &SyncBody) -> String {
    let last = match &sync.last_run {
        Some(run) => match (&run.error_message, run.finished_at) {
            (Some(error), Some(at)) => {
                format!("; the run that ended at {} failed: {error}", time(at))
            }
            (None, Some(at)) => {
                format!("; last read at {}, {} records", time(at), run.records_read)
            }
            (_, None) => format!("; {} records read so far", run.records_read),
        },
        None => "; never read".to_owned(),
    };
    let now = match (sync.state.as_str(), sync.waiting_until, &sync.paused_reason) {
        (_, Some(until), _) => format!("waiting until {}{}", time(until), why(sync.waiting_reason)),
        ("paused", _, Some(reason)) => format!("paused: {reason}"),
        ("idle", ..) => format!("next run at {}", time(sync.next_run_at)),
        (state, ..) => state.to_owned(),
    };
    format!("{now}{last}")
}

fn time(at: Time) -> String {
    at.format("%FT%TZ").to_string()
}

fn or_none(text: &str) -> String {
    if text.is_empty() {
        "none".to_owned()
    } else {
        text.to_owned()
    }
}

/// The width of the names.
const NAME: usize = 18;

#[derive(Default)]
struct Page(String);

impl Page {
    fn line(&mut self, name: &str, what: &str) {
        // Writing to a string can't fail.
        let _ = writeln!(self.0, "{name:<NAME$}{what}");
    }

    /// Customers' ids may contain any characters, so they are shown escaped.
    fn name(&mut self, whose: &SyncOwnerBody, what: &str) {
        let _ = writeln!(self.0, "  {:?}  {what}", whose.customer_id);
    }

    fn more(&mut self, others: i64) {
        let _ = writeln!(self.0, "  and {others} more");
    }
}
