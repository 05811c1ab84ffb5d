//! Timestamps in the future. A clock that was ahead, and is right again, must not delay anything
//! for longer than a period, a lease or a window.

use chrono::TimeDelta;
use syncline_model::Time;

use super::Checker;

/// The largest difference between the processes' clocks while they are right.
const MARGIN: TimeDelta = TimeDelta::seconds(10);
/// How long a lease lasts.
const LEASE: TimeDelta = TimeDelta::seconds(30);
/// The interval at which forbidden objects are tried.
const PROBE: TimeDelta = TimeDelta::hours(24);
/// The longest time that a run is deferred: by a daily window, whose first record came with a slow
/// answer.
const LONGEST_WAIT: TimeDelta = TimeDelta::minutes(24 * 60 + 5);

impl Checker {
    /// Checked after a process with this time on its clock has ticked.
    pub(super) fn nothing_lies_in_the_future(&mut self, clock: Time) {
        let latest = clock + MARGIN;
        let mut found = Vec::new();
        for sync in &self.syncs {
            let within = match sync.paused_cause.as_deref() {
                None if !sync.paused => TimeDelta::milliseconds(sync.period_ms),
                // A triggered sync is rescheduled when its run ends.
                Some("forbidden")
                    if sync.triggered_at.is_none() && self.runs.active_of(&sync.id).is_none() =>
                {
                    PROBE
                }
                _ => continue,
            };
            if sync.next_run_at.0 > latest + within {
                found.push(format!("{} starts at {}", sync.object, sync.next_run_at.0));
            }
        }
        for run in self.runs.active() {
            let (within, put_off_at) = match run.state.as_str() {
                "queued" => (TimeDelta::zero(), None),
                "running" => (LEASE, None),
                _ => (LONGEST_WAIT, run.put_off_at),
            };
            let too_late = run.due_at.0 > latest + within;
            if too_late || put_off_at.is_some_and(|at| at.0 > latest) {
                found.push(format!(
                    "a run of {} is {} until {}",
                    run.object, run.state, run.due_at.0
                ));
            }
        }
        if !found.is_empty() {
            let text = format!("at {clock}: {}", found.join("; "));
            self.violated("a stamp of the future is taken back", text);
        }
    }
}
