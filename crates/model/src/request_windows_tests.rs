use proptest::{collection::vec, prelude::*};

use super::*;
use crate::{Ask, Budget, VolumeLimits, WaitReason, budget::Refusal};

const ENDPOINT: &str = "contacts/search";

fn at(millis: i64) -> Time {
    Time::from_timestamp_millis(1_779_102_240_000 + millis).unwrap()
}

fn seconds(seconds: i64) -> Time {
    at(seconds * 1_000)
}

fn reserve(budget: &mut Budget, id: &str, interactive: bool, now: Time) -> Result<(), Refusal> {
    let ask = Ask {
        id,
        endpoint: ENDPOINT,
        records: 0,
        cost: 1,
        limits: &VolumeLimits::default(),
        interactive,
        answer_within: TimeDelta::seconds(30),
    };
    budget.reserve(&ask, now)
}

fn sync(budget: &mut Budget, id: &str, now: Time) -> Result<(), Refusal> {
    reserve(budget, id, false, now)
}

fn answered(budget: &mut Budget, id: &str, usage: (RequestWindow, i64, i64), now: Time) {
    let (window, limit, left) = usage;
    budget.settle(id, 0, now);
    let usage = WindowUsage {
        window,
        limit,
        left,
    };
    budget.learn(ENDPOINT, &[usage], now);
}

fn left(budget: &Budget, now: Time) -> (i64, Option<Time>) {
    let state = budget.request_windows(now).next().unwrap();
    (state.left, state.resets_at)
}

fn until(time: Time) -> Result<(), Refusal> {
    Err(Refusal {
        until: time,
        reason: WaitReason::ProviderRateLimit,
    })
}

mod examples {
    use super::{RequestWindow::*, *};

    #[test]
    fn what_no_answer_told_limits_nothing() {
        let mut budget = Budget::default();
        for id in ["a", "b", "c"] {
            sync(&mut budget, id, at(0)).unwrap();
        }
        assert_eq!(budget.request_windows(at(0)).count(), 0);
    }

    #[test]
    fn each_request_is_counted_and_each_answer_corrects_the_count() {
        let mut budget = Budget::default();
        answered(&mut budget, "a", (Hour, 200, 197), at(0));
        sync(&mut budget, "b", at(1)).unwrap();
        assert_eq!(left(&budget, at(2)), (196, Some(seconds(3_600))));
        // Another client uses the account too.
        answered(&mut budget, "b", (Hour, 200, 150), at(3));
        assert_eq!(left(&budget, at(4)), (150, Some(seconds(3_600))));
    }

    #[test]
    fn an_answer_does_not_bring_back_what_is_on_its_way() {
        let mut budget = Budget::default();
        answered(&mut budget, "a", (Hour, 200, 100), at(0));
        sync(&mut budget, "b", at(1)).unwrap();
        sync(&mut budget, "c", at(1)).unwrap();
        answered(&mut budget, "b", (Hour, 200, 99), at(2));
        assert_eq!(left(&budget, at(3)).0, 98);
        answered(&mut budget, "c", (Hour, 200, 98), at(4));
        assert_eq!(left(&budget, at(5)).0, 98);
    }

    #[test]
    fn syncs_leave_a_fifth_and_interactive_calls_take_it() {
        let mut budget = Budget::default();
        answered(&mut budget, "a", (Minute, 11, 4), at(0));
        sync(&mut budget, "b", at(1)).unwrap();
        assert_eq!(sync(&mut budget, "c", at(2)), until(seconds(60)));
        for id in ["d", "e", "f"] {
            reserve(&mut budget, id, true, at(3)).unwrap();
        }
        assert_eq!(reserve(&mut budget, "g", true, at(4)), until(seconds(60)));
        sync(&mut budget, "h", seconds(60)).unwrap();
    }

    #[test]
    fn of_a_window_of_one_a_sync_may_use_it() {
        let mut budget = Budget::default();
        answered(&mut budget, "a", (Minute, 1, 1), at(0));
        sync(&mut budget, "b", at(1)).unwrap();
        assert!(sync(&mut budget, "c", at(2)).is_err());
    }

    #[test]
    fn a_window_that_has_closed_is_whole_again() {
        let mut budget = Budget::default();
        answered(&mut budget, "a", (Hour, 10, 0), at(0));
        assert_eq!(left(&budget, seconds(3_600)), (10, None));
        for id in 0..8 {
            sync(&mut budget, &id.to_string(), seconds(3_600)).unwrap();
        }
        assert_eq!(left(&budget, seconds(3_600)).0, 2);
        assert!(sync(&mut budget, "8", seconds(3_600)).is_err());
    }

