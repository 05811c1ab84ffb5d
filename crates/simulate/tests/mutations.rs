//! Known bugs, put back in one at a time: the simulation finds each of them.
//!
//! A bug is in for the thread of its test only, so the tests run side by side. They need a build with
//! debug assertions.

#![cfg(debug_assertions)]
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test's helpers may print and panic as its tests do"
)]

use syncline_model::mutation::{self, Mutation};
use syncline_simulate::{FaultLevel, Plan, run};

/// Seeds that a bug may hide from.
const SEEDS: u64 = 1_000;

/// One test per bug, and a list that has to be complete.
macro_rules! found {
    ($($test:ident: $bug:ident,)*) => {
        $(
            #[test]
            fn $test() {
                finds(Mutation::$bug);
            }
        )*

        #[test]
        fn each_known_bug_has_a_test() {
            assert_eq!(Mutation::ALL, [$(Mutation::$bug),*]);
        }
    };
}

found! {
    sweep_after_capped_is_found: SweepAfterCapped,
    delete_without_confirmation_is_found: DeleteWithoutConfirmation,
    not_authorized_confirms_is_found: NotAuthorizedConfirms,
    settle_outside_transaction_is_found: SettleOutsideTransaction,
    stamp_at_request_is_found: StampAtRequest,
    checkpoint_before_rows_is_found: CheckpointBeforeRows,
    lease_not_checked_is_found: LeaseNotChecked,
    clock_aligned_window_is_found: ClockAlignedWindow,
    state_id_not_unique_is_found: StateIdNotUnique,
    checkpoint_ignored_after_wait_is_found: CheckpointIgnoredAfterWait,
    total_is_law_is_found: TotalIsLaw,
    order_is_law_is_found: OrderIsLaw,
    oversized_is_stored_is_found: OversizedIsStored,
    unread_field_rejects_is_found: UnreadFieldRejects,
    limits_of_the_lease_is_found: LimitsOfTheLease,
    budget_not_compared_is_found: BudgetNotCompared,
    unsent_is_charged_is_found: UnsentIsCharged,
    lost_is_free_is_found: LostIsFree,
    future_is_kept_is_found: FutureIsKept,
    future_lease_holds_is_found: FutureLeaseHolds,
    future_records_count_is_found: FutureRecordsCount,
}

/// Prints a row for the table in `docs/simulation.md`.
fn finds(bug: Mutation) {
    let found = (0..SEEDS).find_map(|seed| {
        mutation::activate(Some(bug));
        let rule = broken_rule(seed);
        mutation::activate(None);
        // The seed must hold without the bug, or it is not the bug that was found.
        rule.filter(|_| broken_rule(seed).is_none())
            .map(|rule| (seed, rule))
    });
    let (seed, rule) = found.unwrap_or_else(|| panic!("{bug:?} is not found in {SEEDS} seeds"));
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
