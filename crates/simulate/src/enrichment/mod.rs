//! Enrichment jobs in the simulation: lists with the same people, several keys, processes that crash at
//! any await, answers that get lost, late answers in any order and twice.
//!
//! It is a world of its own beside that of the syncs, so that what is drawn for one changes nothing in
//! the other. `transport` is between the engine and the simulated Apollo, `driver` makes the moves,
//! `lists` draws the jobs, `check` has the invariants.

mod check;
mod driver;
mod lists;
mod transport;

use std::path::Path;

use crate::{FaultLevel, Violation, dice::Dice};

/// What came of it.
pub(crate) struct Outcome {
    pub(crate) steps: u64,
    pub(crate) digest: String,
    pub(crate) violations: Vec<Violation>,
}

/// Runs the jobs of one seed.
pub(crate) async fn run(
    seed: u64,
    faults: FaultLevel,
    trace: bool,
    dir: &Path,
) -> anyhow::Result<Outcome> {
    // Another stream than that of the syncs.
    let dice = Dice::new(seed.rotate_left(32) ^ 0x656e_7269_6368);
    let driver = driver::Driver::new(dice, faults, trace, dir).await?;
    driver.run().await
}
