//! Known bugs, reintroduced one at a time: the simulation must find each of them.
//!
//! A bug is active only in the thread of its test, so the tests can run in parallel. They need a
//! build with debug assertions.

#![cfg(debug_assertions)]
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test's helpers may print and panic as its tests do"
)]

use syncline_model::mutation::{self, Mutation};
use syncline_simulate::{FaultLevel, Plan, run};

/// The most seeds that are searched for a bug.
const SEEDS: u64 = 1_000;

/// One test per bug, with the first seed that found it; the list must be complete.
macro_rules! found {
    ($($test:ident: $bug:ident at $seed:literal,)*) => {
        $(
            #[test]
            fn $test() {
                finds(Mutation::$bug, $seed);
            }
        )*

        #[test]
        fn each_known_bug_has_a_test() {
            assert_eq!(Mutation::ALL, [$(Mutation::$bug),*]);
        }
    };
}

found! {
    sweep_after_capped_is_found: SweepAfterCapped at 3,
    delete_without_confirmation_is_found: DeleteWithoutConfirmation at 0,
    not_authorized_confirms_is_found: NotAuthorizedConfirms at 6,
    settle_outside_transaction_is_found: SettleOutsideTransaction at 0,
    stamp_at_request_is_found: StampAtRequest at 1,
    checkpoint_before_rows_is_found: CheckpointBeforeRows at 2,
    lease_not_checked_is_found: LeaseNotChecked at 27,
    clock_aligned_window_is_found: ClockAlignedWindow at 0,
    state_id_not_unique_is_found: StateIdNotUnique at 0,
    checkpoint_ignored_after_wait_is_found: CheckpointIgnoredAfterWait at 0,
    total_is_law_is_found: TrustTotal at 33,
    order_is_law_is_found: TrustOrder at 16,
    oversized_is_stored_is_found: OversizedIsStored at 7,
    unread_field_rejects_is_found: UnreadFieldRejects at 2,
    limits_of_the_lease_is_found: LimitsOfTheLease at 11,
    budget_not_compared_is_found: BudgetNotCompared at 2,
    unsent_is_charged_is_found: UnsentIsCharged at 18,
    lost_is_free_is_found: LostResponseIsFree at 1,
    future_is_kept_is_found: FutureTimesAreKept at 1,
    future_lease_holds_is_found: FutureLeaseHolds at 1,
    future_records_count_is_found: FutureSpendingCounts at 3,
}

/// Runs the seed that found the bug before. A change of the simulation can move it to another seed:
/// then all seeds are searched. With `FROM_THE_FIRST_SEED=1` they are searched anyway, which prints
/// the rows of the table in `docs/simulation.md`.
fn finds(bug: Mutation, known: u64) {
    let search = std::env::var_os("FROM_THE_FIRST_SEED").is_some();
    let known = (!search).then_some(known);
    let found = known.into_iter().chain(0..SEEDS).find_map(|seed| {
        mutation::activate(Some(bug));
        let rule = broken_rule(seed);
        mutation::activate(None);
        // The seed must pass without the bug, otherwise something else was found.
        rule.filter(|_| broken_rule(seed).is_none())
            .map(|rule| (seed, rule))
    });
    let (seed, rule) = found.unwrap_or_else(|| panic!("{bug:?} is not found in {SEEDS} seeds"));
    if known.is_some_and(|known| known != seed) {
        println!("{bug:?} moved: write `at {seed}` in the list");
    }
    println!("| `{bug:?}` | {} | {rule} |", seed + 1);
}

fn broken_rule(seed: u64) -> Option<&'static str> {
    let plan = Plan {
        faults: FaultLevel::Heavy,
        ..Plan::default()
    };
    let report = run(seed, &plan).unwrap();
    report.violations.first().map(|violation| violation.rule)
}
