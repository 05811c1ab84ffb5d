//! What holds for budgets with any requests and changes: no window is ever exceeded.

use proptest::{collection::vec, prelude::*};

use super::*;

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
