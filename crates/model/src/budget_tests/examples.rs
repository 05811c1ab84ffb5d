//! What a budget does, one example each.

use super::*;

#[test]
fn a_reservation_counts_in_full_until_it_is_settled() {
    let limits = limits(150, 1_000);
    let mut budget = Budget::default();
    budget.reserve(&ask("a", 100, &limits), at(0)).unwrap();
    assert_eq!(used(&budget, RecordWindow::Hour, at(1)), 100);
    assert!(budget.reserve(&ask("b", 100, &limits), at(1)).is_err());
    budget.settle("a", 40, at(2));
    assert_eq!(used(&budget, RecordWindow::Hour, at(3)), 40);
    budget.reserve(&ask("b", 100, &limits), at(3)).unwrap();
}

#[test]
fn without_a_limit_any_number_is_granted_and_counted() {
    let (none, some) = (VolumeLimits::NONE, limits(150, 1_000));
    let mut budget = Budget::default();
    for id in ["a", "b"] {
        budget.reserve(&ask(id, 1_000_000, &none), at(0)).unwrap();
    }
    assert_eq!(used(&budget, RecordWindow::Hour, at(1)), 2_000_000);
    assert!(budget.reserve(&ask("c", 1, &some), at(1)).is_err());
}

#[test]
fn a_minute_counts_until_all_of_it_is_an_hour_old_and_the_clocks_agree() {
    let limits = limits(100, 1_000);
    let mut budget = Budget::default();
    budget.reserve(&ask("a", 100, &limits), at(0)).unwrap();
    budget.settle("a", 100, at(2_000));
    let refusal = budget.reserve(&ask("b", 1, &limits), at(3_000));
    let until = after_minutes(61) + CLOCK_MARGIN;
    assert_eq!(
        refusal,
        Err(Refusal {
            until,
            reason: WaitReason::RecordsPerHour
        })
    );
    budget.reserve(&ask("b", 1, &limits), until).unwrap();
}

#[test]
fn what_nobody_settled_counts_from_the_last_moment_it_could_have_come() {
    let limits = limits(100, 1_000);
    let mut budget = Budget::default();
    budget.reserve(&ask("a", 100, &limits), at(50_000)).unwrap();
    let refusal = budget
        .reserve(&ask("b", 100, &limits), after_minutes(30))
        .unwrap_err();
    assert_eq!(refusal.until, after_minutes(62) + CLOCK_MARGIN);
}

#[test]
fn of_two_full_windows_the_later_one_says_when() {
    let limits = limits(100, 200);
    let mut budget = Budget::default();
    budget.settle("early", 100, at(0));
    budget.settle("late", 100, after_minutes(600));
    let refusal = budget
        .reserve(&ask("a", 100, &limits), after_minutes(601))
        .unwrap_err();
    assert_eq!(refusal.reason, WaitReason::RecordsPerDay);
    assert_eq!(refusal.until, after_minutes(24 * 60 + 1) + CLOCK_MARGIN);
    let refusal = budget
        .reserve(&ask("a", 100, &limits), after_minutes(24 * 60 - 1))
        .unwrap_err();
    assert_eq!(refusal.reason, WaitReason::RecordsPerDay);
}

#[test]
fn an_answer_of_unknown_size_reserves_at_most_a_whole_window() {
    let limits = limits(100, 80);
    let mut budget = Budget::default();
    budget.reserve(&ask("a", 5_000, &limits), at(0)).unwrap();
    assert_eq!(used(&budget, RecordWindow::Day, at(1)), 80);
    budget.settle("a", 120, at(2));
    assert_eq!(used(&budget, RecordWindow::Day, at(3)), 120);
}

#[test]
fn a_request_without_records_needs_no_room_for_any() {
    let limits = limits(100, 100);
    let mut budget = Budget::default();
    budget.settle("a", 500, at(0));
    budget.reserve(&ask("b", 0, &limits), at(1)).unwrap();
    assert!(budget.reserve(&ask("c", 1, &limits), at(1)).is_err());
}

#[test]
fn a_refusal_changes_nothing() {
    let limits = limits(100, 100);
    let mut budget = Budget::default();
    budget.settle("a", 100, at(0));
    let before = budget.clone();
    assert!(budget.reserve(&ask("b", 1, &limits), at(1)).is_err());
    assert_eq!(budget, before);
}

#[test]
fn records_of_an_unknown_reservation_count() {
    let mut budget = Budget::default();
    budget.settle("nobody's", 70, at(0));
    assert_eq!(used(&budget, RecordWindow::Hour, at(1)), 70);
}

