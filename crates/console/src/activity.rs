//! Runs and records over time, from the newest runs: what the charts show.

use syncline_model::Time;

use crate::{
    failure::Failure,
    parts::{Bars, start_of_charts},
    resources::{Coverage, Listed, Run},
    viewer::Viewer,
};

pub(crate) struct Activity {
    /// How far back the charts go.
    pub(crate) since: Time,
    pub(crate) runs: Bars,
    pub(crate) records: Bars,
    pub(crate) coverage: Bars,
}

/// The newest runs of the last day that match `filter`, such as `&customer_id=x`. Where there are more
/// than a page of them, the charts begin later. Charts don't move: they are drawn with the page.
pub(crate) async fn of_runs(viewer: &Viewer, filter: &str) -> Result<Option<Activity>, Failure> {
    if viewer.live_parts_only {
        return Ok(None);
    }
    let path = format!("/mgmt/v2/sync-runs?page_size=1000{filter}");
    let listed: Listed<Run> = viewer.get(&path).await?;
    let oldest = listed.results.last().filter(|_| listed.next.is_some());
    let since = start_of_charts(oldest.map(|run| run.start_timestamp), viewer.now);
    let mut runs = Bars::between(since, viewer.now, "Runs", ("succeeded", "failed"));
    let mut records = Bars::between(since, viewer.now, "Records read", ("records", ""));
    let mut coverage = Bars::between(since, viewer.now, "Coverage", ("whole", "partial"));
    for run in listed.results {
        if let Some(at) = run.end_timestamp {
            let succeeded = run.state == "succeeded";
            runs.add(at, i64::from(succeeded), i64::from(!succeeded));
            records.add(at, run.records_read(), 0);
            let whole = run.coverage.as_ref().is_some_and(Coverage::is_whole);
            coverage.add(at, i64::from(whole), i64::from(!whole));
        }
    }
    Ok(Some(Activity {
        since,
        runs,
        records,
        coverage,
    }))
}
