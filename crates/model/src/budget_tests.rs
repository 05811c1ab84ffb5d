use std::collections::BTreeMap;

use proptest::{collection::vec, prelude::*};

use super::*;

const DAY: i64 = 24 * 60 * 60 * 1000;

/// A time this many milliseconds after the start of some minute.
fn at(millis: i64) -> Time {
    Time::from_timestamp_millis(1_779_102_240_000 + millis).unwrap()
}

fn after_minutes(minutes: i64) -> Time {
    at(minutes * 60_000)
}

fn limits(per_hour: i64, per_day: i64) -> VolumeLimits {
    VolumeLimits {
        records_per_hour: Some(per_hour),
        records_per_day: Some(per_day),
        ..VolumeLimits::default()
    }
}

fn ask<'a>(id: &'a str, records: i64, limits: &'a VolumeLimits) -> Ask<'a> {
    Ask {
        id,
        endpoint: "contacts/search",
        records,
        limits,
        interactive: false,
        answer_within: TimeDelta::seconds(30),
    }
}

fn used(budget: &Budget, window: RecordWindow, now: Time) -> i64 {
    let counted = budget.records_used(window, now);
    counted.used + counted.reserved
}

mod examples {
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
}

/// One request of many, and what happens to it.
#[derive(Debug, Clone)]
struct Request {
    /// Milliseconds since the previous one.
    gap: i64,
    records: i64,
    answer_within: i64,
    /// As a percentage of `answer_within`.
    answered_after: i64,
    /// As a percentage of what was reserved; `None`: all of it came, but it was never settled.
    settled: Option<i64>,
    /// How far the clock is off when the request is granted and when it is answered.
    skew: (i64, i64),
}

/// Gaps that are often close to whole minutes, where a minute's records begin to count.
fn requests(longest_gap: i64) -> impl Strategy<Value = Vec<Request>> {
    let gap = prop_oneof![
        3 => 0..longest_gap,
        1 => (0..longest_gap / 60_000).prop_map(|it| it * 60_000),
        1 => (1..=longest_gap / 60_000).prop_map(|it| it * 60_000 - 1),
    ];
    let skew = || prop_oneof![Just(-5_000), Just(5_000), -5_000..=5_000_i64];
    let request = (
        gap,
        1..=100_i64,
        prop_oneof![Just(30_000), 1..=1_800_000_i64],
        prop_oneof![Just(0), Just(100), 0..=100_i64],
        prop::option::weighted(0.8, prop_oneof![Just(100), 0..=100_i64]),
        (skew(), skew()),
    );
    let request = request.prop_map(
        |(gap, records, answer_within, answered_after, settled, skew)| Request {
            gap,
            records,
            answer_within,
            answered_after,
            settled,
            skew,
        },
    );
    vec(request, 1..150)
}

enum Event {
    Ask,
    Settle(i64),
}

/// Runs the requests, repeating refused ones when they were told to, and returns what the provider
/// sent and when. `drifting`: the budget's clock is off, so its time can step back; otherwise the
/// provider's clock is off.
fn served(requests: &[Request], limits: &VolumeLimits, drifting: bool) -> Vec<(i64, i64)> {
    let read = |time: i64, skew: i64| at(time + if drifting { skew } else { 0 });
    let truth = |time: i64, skew: i64| time + if drifting { 0 } else { skew };
    let mut events = BTreeMap::new();
    let mut time = 0;
    for (index, request) in requests.iter().enumerate() {
        time += request.gap;
        events.insert((time, index), Event::Ask);
    }
    let mut budget = Budget::default();
    let mut served = Vec::new();
    while let Some(((time, index), event)) = events.pop_first() {
        let request = &requests[index];
        let id = index.to_string();
        match event {
            Event::Settle(records) => budget.settle(&id, records, read(time, request.skew.1)),
            Event::Ask => {
                let ask = Ask {
                    answer_within: TimeDelta::milliseconds(request.answer_within),
                    ..ask(&id, request.records, limits)
                };
                match budget.reserve(&ask, read(time, request.skew.0)) {
                    Ok(()) => {
                        let answered = time + request.answer_within * request.answered_after / 100;
                        let share = request.settled.unwrap_or(100);
                        let records = request.records * share / 100;
                        served.push((truth(answered, request.skew.1), records));
                        if request.settled.is_some() {
                            events.insert((answered, index), Event::Settle(records));
                        }
                    }
                    Err(refusal) => {
                        let until = (refusal.until - at(0)).num_milliseconds();
                        let early = if drifting { request.skew.0 } else { 0 };
                        events.insert((until - early, index), Event::Ask);
                    }
                }
            }
        }
    }
    served
}

/// The most records in any interval of that length, both ends included.
fn most_within(served: &[(i64, i64)], length: i64) -> i64 {
    let from = |begin: i64| {
        let within = served
            .iter()
            .filter(|(time, _)| (begin..=begin + length).contains(time));
        within.map(|(_, records)| records).sum()
    };
    let begins = served.iter().map(|(time, _)| from(*time));
    begins.max().unwrap_or_default()
}

/// A change to a budget, at any time and in any order.
#[derive(Debug, Clone)]
enum Change {
    Reserve {
        id: u8,
        records: i64,
        interactive: bool,
    },
    Settle {
        id: u8,
        records: i64,
    },
    Learn {
        window: RequestWindow,
        limit: i64,
        left: i64,
    },
    Refused {
        window: RequestWindow,
        seconds: i64,
    },
}

