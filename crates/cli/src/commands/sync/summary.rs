//! The result that `syncline sync` prints.

use std::{collections::BTreeMap, time::Duration};

use serde::Serialize;
use syncline_model::{Object, StateName};
use syncline_store::SyncRun;

#[derive(Serialize)]
pub(super) struct Summary {
    objects: BTreeMap<Object, ObjectSummary>,
    seconds: f64,
    records: i64,
    records_per_second: f64,
    requests: i64,
}

#[derive(Serialize)]
struct ObjectSummary {
    status: &'static str,
    records: i64,
    created: i64,
    updated: i64,
    unchanged: i64,
    deleted: i64,
    rejected: i64,
    requests: i64,
    coverage: Option<syncline_model::Coverage>,
    error: Option<String>,
}

impl Summary {
    pub(super) fn new(runs: &[SyncRun], elapsed: Duration) -> Self {
        let seconds = elapsed.as_secs_f64();
        let objects: BTreeMap<_, _> = runs
            .iter()
            .map(|run| (run.object, ObjectSummary::new(run)))
            .collect();
        let records: i64 = objects.values().map(|object| object.records).sum();
        // A scan's requests are counted on each run that it serves, so count them once.
        let requests = runs
            .iter()
            .filter(|run| {
                run.object != Object::SequenceState || !objects.contains_key(&Object::Contact)
            })
            .map(|run| run.counters.requests_made)
            .sum();
        #[expect(clippy::cast_precision_loss, reason = "a rate for people to read")]
        let records_per_second = records as f64 / seconds;
        Self {
            objects,
            seconds,
            records,
            records_per_second,
            requests,
        }
    }
}

impl ObjectSummary {
    fn new(run: &SyncRun) -> Self {
        Self {
            status: if run.state == StateName::Succeeded {
                "SUCCESS"
            } else {
                "FAILURE"
            },
            records: run.num_records_synced.unwrap_or_default(),
            created: run.counters.records_created,
            updated: run.counters.records_updated,
            unchanged: run.counters.records_unchanged,
            deleted: run.counters.records_deleted,
            rejected: run.counters.records_rejected,
            requests: run.counters.requests_made,
            coverage: run.coverage.clone(),
            error: run.error_message.clone(),
        }
    }
}

#[expect(clippy::print_stdout, reason = "the command's answer")]
pub(super) fn print(summary: &Summary, json: bool) -> anyhow::Result<()> {
    if json {
        println!("{}", serde_json::to_string(summary)?);
        return Ok(());
    }
    for (object, own) in &summary.objects {
        println!(
            "{:>16} {:>7} records: {} new, {} changed, {} unchanged, {} deleted, {} rejected",
            object.as_str(),
            own.records,
            own.created,
            own.updated,
            own.unchanged,
            own.deleted,
            own.rejected
        );
    }
    println!(
        "{} records in {:.2} s ({:.0} records/s), {} requests",
        summary.records, summary.seconds, summary.records_per_second, summary.requests
    );
    Ok(())
}
