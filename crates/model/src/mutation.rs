//! Known bugs of sync engines, put back in one at a time to see whether the simulation finds them.
//!
//! Each place that such a bug would change asks [`on`]. Only a build with debug assertions can put one
//! in, and only a test does; in a release the answer is a constant `false`, and the compiler drops the
//! question.

/// One bug.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mutation {
    /// A run that ended at its limit deletes what it didn't read.
    SweepAfterCapped,
    /// A row that one scan didn't see is deleted.
    DeleteWithoutConfirmation,
    /// "Not authorized" is taken for "deleted".
    NotAuthorizedConfirms,
    /// A page's records are counted after its transaction, not in it.
    SettleOutsideTransaction,
    /// Records count from the moment of the request, not of the answer.
    StampAtRequest,
    /// The checkpoint moves before the page's rows are written.
    CheckpointBeforeRows,
    /// A worker commits without proving its lease.
    LeaseNotChecked,
    /// The hour and the day begin on the clock's hour and day, not with each record.
    ClockAlignedWindow,
    /// A sequence state keeps the provider's id, which other contacts' states have too.
    StateIdNotUnique,
    /// A run that waited starts over.
    CheckpointIgnoredAfterWait,
    /// The last page is where the provider's total says, whatever came.
    TotalIsLaw,
    /// A record out of order ends the list.
    OrderIsLaw,
    /// A page that is larger than was asked for is stored.
    OversizedIsStored,
    /// An optional field that can't be read keeps its record out.
    UnreadFieldRejects,
    /// Limits are read when a scan is leased, not with each page.
    LimitsOfTheLease,
    /// A budget is written over whatever it is by now.
    BudgetNotCompared,
    /// A request that provably never left costs what it could have brought.
    UnsentIsCharged,
    /// A request whose answer got lost costs nothing.
    LostIsFree,
    /// What a clock that was ahead has stamped is never taken back.
    FutureIsKept,
    /// A lease that ends in the future of the future holds until then.
    FutureLeaseHolds,
    /// Records that were read while a clock was ahead count as of that time.
    FutureRecordsCount,
}

impl Mutation {
    pub const ALL: &[Self] = &[
        Self::SweepAfterCapped,
        Self::DeleteWithoutConfirmation,
        Self::NotAuthorizedConfirms,
        Self::SettleOutsideTransaction,
        Self::StampAtRequest,
        Self::CheckpointBeforeRows,
        Self::LeaseNotChecked,
        Self::ClockAlignedWindow,
        Self::StateIdNotUnique,
        Self::CheckpointIgnoredAfterWait,
        Self::TotalIsLaw,
        Self::OrderIsLaw,
        Self::OversizedIsStored,
        Self::UnreadFieldRejects,
        Self::LimitsOfTheLease,
        Self::BudgetNotCompared,
        Self::UnsentIsCharged,
        Self::LostIsFree,
        Self::FutureIsKept,
        Self::FutureLeaseHolds,
        Self::FutureRecordsCount,
    ];
}

#[cfg(debug_assertions)]
mod switch {
    use std::cell::Cell;

    use super::Mutation;

    thread_local! {
        static ACTIVE: Cell<Option<Mutation>> = const { Cell::new(None) };
    }

    /// Puts a bug in, or takes it out again, for what runs on this thread.
    pub fn activate(mutation: Option<Mutation>) {
        ACTIVE.set(mutation);
    }

    pub fn on(mutation: Mutation) -> bool {
        ACTIVE.get() == Some(mutation)
    }
}

#[cfg(debug_assertions)]
pub use switch::{activate, on};

/// Whether this bug is in.
#[cfg(not(debug_assertions))]
pub const fn on(_: Mutation) -> bool {
    false
}
