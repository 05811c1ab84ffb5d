//! A seed gives the same run each time, and a fixed set of seeds passes.

#![expect(
    clippy::unwrap_used,
    reason = "a test's helpers may panic as its tests do"
)]

use std::thread;

use syncline_simulate::{FaultLevel, Plan, run};

fn heavy() -> Plan {
    Plan {
        faults: FaultLevel::Heavy,
        ..Plan::default()
    }
}

#[test]
fn a_seed_is_the_same_run_each_time() {
    for seed in [1, 2, 3] {
        let (once, again) = (run(seed, &heavy()).unwrap(), run(seed, &heavy()).unwrap());
        assert_eq!(once.digest, again.digest, "seed {seed}");
        assert!(once.steps > 10, "seed {seed}");
    }
}

#[test]
fn other_seeds_are_other_runs() {
    let (one, other) = (run(1, &heavy()).unwrap(), run(2, &heavy()).unwrap());
    assert_ne!(one.digest, other.digest);
}

#[test]
fn nothing_falls_where_everything_goes_wrong() {
    all_hold(FaultLevel::Heavy, 1..=16);
}

#[test]
fn nothing_falls_where_little_goes_wrong() {
    all_hold(FaultLevel::Light, 1..=5);
}

/// A seed in which a lookup of a hidden contact failed after one scan and was forbidden after the
/// next.
#[test]
fn a_hidden_contact_stays_where_lookups_are_forbidden_now_and_then() {
    all_hold(FaultLevel::Light, 274_558_830..=274_558_830);
}

#[test]
fn nothing_falls_where_nothing_goes_wrong() {
    all_hold(FaultLevel::None, 1..=4);
}

/// Two at a time, because each mostly waits for its database's thread.
fn all_hold(faults: FaultLevel, seeds: std::ops::RangeInclusive<u64>) {
    let seeds: Vec<u64> = seeds.collect();
    let fallen: Vec<String> = thread::scope(|scope| {
        let halves: Vec<_> = seeds
            .chunks(seeds.len().div_ceil(2))
            .map(|half| {
                scope.spawn(move || {
                    half.iter()
                        .flat_map(|seed| fallen(*seed, faults))
                        .collect::<Vec<_>>()
                })
            })
            .collect();
        halves
            .into_iter()
            .flat_map(|half| half.join().unwrap())
            .collect()
    });
    assert!(fallen.is_empty(), "{}", fallen.join("\n"));
}

fn fallen(seed: u64, faults: FaultLevel) -> Vec<String> {
    let plan = Plan {
        faults,
        ..Plan::default()
    };
    let report = run(seed, &plan).unwrap();
    let fallen = report.violations.iter();
    fallen.map(|it| format!("seed {seed} {it}")).collect()
}