#[test]
fn a_window_resets_when_its_oldest_minute_leaves() {
    let mut budget = Budget::default();
    let nothing = WindowUse {
        used: 0,
        reserved: 0,
        resets_at: None,
    };
    assert_eq!(budget.records_used(RecordWindow::Hour, at(0)), nothing);
    budget.settle("a", 10, at(0));
    budget.settle("b", 5, after_minutes(20));
    let hour = |now| budget.records_used(RecordWindow::Hour, now);
    assert_eq!(hour(after_minutes(20)).used, 15);
    let first = after_minutes(61) + CLOCK_MARGIN;
    assert_eq!(hour(after_minutes(20)).resets_at, Some(first));
    assert_eq!(hour(first).used, 5);
    let second = after_minutes(81) + CLOCK_MARGIN;
    assert_eq!(hour(first).resets_at, Some(second));
    assert_eq!(hour(second), nothing);
    let day = budget.records_used(RecordWindow::Day, second);
    assert_eq!(day.used, 15);
    assert_eq!(
        day.resets_at,
        Some(after_minutes(24 * 60 + 1) + CLOCK_MARGIN)
    );
}

#[test]
fn what_no_window_counts_is_forgotten() {
    let limits = limits(100, 100);
    let mut budget = Budget::default();
    budget.reserve(&ask("lost", 10, &limits), at(0)).unwrap();
    budget.settle("a", 10, at(0));
    budget.settle("b", 1, after_minutes(24 * 60 + 5));
    assert_eq!(
        used(&budget, RecordWindow::Day, after_minutes(24 * 60 + 5)),
        1
    );
    assert_eq!(
        budget.spent.len(),
        2,
        "it may have been a leap of the clock"
    );
    budget.settle("c", 1, after_minutes(47 * 60 + 30));
    assert_eq!(budget.spent.len(), 2);
    assert!(budget.open.is_empty());
}

#[test]
fn whoever_reads_once_a_day_makes_no_growing_document() {
    let mut budget = Budget::default();
    for day in 0..30 {
        for minute in 0..10 {
            budget.settle("a", 1, after_minutes(day * 24 * 60 + minute));
        }
    }
    assert!(budget.spent.len() <= 20, "{}", budget.spent.len());
}

#[test]
fn what_a_window_still_counts_is_not_forgotten() {
    let mut budget = Budget::default();
    budget.settle("a", 10, at(0));
    let last = after_minutes(24 * 60 + 1) + CLOCK_MARGIN - TimeDelta::milliseconds(1);
    budget.settle("b", 1, last);
    assert_eq!(used(&budget, RecordWindow::Day, last), 11);
}

#[test]
fn a_limit_that_was_lowered_below_what_is_used_holds_from_now_on() {
    let mut budget = Budget::default();
    budget.settle("a", 100, at(0));
    budget.settle("b", 100, after_minutes(10));
    let lower = limits(50, 1_000);
    let refusal = budget
        .reserve(&ask("c", 50, &lower), after_minutes(11))
        .unwrap_err();
    assert_eq!(refusal.until, after_minutes(71) + CLOCK_MARGIN);
}

#[test]
fn a_document_may_have_more_or_less_in_it() {
    let text = r#"{
        "spent": {"29651704": 7}, "surprise": [],
        "open": [{"id": "a", "records": 3, "colour": "red"}],
        "windows": {"contacts/search": {"known": {"hour": {"limit": 200}}}}
    }"#;
    let budget: Budget = serde_json::from_str(text).unwrap();
    assert_eq!(used(&budget, RecordWindow::Hour, at(0)), 7);
    let empty: Budget = serde_json::from_str("{}").unwrap();
    assert_eq!(empty, Budget::default());
}

#[test]
fn a_busy_day_makes_a_small_document() {
    let limits = limits(10_000, 50_000);
    let mut budget = Budget::default();
    for minute in 0..500 {
        let id = minute.to_string();
        let now = after_minutes(minute * 24 * 60 / 500);
        budget.reserve(&ask(&id, 100, &limits), now).unwrap();
        budget.settle(&id, 100, now);
    }
    let size = serde_json::to_string(&budget).unwrap().len();
    println!("{size} bytes");
    assert_eq!(budget.spent.len(), 500);
    assert!(size < 8_000, "{size} bytes");
}

#[test]
fn the_days_records_are_told_by_the_hour() {
    let limits = limits(10_000, 50_000);
    let mut budget = Budget::default();
    for (id, minutes, records) in [("a", 0, 100), ("b", 30, 20), ("c", 61, 3)] {
        budget
            .reserve(&ask(id, 100, &limits), after_minutes(minutes))
            .unwrap();
        budget.settle(id, records, after_minutes(minutes));
    }
    let now = after_minutes(62);
    let hours = [(after_minutes(-58), 100), (after_minutes(2), 23)];
    assert_eq!(budget.records_by_hour(now), hours);
    let tomorrow = now + TimeDelta::hours(25);
    assert!(budget.records_by_hour(tomorrow).is_empty());
}