    #[test]
    fn the_next_instance_closes_one_length_after_its_first_answer() {
        let mut budget = Budget::default();
        answered(&mut budget, "a", (Hour, 10, 5), at(0));
        sync(&mut budget, "b", seconds(4_000)).unwrap();
        assert_eq!(left(&budget, seconds(4_000)).1, Some(seconds(7_630)));
        answered(&mut budget, "b", (Hour, 10, 9), seconds(4_005));
        assert_eq!(left(&budget, seconds(4_006)), (9, Some(seconds(7_605))));
        sync(&mut budget, "c", seconds(4_010)).unwrap();
        answered(&mut budget, "c", (Hour, 10, 8), seconds(4_011));
        assert_eq!(left(&budget, seconds(4_012)), (8, Some(seconds(7_605))));
    }

    #[test]
    fn a_smaller_usage_tells_of_the_next_instance() {
        let mut budget = Budget::default();
        sync(&mut budget, "a", at(0)).unwrap();
        answered(&mut budget, "a", (Hour, 200, 100), at(1));
        // Another client had opened it long before we first saw it.
        sync(&mut budget, "b", seconds(600)).unwrap();
        answered(&mut budget, "b", (Hour, 200, 199), seconds(601));
        assert_eq!(left(&budget, seconds(602)), (199, Some(seconds(4_201))));
    }

    #[test]
    fn an_answer_that_was_overtaken_is_not_the_next_instance() {
        let mut budget = Budget::default();
        answered(&mut budget, "a", (Hour, 200, 100), at(0));
        sync(&mut budget, "b", seconds(10)).unwrap();
        sync(&mut budget, "c", seconds(10)).unwrap();
        answered(&mut budget, "c", (Hour, 200, 98), seconds(11));
        answered(&mut budget, "b", (Hour, 200, 99), seconds(12));
        assert_eq!(left(&budget, seconds(13)), (98, Some(seconds(3_600))));
    }

    #[test]
    fn an_answer_around_the_end_of_a_window_does_not_tell_when_the_next_one_closes() {
        let mut budget = Budget::default();
        answered(&mut budget, "a", (Minute, 50, 40), at(0));
        sync(&mut budget, "b", seconds(59)).unwrap();
        // It belongs to the old instance or the next one: until that is known, only what it
        // reported is left.
        answered(&mut budget, "b", (Minute, 50, 39), seconds(61));
        assert_eq!(left(&budget, seconds(61)), (39, Some(seconds(121))));
        sync(&mut budget, "c", seconds(70)).unwrap();
        assert_eq!(left(&budget, seconds(70)), (38, Some(seconds(160))));
        answered(&mut budget, "c", (Minute, 50, 49), seconds(71));
        assert_eq!(left(&budget, seconds(71)), (49, Some(seconds(131))));
    }

    #[test]
    fn an_answer_to_a_request_of_the_window_before_tells_nothing_of_this_one() {
        let mut budget = Budget::default();
        answered(&mut budget, "a", (Minute, 50, 40), at(0));
        sync(&mut budget, "late", seconds(59)).unwrap();
        sync(&mut budget, "b", seconds(61)).unwrap();
        answered(&mut budget, "late", (Minute, 50, 39), seconds(62));
        assert_eq!(left(&budget, seconds(62)), (38, Some(seconds(151))));
        answered(&mut budget, "b", (Minute, 50, 49), seconds(65));
        assert_eq!(left(&budget, seconds(65)), (49, Some(seconds(125))));
    }

    #[test]
    fn a_request_that_never_arrived_opened_no_window() {
        let mut budget = Budget::default();
        answered(&mut budget, "a", (Hour, 10, 0), at(0));
        sync(&mut budget, "lost", seconds(3_600)).unwrap();
        sync(&mut budget, "b", seconds(4_000)).unwrap();
        assert_eq!(left(&budget, seconds(4_000)), (8, Some(seconds(7_630))));
    }

    #[test]
    fn a_request_that_costs_more_needs_more_of_the_window() {
        let mut budget = Budget::default();
        answered(&mut budget, "a", (Minute, 100, 40), at(0));
        let reserve = |budget: &mut Budget, id, cost| {
            let ask = Ask {
                id,
                endpoint: ENDPOINT,
                records: 0,
                cost,
                limits: &VolumeLimits::default(),
                interactive: false,
                answer_within: TimeDelta::seconds(30),
            };
            budget.reserve(&ask, at(1))
        };
        // A fifth is left to callers.
        assert_eq!(reserve(&mut budget, "b", 21), until(seconds(60)));
        reserve(&mut budget, "b", 15).unwrap();
        assert_eq!(reserve(&mut budget, "c", 6), until(seconds(60)));
        reserve(&mut budget, "c", 5).unwrap();
        // What the provider tells doesn't have the one that is still on its way.
        answered(&mut budget, "c", (Minute, 100, 35), at(2));
        assert_eq!(left(&budget, at(2)).0, 20);
    }

