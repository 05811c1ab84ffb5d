use std::collections::BTreeMap;

use super::*;

#[path = "budget_tests/clocks.rs"]
mod clocks;
#[path = "budget_tests/examples.rs"]
mod examples;
#[path = "budget_tests/properties.rs"]
mod properties;

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
        cost: 1,
        limits,
        interactive: false,
        answer_within: TimeDelta::seconds(30),
    }
}

fn used(budget: &Budget, window: RecordWindow, now: Time) -> i64 {
    let counted = budget.records_used(window, now);
    counted.used + counted.reserved
}
