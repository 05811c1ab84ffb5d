//! What `syncline sync` shows while it works: a bar per object, and a line whenever one waits.

use std::collections::BTreeMap;

use syncline_model::{Object, StateName, WaitReason, time};
use syncline_store::SyncRun;

use crate::commands::bars::{Bar, Bars, Stage};

/// The longest name of an object.
const NAME_WIDTH: usize = 15;

/// A sync of the connection.
pub(super) struct Watched {
    pub(super) object: Object,
    /// This command's run.
    pub(super) run: Option<SyncRun>,
    /// A run is active; it may be another process's.
    pub(super) is_blocked: bool,
}

impl Watched {
    fn stage(&self) -> Stage {
        let Some(run) = &self.run else {
            if !self.is_blocked {
                return Stage::Queued;
            }
            return Stage::Waiting {
                read: 0,
                why: "waits for a run of `serve` that is active".to_owned(),
            };
        };
        let read = u64::try_from(run.counters.records_read).unwrap_or_default();
        match (run.state, run.finished_at) {
            (StateName::Succeeded, _) => Stage::Done { read },
            (_, Some(_)) => Stage::Failed { read },
            (StateName::Queued, _) => Stage::Queued,
            _ => match wait_of(run) {
                Some(why) => Stage::Waiting { read, why },
                None => Stage::Running {
                    read,
                    total: total_of(run),
                },
            },
        }
    }
}

/// The provider's total, if it tells one; the number of sequence states is known only when their
/// contacts are read.
fn total_of(run: &SyncRun) -> Option<u64> {
    let total = run
        .records_reported
        .filter(|_| run.object != Object::SequenceState)?;
    u64::try_from(total).ok()
}

fn wait_of(run: &SyncRun) -> Option<String> {
    let why = match run.waiting_reason {
        Some(WaitReason::RecordsPerHour) => "for the hour's records",
        Some(WaitReason::RecordsPerDay) => "for the day's records",
        Some(WaitReason::ProviderRateLimit) | None => "for the provider's request limit",
    };
    let until = time::format(run.waiting_until?);
    Some(format!("waits until {until} {why}"))
}

pub(super) struct Progress {
    all: Bars,
    bars: Vec<(Object, Bar)>,
    quiet: bool,
    /// The last line that was printed for each waiting object.
    said: BTreeMap<Object, String>,
}

impl Progress {
    pub(super) fn new(objects: &[Object], quiet: bool) -> Self {
        let all = Bars::new();
        let bars = objects.iter().map(|object| {
            let bar = if quiet {
                Bar::hidden()
            } else {
                all.add(object.as_str().to_owned(), NAME_WIDTH)
            };
            (*object, bar)
        });
        Self {
            bars: bars.collect(),
            all,
            quiet,
            said: BTreeMap::new(),
        }
    }

    pub(super) fn end(&self) {
        if !self.quiet {
            self.all.end();
        }
    }

    pub(super) fn show(&mut self, watched: &[Watched]) {
        if self.quiet {
            return;
        }
        for one in watched {
            let Some((object, bar)) = self.bars.iter().find(|(own, _)| *own == one.object) else {
                continue;
            };
            let stage = one.stage();
            bar.show(&stage);
            // Once for each wait, also if there is no terminal to draw bars on.
            if let Stage::Waiting { why, .. } = stage
                && self.said.get(object) != Some(&why)
            {
                self.all.say(&format!("{object} {why}"));
                self.said.insert(*object, why);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use syncline_model::{Counters, ProviderName, Time};

    use super::*;

    const AT: Time = Time::UNIX_EPOCH;

    fn run(state: StateName, waiting_until: Option<Time>, finished_at: Option<Time>) -> SyncRun {
        SyncRun {
            id: "r".into(),
            sync_id: "s".into(),
            application_id: "a".into(),
            customer_id: "u".into(),
            provider: ProviderName::literal("apollo"),
            connection_id: "c".into(),
            object: Object::Contact,
            state,
            waiting_until,
            waiting_reason: waiting_until.map(|_| WaitReason::RecordsPerDay),
            started_at: AT,
            finished_at,
            num_records_synced: None,
            counters: Counters::default(),
            coverage: None,
            error_message: None,
            records_reported: Some(7),
            strategy: syncline_model::ReadStrategy::Full,
            fields_unread: std::collections::BTreeMap::new(),
        }
    }

    fn stage_of(run: Option<SyncRun>, is_blocked: bool) -> Stage {
        let watched = Watched {
            object: Object::Contact,
            run,
            is_blocked,
        };
        watched.stage()
    }

    #[test]
    fn what_is_queued_is_neither_under_way_nor_done() {
        assert_eq!(stage_of(None, false), Stage::Queued);
        assert_eq!(
            stage_of(Some(run(StateName::Queued, None, None)), true),
            Stage::Queued
        );
        let running = Stage::Running {
            read: 0,
            total: Some(7),
        };
        assert_eq!(
            stage_of(Some(run(StateName::Running, None, None)), true),
            running
        );
        let done = stage_of(Some(run(StateName::Succeeded, None, Some(AT))), false);
        assert_eq!(done, Stage::Done { read: 0 });
        let failed = stage_of(Some(run(StateName::Stalled, None, Some(AT))), false);
        assert_eq!(failed, Stage::Failed { read: 0 });
    }

    #[test]
    fn a_run_that_waits_says_for_what() {
        let Stage::Waiting { why, .. } =
            stage_of(Some(run(StateName::Waiting, Some(AT), None)), true)
        else {
            panic!("it waits");
        };
        assert_eq!(
            why,
            "waits until 1970-01-01T00:00:00.000Z for the day's records"
        );
    }

    #[test]
    fn a_run_that_can_not_start_says_that_another_goes_first() {
        let Stage::Waiting { why, .. } = stage_of(None, true) else {
            panic!("it waits");
        };
        assert!(why.contains("a run of `serve`"), "{why}");
    }
}