fn changes() -> impl Strategy<Value = Vec<(i64, Change)>> {
    let window = || {
        prop::sample::select(vec![
            RequestWindow::Minute,
            RequestWindow::Hour,
            RequestWindow::Day,
        ])
    };
    let change = prop_oneof![
        4 => (0..30_u8, -5..400_i64, any::<bool>()).prop_map(|(id, records, interactive)| {
            Change::Reserve { id, records, interactive }
        }),
        3 => (0..30_u8, -5..400_i64).prop_map(|(id, records)| Change::Settle { id, records }),
        2 => (window(), -1..20_i64, -5..30_i64)
            .prop_map(|(window, limit, left)| Change::Learn { window, limit, left }),
        1 => (window(), -5..7_200_i64)
            .prop_map(|(window, seconds)| Change::Refused { window, seconds }),
    ];
    vec((-DAY..DAY, change), 0..60)
}

/// Calls `refused` for each refusal, with the budget that refused.
fn apply(changes: &[(i64, Change)], refused: impl Fn(&Budget, &Ask<'_>, Time, Refusal)) -> Budget {
    let limits = limits(300, 1_000);
    let mut budget = Budget::default();
    for (time, change) in changes {
        let now = at(*time);
        match change {
            Change::Reserve {
                id,
                records,
                interactive,
            } => {
                let id = id.to_string();
                let ask = Ask {
                    interactive: *interactive,
                    ..ask(&id, *records, &limits)
                };
                if let Err(refusal) = budget.reserve(&ask, now) {
                    refused(&budget, &ask, now, refusal);
                }
            }
            Change::Settle { id, records } => budget.settle(&id.to_string(), *records, now),
            Change::Learn {
                window,
                limit,
                left,
            } => {
                let usage = WindowUsage {
                    window: *window,
                    limit: *limit,
                    left: *left,
                };
                budget.learn("contacts/search", &[usage], now);
            }
            Change::Refused { window, seconds } => {
                let until = now + TimeDelta::seconds(*seconds);
                budget.refused("contacts/search", *window, until, now);
            }
        }
    }
    budget
}

fn both(budget: &Budget, now: Time) -> [i64; 2] {
    [RecordWindow::Hour, RecordWindow::Day].map(|window| used(budget, window, now))
}

proptest! {
    #[test]
    fn no_hour_has_more_records_than_its_limit(
        requests in requests(600_000), limit in 100..500_i64, drifting: bool,
    ) {
        let served = served(&requests, &limits(limit, 1_000_000), drifting);
        prop_assert!(most_within(&served, DAY / 24) <= limit);
    }

    #[test]
    fn no_day_has_more_records_than_its_limit(
        requests in requests(7_200_000),
        per_hour in 100..500_i64,
        per_day in 100..2_000_i64,
        drifting: bool,
    ) {
        let served = served(&requests, &limits(per_hour, per_day), drifting);
        prop_assert!(most_within(&served, DAY / 24) <= per_hour);
        prop_assert!(most_within(&served, DAY) <= per_day);
    }

    #[test]
    fn a_refused_request_is_granted_when_it_was_told_to_ask_again_and_not_before(
        changes in changes(),
    ) {
        apply(&changes, |budget, ask, now, Refusal { until, .. }| {
            assert!(until > now);
            assert!(budget.clone().reserve(ask, until).is_ok());
            let before = until - TimeDelta::milliseconds(1);
            assert!(budget.clone().reserve(ask, before).is_err());
        });
    }

    #[test]
    fn a_budget_is_the_same_after_it_was_stored(changes in changes()) {
        let budget = apply(&changes, |_, _, _, _| ());
        let text = serde_json::to_string(&budget).unwrap();
        prop_assert_eq!(serde_json::from_str::<Budget>(&text).unwrap(), budget);
    }

    #[test]
    fn credentials_bring_along_what_was_spent_and_only_once(
        ours in changes(), theirs in changes(), time in -DAY..DAY,
    ) {
        let (ours, theirs) = (apply(&ours, |_, _, _, _| ()), apply(&theirs, |_, _, _, _| ()));
        let mut once = ours.clone();
        once.take_over_spending(&theirs);
        let mut twice = once.clone();
        twice.take_over_spending(&theirs);
        prop_assert_eq!(&twice, &once);
        for window in [RecordWindow::Hour, RecordWindow::Day] {
            let now = at(time);
            prop_assert!(used(&once, window, now) >= used(&ours, window, now));
            prop_assert!(used(&once, window, now) >= used(&theirs, window, now));
        }
    }

    #[test]
    fn two_accounts_that_are_one_have_spent_what_both_have(
        ours in changes(), theirs in changes(), time in -DAY..DAY,
    ) {
        let (ours, theirs) = (apply(&ours, |_, _, _, _| ()), apply(&theirs, |_, _, _, _| ()));
        let now = at(time);
        let ([hour, day], [their_hour, their_day]) = (both(&ours, now), both(&theirs, now));
        let mut merged = ours;
        merged.merge(theirs);
        prop_assert_eq!(both(&merged, now), [hour + their_hour, day + their_day]);
    }
}

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
