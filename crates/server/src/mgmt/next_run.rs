//! When a sync runs next, and why not sooner.
//!
//! The rules are the scheduler's (`store/src/schedule.rs`); this only describes them.

use syncline_model::{Time, WaitReason};
use syncline_store::{Sync, SyncRun};

/// When the next run starts, or the active one continues, and the reason.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NextRun {
    /// `None`: the sync doesn't run again until an operator or a caller intervenes.
    pub(crate) at: Option<Time>,
    /// `None` if the sync simply follows its schedule.
    pub(crate) reason: Option<&'static str>,
}

impl NextRun {
    /// `active` is the sync's run that has not ended.
    pub(crate) fn of(sync: &Sync, active: Option<&SyncRun>) -> Self {
        if let Some((run, until)) = active.and_then(|run| run.waiting_until.map(|it| (run, it))) {
            return Self::at(until, Some(waits_for(run.waiting_reason)));
        }
        let own = Self::on_its_own(sync, active.is_some());
        match (own.at, sync.account_waits_until) {
            (Some(at), Some(until)) if until > at => Self::at(
                until,
                Some("another run of its provider account waits for records and goes first"),
            ),
            _ => own,
        }
    }

    /// Without regard to other runs of the account.
    fn on_its_own(sync: &Sync, has_active_run: bool) -> Self {
        match sync.triggered_at {
            Some(at) if has_active_run => Self::at(
                at,
                Some("it was triggered and starts when the run under way has ended"),
            ),
            Some(at) => Self::at(at, Some("it was triggered")),
            None if sync.probes => Self::at(
                sync.next_run_at,
                Some("it tries once a day whether the key may read the object now"),
            ),
            None if sync.paused => Self {
                at: None,
                reason: Some("it is paused"),
            },
            None => Self::at(sync.next_run_at, None),
        }
    }

    fn at(at: Time, reason: Option<&'static str>) -> Self {
        Self {
            at: Some(at),
            reason,
        }
    }
}

fn waits_for(reason: Option<WaitReason>) -> &'static str {
    match reason {
        Some(WaitReason::RecordsPerHour) => "its run waits for the hour's records",
        Some(WaitReason::RecordsPerDay) => "its run waits for the day's records",
        Some(WaitReason::ProviderRateLimit) => "its run waits for the provider's request limit",
        None => "its run waits",
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use syncline_model::{Counters, Object, ProviderName, StateName};

    use super::*;

    fn at(minutes: i64) -> Time {
        Time::UNIX_EPOCH + TimeDelta::minutes(minutes)
    }

    /// Due in an hour.
    fn sync() -> Sync {
        Sync {
            id: "s".into(),
            connection_id: "c".into(),
            sync_config_id: "g".into(),
            object: Object::Contact,
            paused: false,
            paused_reason: None,
            probes: false,
            next_run_at: at(60),
            triggered_at: None,
            account_waits_until: None,
            customer_id: "u".into(),
            provider: ProviderName::literal("apollo"),
        }
    }

    fn run(waits: Option<(Time, WaitReason)>) -> SyncRun {
        SyncRun {
            id: "r".into(),
            sync_id: "s".into(),
            application_id: "a".into(),
            customer_id: "u".into(),
            provider: ProviderName::literal("apollo"),
            connection_id: "c".into(),
            object: Object::Contact,
            fields_unread: std::collections::BTreeMap::new(),
            state: if waits.is_some() {
                StateName::Waiting
            } else {
                StateName::Running
            },
            waiting_until: waits.map(|(until, _)| until),
            waiting_reason: waits.map(|(_, reason)| reason),
            started_at: at(0),
            finished_at: None,
            num_records_synced: None,
            counters: Counters::default(),
            coverage: None,
            error_message: None,
            records_reported: None,
            strategy: syncline_model::ReadStrategy::Full,
        }
    }

    fn says_of(sync: &Sync, active: Option<&SyncRun>) -> (Option<Time>, String) {
        let next = NextRun::of(sync, active);
        (next.at, next.reason.unwrap_or_default().to_owned())
    }

    #[test]
    fn a_sync_in_its_rhythm_needs_no_reason() {
        assert_eq!(says_of(&sync(), None), (Some(at(60)), String::new()));
        assert_eq!(
            says_of(&sync(), Some(&run(None))),
            (Some(at(60)), String::new())
        );
    }

    #[test]
    fn a_waiting_run_goes_on_when_its_window_opens() {
        for (reason, word) in [
            (WaitReason::RecordsPerHour, "hour's"),
            (WaitReason::RecordsPerDay, "day's"),
            (WaitReason::ProviderRateLimit, "request limit"),
        ] {
            let waiting = run(Some((at(7), reason)));
            let (next, said) = says_of(&sync(), Some(&waiting));
            assert_eq!(next, Some(at(7)));
            assert!(said.contains(word), "{said}");
        }
    }

    #[test]
    fn another_run_of_the_account_goes_first_if_the_sync_is_due_before() {
        let behind = |until| Sync {
            account_waits_until: Some(until),
            ..sync()
        };
        let (next, said) = says_of(&behind(at(90)), None);
        assert_eq!(next, Some(at(90)));
        assert!(said.contains("goes first"), "{said}");
        assert_eq!(
            says_of(&behind(at(30)), None),
            (Some(at(60)), String::new())
        );
    }

    #[test]
    fn a_paused_sync_has_no_next_run_but_for_a_trigger_or_a_daily_try() {
        let paused = Sync {
            paused: true,
            account_waits_until: Some(at(90)),
            ..sync()
        };
        assert_eq!(says_of(&paused, None), (None, "it is paused".to_owned()));
        let probing = Sync {
            probes: true,
            account_waits_until: None,
            ..paused.clone()
        };
        let (next, said) = says_of(&probing, None);
        assert_eq!(next, Some(at(60)));
        assert!(said.contains("once a day"), "{said}");
        let triggered = Sync {
            triggered_at: Some(at(5)),
            account_waits_until: None,
            ..paused
        };
        assert_eq!(
            says_of(&triggered, None),
            (Some(at(5)), "it was triggered".to_owned())
        );
        let (_, said) = says_of(&triggered, Some(&run(None)));
        assert!(said.contains("when the run under way has ended"), "{said}");
    }
}