    #[test]
    fn a_request_that_costs_more_than_the_window_is_sent_when_nothing_is_used() {
        let mut budget = Budget::default();
        answered(&mut budget, "a", (Minute, 10, 9), at(0));
        let ask = Ask {
            id: "b",
            endpoint: ENDPOINT,
            records: 0,
            cost: 30,
            limits: &VolumeLimits::default(),
            interactive: false,
            answer_within: TimeDelta::seconds(30),
        };
        assert_eq!(budget.reserve(&ask, at(1)), until(seconds(60)));
        budget.reserve(&ask, seconds(60)).unwrap();
    }

    #[test]
    fn after_a_429_nobody_asks_that_endpoint() {
        let mut budget = Budget::default();
        budget.refused(ENDPOINT, Hour, seconds(900), seconds(0));
        for interactive in [false, true] {
            assert_eq!(
                reserve(&mut budget, "a", interactive, at(1)),
                until(seconds(900))
            );
        }
        let elsewhere = Ask {
            id: "b",
            endpoint: "contacts/show",
            records: 0,
            cost: 1,
            limits: &VolumeLimits::default(),
            interactive: false,
            answer_within: TimeDelta::seconds(30),
        };
        budget.reserve(&elsewhere, at(1)).unwrap();
        sync(&mut budget, "a", seconds(900)).unwrap();
    }

    #[test]
    fn a_429_says_when_to_ask_again_though_the_window_might_close_later() {
        for learned_first in [true, false] {
            let mut budget = Budget::default();
            if learned_first {
                answered(&mut budget, "a", (Hour, 200, 0), at(0));
            }
            budget.refused(ENDPOINT, Hour, seconds(900), seconds(0));
            if !learned_first {
                answered(&mut budget, "a", (Hour, 200, 0), at(0));
            }
            assert_eq!(left(&budget, at(1)), (0, Some(seconds(900))));
            assert_eq!(sync(&mut budget, "b", at(1)), until(seconds(900)));
            sync(&mut budget, "b", seconds(900)).unwrap();
            // The retry was too early; a response without a time makes the sync wait for the
            // window.
            answered(&mut budget, "b", (Hour, 200, 0), seconds(901));
            assert_eq!(sync(&mut budget, "c", seconds(902)), until(seconds(4_501)));
            budget.refused(ENDPOINT, Hour, seconds(1_801), seconds(0));
            sync(&mut budget, "c", seconds(1_801)).unwrap();
        }
    }

    #[test]
    fn of_several_full_windows_the_last_to_close_says_when() {
        let mut budget = Budget::default();
        answered(&mut budget, "a", (Minute, 50, 0), at(0));
        answered(&mut budget, "a", (Hour, 200, 0), at(0));
        answered(&mut budget, "a", (Day, 600, 500), at(0));
        assert_eq!(sync(&mut budget, "b", at(1)), until(seconds(3_600)));
    }

    #[test]
    fn a_limit_of_nothing_is_no_limit() {
        let mut budget = Budget::default();
        answered(&mut budget, "a", (Hour, 200, 0), at(0));
        answered(&mut budget, "a", (Hour, 0, 0), at(1));
        sync(&mut budget, "b", at(2)).unwrap();
    }

    #[test]
    fn of_two_records_of_a_window_the_later_one_holds() {
        let (mut ours, mut theirs) = (Budget::default(), Budget::default());
        answered(&mut ours, "a", (Hour, 200, 150), at(0));
        answered(&mut theirs, "b", (Hour, 200, 100), seconds(5));
        theirs.refused(ENDPOINT, Minute, seconds(60), seconds(0));
        ours.merge(theirs);
        assert_eq!(left(&ours, seconds(60)), (100, Some(seconds(3_605))));
        assert_eq!(sync(&mut ours, "c", seconds(6)), until(seconds(60)));
    }

    #[test]
    fn windows_that_closed_long_ago_are_forgotten() {
        let mut budget = Budget::default();
        answered(&mut budget, "a", (Minute, 50, 0), at(0));
        budget.settle("b", 0, seconds(2 * 24 * 3_600));
        assert_eq!(budget, Budget::default());
    }
}

