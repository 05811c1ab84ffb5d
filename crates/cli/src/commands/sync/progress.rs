//! What `syncline sync` shows while it works: a bar per object, and a line whenever one has to wait.

use std::collections::BTreeMap;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use syncline_model::{Object, Time, WaitReason, time};
use syncline_store::{Sync, SyncRun};

/// A sync that was asked for, with its newest run.
pub(super) struct Watched {
    pub(super) sync: Sync,
    pub(super) run: Option<SyncRun>,
}

/// Why an object isn't read just now.
#[derive(Debug, PartialEq, Eq)]
struct Wait {
    until: Time,
    reason: &'static str,
}

pub(super) struct Progress {
    bars: Vec<(Object, ProgressBar)>,
    all: MultiProgress,
    quiet: bool,
    /// What was said of each object that waits.
    said: BTreeMap<Object, String>,
}

impl Watched {
    /// The run that was asked for has ended.
    pub(super) fn is_done(&self) -> bool {
        self.sync.triggered_at.is_none() && self.run.as_ref().is_some_and(has_ended)
    }

    /// The run that was asked for, or one that has to end before it.
    fn current_run(&self) -> Option<&SyncRun> {
        let asked_for = self.sync.triggered_at.is_none();
        self.run.as_ref().filter(|run| asked_for || !has_ended(run))
    }

    fn wait(&self) -> Option<Wait> {
        match self.current_run() {
            Some(run) => Some(Wait {
                until: run.waiting_until?,
                reason: match run.waiting_reason {
                    Some(WaitReason::RecordsPerHour) => "for the hour's records",
                    Some(WaitReason::RecordsPerDay) => "for the day's records",
                    Some(WaitReason::ProviderRateLimit) | None => {
                        "for the provider's request limit"
                    }
                },
            }),
            None => Some(Wait {
                until: self.sync.account_waits_until?,
                reason: "because another run of the provider account waits for records",
            }),
        }
    }
}

fn has_ended(run: &SyncRun) -> bool {
    run.finished_at.is_some()
}

impl Progress {
    pub(super) fn new(objects: &[Object], quiet: bool) -> Self {
        let style = ProgressStyle::with_template("{prefix:>16} {bar:12} {pos:>6}/{len:<6} {msg}")
            .unwrap_or_else(|_| ProgressStyle::default_bar());
        let all = MultiProgress::new();
        let bars = objects.iter().map(|object| {
            let bar = if quiet {
                ProgressBar::hidden()
            } else {
                all.add(ProgressBar::new(0))
            };
            bar.set_style(style.clone());
            bar.set_prefix(object.as_str());
            (*object, bar)
        });
        Self {
            bars: bars.collect(),
            all,
            quiet,
            said: BTreeMap::new(),
        }
    }

    pub(super) fn show(&mut self, watched: &[Watched]) {
        for one in watched {
            let object = one.sync.object;
            let wait = one.wait();
            if let Some((_, bar)) = self.bars.iter().find(|(own, _)| *own == object) {
                draw(bar, one, wait.as_ref());
            }
            if let Some(wait) = wait {
                self.say(object, &wait);
            }
        }
    }

    /// Once for each wait; also where there is no terminal to draw bars on.
    fn say(&mut self, object: Object, wait: &Wait) {
        let line = format!(
            "{object} waits until {} {}",
            time::format(wait.until),
            wait.reason
        );
        if self.quiet || self.said.get(&object) == Some(&line) {
            return;
        }
        if self.all.is_hidden() || self.all.println(&line).is_err() {
            eprintln!("{line}");
        }
        self.said.insert(object, line);
    }
}

fn draw(bar: &ProgressBar, one: &Watched, wait: Option<&Wait>) {
    let run = one.current_run();
    if let Some(run) = run {
        let read = u64::try_from(run.counters.records_read).unwrap_or_default();
        let reported = run
            .records_reported
            .and_then(|total| u64::try_from(total).ok());
        let total = match one.sync.object {
            // Their number is known only when their contacts are read.
            Object::SequenceState => None,
            _ => reported,
        };
        // An empty bar, not a full one, until something is read.
        bar.set_length(total.unwrap_or(read).max(read).max(1));
        bar.set_position(read);
        bar.set_message(run.state.clone());
    }
    if let Some(wait) = wait {
        bar.set_message(format!("waits until {}", time::format(wait.until)));
    }
    if one.is_done() {
        bar.abandon();
    }
}

#[cfg(test)]
mod tests {
    use syncline_model::{Counters, ProviderName};

    use super::*;

    const STARTED: Time = Time::UNIX_EPOCH;

    /// Asked for, and not started yet.
    fn asked_for(run: Option<SyncRun>) -> Watched {
        let sync = Sync {
            id: "s".into(),
            connection_id: "c".into(),
            sync_config_id: "g".into(),
            object: Object::Contact,
            paused: false,
            paused_reason: None,
            probes: false,
            next_run_at: STARTED,
            triggered_at: Some(STARTED),
            account_waits_until: Some(Time::MAX_UTC),
            customer_id: "u".into(),
            provider: ProviderName::Apollo,
        };
        Watched { sync, run }
    }

    fn started(run: SyncRun) -> Watched {
        let mut watched = asked_for(Some(run));
        watched.sync.triggered_at = None;
        watched
    }

    fn run(waiting_until: Option<Time>, finished_at: Option<Time>) -> SyncRun {
        SyncRun {
            id: "r".into(),
            sync_id: "s".into(),
            application_id: "a".into(),
            customer_id: "u".into(),
            provider: ProviderName::Apollo,
            connection_id: "c".into(),
            object: Object::Contact,
            state: "any".into(),
            waiting_until,
            waiting_reason: waiting_until.map(|_| WaitReason::RecordsPerDay),
            started_at: STARTED,
            finished_at,
            num_records_synced: None,
            counters: Counters::default(),
            coverage: None,
            error_message: None,
            records_reported: None,
        }
    }

    #[test]
    fn a_run_that_waits_says_for_what() {
        let wait = started(run(Some(STARTED), None)).wait();
        assert_eq!(wait.map(|wait| wait.reason), Some("for the day's records"));
        assert_eq!(started(run(None, None)).wait(), None);
    }

    #[test]
    fn a_run_that_can_not_start_says_that_another_goes_first() {
        for earlier in [None, Some(run(None, Some(STARTED)))] {
            let watched = asked_for(earlier);
            assert!(!watched.is_done());
            assert_eq!(watched.wait().map(|wait| wait.until), Some(Time::MAX_UTC));
        }
    }

    #[test]
    fn only_the_run_that_was_asked_for_ends_the_wait() {
        assert!(started(run(None, Some(STARTED))).is_done());
        assert!(!started(run(None, None)).is_done());
    }
}
