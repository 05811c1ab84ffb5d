//! Budgets under clocks that were ahead for a while, and of an earlier version.

use super::*;

#[test]
fn what_was_read_while_the_clock_was_ahead_counts_as_of_now() {
    let limits = limits(1_000, 5_000);
    let mut budget = Budget::default();
    budget.settle("before", 300, at(0));
    let ahead = at(3 * DAY);
    budget.reserve(&ask("lost", 100, &limits), ahead).unwrap();
    budget.settle("ahead", 500, ahead);

    let now = at(60_000);
    budget.clamp_future(now);
    let hour = budget.records_used(RecordWindow::Hour, now);
    assert_eq!((hour.used, hour.reserved), (800, 100));
    assert!(budget.reserve(&ask("fits", 100, &limits), now).is_ok());
    let refusal = budget.reserve(&ask("over", 1, &limits), now).unwrap_err();
    assert!(refusal.until <= now + TimeDelta::minutes(63), "{refusal:?}");
    let used = budget.records_used(RecordWindow::Hour, after_minutes(125));
    assert_eq!(
        used.used + used.reserved,
        0,
        "an hour later all of it is over"
    );
}

#[test]
fn what_was_read_for_hours_before_the_clock_leapt_ahead_is_not_forgotten() {
    for ahead in [2, 10, 20, 23, 30, 24 * 30] {
        let mut budget = Budget::default();
        for hour in 0..12 {
            budget.settle("before", 100, after_minutes(hour * 60));
        }
        let leap = ahead * 60;
        for minute in [12 * 60, 12 * 60 + 30] {
            budget.settle("ahead", 100, after_minutes(minute + leap));
        }
        let now = after_minutes(13 * 60);
        budget.clamp_future(now);
        let used = used(&budget, RecordWindow::Day, now);
        assert_eq!(used, 1_400, "{ahead} hours ahead");
    }
}

#[test]
fn the_present_is_not_taken_back() {
    let limits = limits(1_000, 5_000);
    let mut budget = Budget::default();
    // Another process's clock is 5 s ahead of this one's.
    budget.settle("theirs", 100, at(64_000));
    budget
        .reserve(&ask("open", 100, &limits), at(64_000))
        .unwrap();
    budget.refused(
        "contacts/search",
        RequestWindow::Minute,
        at(124_000),
        at(64_000),
    );
    let before = budget.clone();
    budget.clamp_future(at(59_000));
    assert_eq!(budget, before);
}

#[test]
fn what_was_learned_of_request_windows_while_the_clock_was_ahead_holds_from_now() {
    let limits = limits(1_000, 5_000);
    let mut budget = Budget::default();
    let ahead = at(30 * DAY);
    let usage = WindowUsage {
        window: RequestWindow::Hour,
        limit: 100,
        left: 0,
    };
    budget.learn("contacts/search", &[usage], ahead);
    let until = ahead + TimeDelta::minutes(15);
    budget.refused("contacts/search", RequestWindow::Hour, until, ahead);
    let now = at(0);
    budget.clamp_future(now);
    let refusal = budget.reserve(&ask("a", 1, &limits), now).unwrap_err();
    assert_eq!(refusal.until, now + TimeDelta::minutes(15));
    let later = now + TimeDelta::minutes(15);
    assert!(budget.reserve(&ask("b", 1, &limits), later).is_ok());
}

#[test]
fn a_refusal_of_an_earlier_version_still_holds() {
    let text = r#"{"windows":{"contacts/search":{"refused":{"hour":"2026-01-01T00:15:00.000Z"}}}}"#;
    let mut budget: Budget = serde_json::from_str(text).unwrap();
    let now: Time = "2026-01-01T00:00:00Z".parse().unwrap();
    budget.clamp_future(now);
    let limits = limits(1_000, 5_000);
    let refusal = budget.reserve(&ask("a", 1, &limits), now).unwrap_err();
    assert_eq!(refusal.until, now + TimeDelta::minutes(15));
}
