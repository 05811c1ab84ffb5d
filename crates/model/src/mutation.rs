//! Known bugs of sync engines, switched on one at a time to check that the simulation finds them.
//!
//! Each place that such a bug would change calls [`on`]. Bugs can be switched on only in builds
//! with debug assertions, and only by tests; in a release build `on` is a constant `false` that the
//! compiler removes.

/// One bug.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mutation {
    /// A run that was capped deletes what it didn't read.
    SweepAfterCapped,
    /// A read of what changed is treated as a read of everything.
    PartialReadSweeps,
    /// Where a list is read in windows, the next one begins after the time of the last record, so that
    /// further records of that time are not read.
    TieIsLost,
    /// A row that a single scan didn't see is deleted.
    DeleteWithoutConfirmation,
    /// "Not authorized" is treated as "deleted".
    NotAuthorizedConfirms,
    /// A page's records are counted after its transaction, not in it.
    SettleOutsideTransaction,
    /// Records count from the time of the request instead of the response.
    StampAtRequest,
    /// The checkpoint moves before the page's rows are written.
    CheckpointBeforeRows,
    /// A worker commits without checking its lease.
    LeaseNotChecked,
    /// The hour and the day are aligned to the clock instead of rolling.
    ClockAlignedWindow,
    /// A sequence state is stored under the provider's id, which is not unique across contacts.
    StateIdNotUnique,
    /// A run that waited starts over instead of using its checkpoint.
    CheckpointIgnoredAfterWait,
    /// The last page is computed from the provider's total only.
    TrustTotal,
    /// A record out of order ends the scan.
    TrustOrder,
    /// A page that is larger than requested is stored.
    OversizedIsStored,
    /// An unreadable optional field rejects its record.
    UnreadFieldRejects,
    /// Limits are read once per lease instead of per page.
    LimitsOfTheLease,
    /// A budget is written without comparing its version.
    BudgetNotCompared,
    /// A request that was provably never sent is charged.
    UnsentIsCharged,
    /// A request whose response got lost is free.
    LostResponseIsFree,
    /// A page that was read and is not written is free.
    LostPageIsFree,
    /// Timestamps written by a clock that was ahead are never corrected.
    FutureTimesAreKept,
    /// A lease taken by a clock that was ahead is valid until its far-off end.
    FutureLeaseHolds,
    /// Records read while a clock was ahead count as of that time.
    FutureSpendingCounts,
    /// A new OAuth token is tried before it is stored.
    TokenUsedBeforeStored,
    /// A process doesn't wait for another one's refresh of the same tokens.
    TwoRefreshes,
    /// Tokens are refreshed only when somebody uses them.
    IdleTokensExpire,
    /// Where an answer of the change feed ends in the middle of a stamp, the next one begins behind it.
    RestOfStampIsSkipped,
    /// A stamp is the present time, also if that was given before.
    StampIsTheTime,
    /// What was asked and not stored before a crash is asked, and paid for, again.
    LostBatchIsAskedAgain,
    /// A batch's result is counted before its answer is stored, in another transaction.
    SettledBeforeAnswer,
    /// What was paid for before is paid for again.
    ReuseIgnored,
}

impl Mutation {
    pub const ALL: &[Self] = &[
        Self::SweepAfterCapped,
        Self::PartialReadSweeps,
        Self::TieIsLost,
        Self::DeleteWithoutConfirmation,
        Self::NotAuthorizedConfirms,
        Self::SettleOutsideTransaction,
        Self::StampAtRequest,
        Self::CheckpointBeforeRows,
        Self::LeaseNotChecked,
        Self::ClockAlignedWindow,
        Self::StateIdNotUnique,
        Self::CheckpointIgnoredAfterWait,
        Self::TrustTotal,
        Self::TrustOrder,
        Self::OversizedIsStored,
        Self::UnreadFieldRejects,
        Self::LimitsOfTheLease,
        Self::BudgetNotCompared,
        Self::UnsentIsCharged,
        Self::LostResponseIsFree,
        Self::LostPageIsFree,
        Self::FutureTimesAreKept,
        Self::FutureLeaseHolds,
        Self::FutureSpendingCounts,
        Self::TokenUsedBeforeStored,
        Self::TwoRefreshes,
        Self::IdleTokensExpire,
        Self::RestOfStampIsSkipped,
        Self::StampIsTheTime,
        Self::LostBatchIsAskedAgain,
        Self::SettledBeforeAnswer,
        Self::ReuseIgnored,
    ];
}

#[cfg(debug_assertions)]
mod switch {
    use std::cell::Cell;

    use super::Mutation;

    thread_local! {
        static ACTIVE: Cell<Option<Mutation>> = const { Cell::new(None) };
    }

    /// Switches a bug on, or off with `None`, for this thread.
    pub fn activate(mutation: Option<Mutation>) {
        ACTIVE.set(mutation);
    }

    pub fn on(mutation: Mutation) -> bool {
        ACTIVE.get() == Some(mutation)
    }
}

#[cfg(debug_assertions)]
pub use switch::{activate, on};

/// Whether this bug is switched on.
#[cfg(not(debug_assertions))]
pub const fn on(_: Mutation) -> bool {
    false
}
