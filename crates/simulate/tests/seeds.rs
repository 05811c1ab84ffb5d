//! A seed gives the same run each time, and a fixed set of seeds passes.

#![expect(
    clippy::unwrap_used,
    reason = "a test's helpers may panic as its tests do"
)]

use std::{collections::BTreeSet, thread};

use syncline_model::ProviderName;
use syncline_simulate::{FaultLevel, Plan, run};

const PROVIDERS: [ProviderName; 3] = [
    ProviderName::literal("apollo"),
    ProviderName::literal("outreach"),
    ProviderName::literal("salesloft"),
];

fn heavy(provider: ProviderName) -> Plan {
    Plan {
        faults: FaultLevel::Heavy,
        provider: Some(provider),
        ..Plan::default()
    }
}

#[test]
fn a_seed_is_the_same_run_each_time() {
    for provider in PROVIDERS {
        let plan = heavy(provider);
        for seed in [1, 2, 3] {
            let (once, again) = (run(seed, &plan).unwrap(), run(seed, &plan).unwrap());
            assert_eq!(once.digest, again.digest, "{provider}, seed {seed}");
            assert!(once.steps > 10, "{provider}, seed {seed}");
        }
    }
}

#[test]
fn other_seeds_are_other_runs() {
    let plan = heavy(PROVIDERS[0]);
    let (one, other) = (run(1, &plan).unwrap(), run(2, &plan).unwrap());
    assert_ne!(one.digest, other.digest);
}

#[test]
fn a_seed_draws_its_provider() {
    let drawn = (1..=12).map(|seed| run(seed, &Plan::default()).unwrap().provider);
    let drawn: BTreeSet<ProviderName> = drawn.collect();
    assert_eq!(drawn, PROVIDERS.into());
}

#[test]
fn nothing_falls_at_apollo_where_everything_goes_wrong() {
    all_hold(PROVIDERS[0], FaultLevel::Heavy, 1..=16);
}

#[test]
fn nothing_falls_at_outreach_where_everything_goes_wrong() {
    all_hold(PROVIDERS[1], FaultLevel::Heavy, 1..=8);
}

#[test]
fn nothing_falls_at_salesloft_where_everything_goes_wrong() {
    all_hold(PROVIDERS[2], FaultLevel::Heavy, 1..=16);
}

#[test]
fn nothing_falls_where_little_goes_wrong() {
    for provider in PROVIDERS {
        all_hold(provider, FaultLevel::Light, 1..=5);
    }
}

/// A seed in which a lookup of a hidden contact failed after one scan and was forbidden after the
/// next.
#[test]
fn a_hidden_contact_stays_where_lookups_are_forbidden_now_and_then() {
    all_hold(PROVIDERS[0], FaultLevel::Light, 274_558_830..=274_558_830);
}

#[test]
fn nothing_falls_where_nothing_goes_wrong() {
    for provider in PROVIDERS {
        all_hold(provider, FaultLevel::None, 1..=4);
    }
}

/// Two at a time, because each mostly waits for its database's thread.
fn all_hold(provider: ProviderName, faults: FaultLevel, seeds: std::ops::RangeInclusive<u64>) {
    let plan = Plan {
        faults,
        provider: Some(provider),
        ..Plan::default()
    };
    let seeds: Vec<u64> = seeds.collect();
    let fallen: Vec<String> = thread::scope(|scope| {
        let halves: Vec<_> = seeds
            .chunks(seeds.len().div_ceil(2))
            .map(|half| {
                let plan = &plan;
                scope.spawn(move || {
                    half.iter()
                        .flat_map(|seed| fallen(*seed, plan))
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

fn fallen(seed: u64, plan: &Plan) -> Vec<String> {
    let report = run(seed, plan).unwrap();
    let fallen = report.violations.iter();
    let provider = report.provider;
    fallen
        .map(|it| format!("seed {seed} of {provider} {it}"))
        .collect()
}
