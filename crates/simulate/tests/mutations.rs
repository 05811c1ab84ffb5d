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

use syncline_model::{
    ProviderName,
    mutation::{self, Mutation},
};
use syncline_simulate::{FaultLevel, Plan, run};

const APOLLO: ProviderName = ProviderName::literal("apollo");
const OUTREACH: ProviderName = ProviderName::literal("outreach");
const SALESLOFT: ProviderName = ProviderName::literal("salesloft");

/// The most seeds that are searched for a bug.
const SEEDS: u64 = 1_000;

/// One test per bug, with the provider and the first seed that found it; the list must be complete.
macro_rules! found {
    ($($test:ident: $bug:ident with $provider:ident at $seed:literal,)*) => {
        $(
            #[test]
            fn $test() {
                finds(Mutation::$bug, $provider, $seed);
            }
        )*

        #[test]
        fn each_known_bug_has_a_test() {
            assert_eq!(Mutation::ALL, [$(Mutation::$bug),*]);
        }
    };
}

found! {
    sweep_after_capped_is_found: SweepAfterCapped with APOLLO at 6,
    partial_read_sweeps_is_found: PartialReadSweeps with SALESLOFT at 0,
    tie_is_lost_is_found: TieIsLost with SALESLOFT at 7,
    delete_without_confirmation_is_found: DeleteWithoutConfirmation with APOLLO at 0,
    not_authorized_confirms_is_found: NotAuthorizedConfirms with APOLLO at 2,
    settle_outside_transaction_is_found: SettleOutsideTransaction with APOLLO at 0,
    stamp_at_request_is_found: StampAtRequest with APOLLO at 20,
    checkpoint_before_rows_is_found: CheckpointBeforeRows with APOLLO at 17,
    lease_not_checked_is_found: LeaseNotChecked with APOLLO at 9,
    clock_aligned_window_is_found: ClockAlignedWindow with APOLLO at 0,
    state_id_not_unique_is_found: StateIdNotUnique with APOLLO at 0,
    checkpoint_ignored_after_wait_is_found: CheckpointIgnoredAfterWait with APOLLO at 0,
    total_is_law_is_found: TrustTotal with APOLLO at 18,
    order_is_law_is_found: TrustOrder with APOLLO at 19,
    oversized_is_stored_is_found: OversizedIsStored with APOLLO at 1,
    unread_field_rejects_is_found: UnreadFieldRejects with APOLLO at 8,
    limits_of_the_lease_is_found: LimitsOfTheLease with APOLLO at 27,
    budget_not_compared_is_found: BudgetNotCompared with APOLLO at 2,
    unsent_is_charged_is_found: UnsentIsCharged with APOLLO at 17,
    lost_is_free_is_found: LostResponseIsFree with APOLLO at 2,
    lost_page_is_free_is_found: LostPageIsFree with APOLLO at 10,
    future_is_kept_is_found: FutureTimesAreKept with APOLLO at 3,
    future_lease_holds_is_found: FutureLeaseHolds with APOLLO at 3,
    future_records_count_is_found: FutureSpendingCounts with APOLLO at 20,
    token_used_before_stored_is_found: TokenUsedBeforeStored with SALESLOFT at 0,
    two_refreshes_is_found: TwoRefreshes with SALESLOFT at 15,
    idle_tokens_expire_is_found: IdleTokensExpire with OUTREACH at 5,
    rest_of_stamp_is_skipped_is_found: RestOfStampIsSkipped with APOLLO at 0,
    stamp_is_the_time_is_found: StampIsTheTime with APOLLO at 2,
    lost_batch_is_asked_again_is_found: LostBatchIsAskedAgain with APOLLO at 0,
    settled_before_answer_is_found: SettledBeforeAnswer with APOLLO at 0,
    reuse_ignored_is_found: ReuseIgnored with APOLLO at 0,
}

/// Runs the seed that found the bug before. A change of the simulation can move it to another seed:
/// then all seeds are searched. With `FROM_THE_FIRST_SEED=1` they are searched anyway, which prints
/// the rows of the table in `docs/simulation.md`.
fn finds(bug: Mutation, provider: ProviderName, known: u64) {
    let search = std::env::var_os("FROM_THE_FIRST_SEED").is_some();
    let known = (!search).then_some(known);
    let found = known.into_iter().chain(0..SEEDS).find_map(|seed| {
        mutation::activate(Some(bug));
        let rule = broken_rule(provider, seed);
        mutation::activate(None);
        // The seed must pass without the bug, otherwise something else was found.
        rule.filter(|_| broken_rule(provider, seed).is_none())
            .map(|rule| (seed, rule))
    });
    let (seed, rule) = found.unwrap_or_else(|| panic!("{bug:?} is not found in {SEEDS} seeds"));
    if known.is_some_and(|known| known != seed) {
        println!("{bug:?} moved: write `at {seed}` in the list");
    }
    println!("| `{bug:?}` | {provider} | {} | {rule} |", seed + 1);
}

fn broken_rule(provider: ProviderName, seed: u64) -> Option<&'static str> {
    let plan = Plan {
        faults: FaultLevel::Heavy,
        provider: Some(provider),
        ..Plan::default()
    };
    let report = run(seed, &plan).unwrap();
    report.violations.first().map(|violation| violation.rule)
}