/// A provider with fixed windows; the first request opens each.
struct Provider(Vec<Counted>);

struct Counted {
    window: RequestWindow,
    limit: i64,
    used: i64,
    closes_at: Time,
}

impl Provider {
    fn new(limits: &[(RequestWindow, i64)]) -> Self {
        let counted = |(window, limit): &(RequestWindow, i64)| Counted {
            window: *window,
            limit: *limit,
            used: 0,
            closes_at: at(0),
        };
        Self(limits.iter().map(counted).collect())
    }

    fn count(&mut self, now: Time) -> Vec<WindowUsage> {
        let count = |it: &mut Counted| {
            if now >= it.closes_at {
                it.used = 0;
                it.closes_at = now + it.window.length();
            }
            it.used += 1;
            WindowUsage {
                window: it.window,
                limit: it.limit,
                left: it.limit - it.used,
            }
        };
        self.0.iter_mut().map(count).collect()
    }
}

/// What happens to one request, in milliseconds each.
#[derive(Debug, Clone)]
struct Trip {
    to_the_provider: i64,
    back: i64,
    /// Before the process asks again.
    gap: i64,
    /// The process crashes, and the next one continues.
    lost: bool,
}

fn trips() -> impl Strategy<Value = Vec<Trip>> {
    let trip = (
        0..5_000_i64,
        0..5_000_i64,
        prop_oneof![3 => 0..1_000_i64, 1 => 0..100_000_i64],
        prop::bool::weighted(0.05),
    );
    let trip = trip.prop_map(|(to_the_provider, back, gap, lost)| Trip {
        to_the_provider,
        back,
        gap,
        lost,
    });
    vec(trip, 1..200)
}

enum Event {
    Ask,
    Arrive(usize),
    Answer(usize, Vec<WindowUsage>),
}

/// Runs the trips on several processes, each with one request at a time and all sharing one budget.
/// Returns what the provider reported for each request.
fn travel(trips: &[Trip], processes: usize, provider: &mut Provider) -> Vec<Vec<WindowUsage>> {
    let mut budget = Budget::default();
    let mut said = Vec::new();
    let mut next = 0;
    let mut events: BTreeMap<(i64, usize), Event> =
        (0..processes).map(|it| ((0, it), Event::Ask)).collect();
    while let Some(((time, process), event)) = events.pop_first() {
        let (time, event) = match event {
            Event::Ask if next == trips.len() => continue,
            Event::Ask => match sync(&mut budget, &next.to_string(), at(time)) {
                Ok(()) => {
                    next += 1;
                    let trip = next - 1;
                    (time + trips[trip].to_the_provider, Event::Arrive(trip))
                }
                Err(refusal) => ((refusal.until - at(0)).num_milliseconds(), Event::Ask),
            },
            Event::Arrive(trip) => {
                let usage = provider.count(at(time));
                said.push(usage.clone());
                (time + trips[trip].back, Event::Answer(trip, usage))
            }
            Event::Answer(trip, usage) => {
                if !trips[trip].lost {
                    budget.settle(&trip.to_string(), 0, at(time));
                    budget.learn(ENDPOINT, &usage, at(time));
                }
                (time + trips[trip].gap, Event::Ask)
            }
        };
        events.insert((time, process), event);
    }
    said
}

proptest! {
    #[test]
    fn processes_that_share_a_budget_never_go_below_the_fifth(
        trips in trips(), processes in 1..4_usize, minute in 15..60_i64, hour in 15..100_i64,
    ) {
        let limits = [(RequestWindow::Minute, minute), (RequestWindow::Hour, hour)];
        for usage in travel(&trips, processes, &mut Provider::new(&limits)) {
            for WindowUsage { window, limit, left } in usage {
                prop_assert!(left >= fifth(limit), "{left} of {limit} left of a {window:?}");
            }
        }
    }
}

#[test]
fn a_sync_gets_four_fifths_of_each_window_and_hardly_waits_longer_than_it_must() {
    let trip = Trip {
        to_the_provider: 200,
        back: 300,
        gap: 10,
        lost: false,
    };
    let trips = vec![trip; 160 * 5];
    for processes in 1..=3 {
        let mut provider =
            Provider::new(&[(RequestWindow::Minute, 50), (RequestWindow::Hour, 200)]);
        let said = travel(&trips, processes, &mut provider);
        assert_eq!(said.len(), 160 * 5);
        let last = provider.0[1].closes_at - at(0);
        assert!(
            last < TimeDelta::hours(5) + TimeDelta::minutes(1),
            "{last} with {processes} processes"
        );
    }
}
