//! Known bugs, put back in one at a time: the simulation finds each of them.
//!
//! A bug is put in for the whole process, so they come one after the other in one test. Wants the
//! feature `mutations`, and a build that is optimised.

#![cfg(feature = "mutations")]
#![expect(
    clippy::unwrap_used,
    reason = "a test's helpers may panic as its tests do"
)]

use syncline_model::mutation::{self, Mutation};
use syncline_simulate::{FaultLevel, Plan, run};

/// Seeds that a bug may hide from.
const SEEDS: u64 = 1_000;

#[test]
fn each_known_bug_is_found() {
    let mut hidden = Vec::new();
    println!("| bug | seeds | broken rule |");
    println!("|---|---|---|");
    for bug in Mutation::ALL {
        let found = (0..SEEDS).find_map(|seed| {
            mutation::activate(Some(*bug));
            let rule = broken_rule(seed);
            mutation::activate(None);
            // The seed must hold without the bug, or it is not the bug that was found.
            rule.filter(|_| broken_rule(seed).is_none())
                .map(|rule| (seed, rule))
        });
        match found {
            Some((seed, rule)) => println!("| `{bug:?}` | {} | {rule} |", seed + 1),
            None => {
                println!("| `{bug:?}` | not within {SEEDS} | |");
                hidden.push(bug);
            }
        }
    }
    assert!(hidden.is_empty(), "not found: {hidden:?}");
}

fn broken_rule(seed: u64) -> Option<&'static str> {
    let plan = Plan {
        faults: FaultLevel::Heavy,
        ..Plan::default()
    };
    let report = run(seed, &plan).unwrap();
    report.violations.first().map(|violation| violation.rule)
}
