//! The deterministic simulation: the engine, the store and the provider's client that ship, over a
//! simulated provider, with everything that happens drawn from one seed.
//!
//! One actor moves at a time, and the driver draws which: a process's tick, claim or step, people at
//! the provider, faults, crashes, time. After each move the tables are compared with what is true.
//! The same seed gives the same run, so whatever is found can be looked at again.
//!
//! `scenario` is drawn first, `world` is the provider, `wire` and `transport` lie between it and the
//! `process`es, `driver` moves everything, `check` says what must hold.

mod check;
mod clock;
mod customers;
mod dice;
mod driver;
mod edits;
mod faults;
mod process;
mod scenario;
mod shapes;
mod template;
mod trace;
mod transport;
mod wire;
mod world;

use std::path::PathBuf;

use chrono::TimeDelta;

pub use check::Violation;

/// How much goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FaultLevel {
    /// People work at the provider, and nothing goes wrong.
    None,
    #[default]
    Light,
    Heavy,
}

/// What is asked for; everything else comes from the seed.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    /// How long it goes on; from a week on it is one calm world with the default limits.
    pub days: Option<u32>,
    /// Contacts of each workspace.
    pub contacts: Option<usize>,
    pub faults: FaultLevel,
    /// Tell every step on standard error.
    pub trace: bool,
}

/// What a run came to.
#[derive(Debug, Clone)]
pub struct Report {
    pub seed: u64,
    pub steps: u64,
    /// Simulated time.
    pub lasted: TimeDelta,
    /// Sync runs that ended in it.
    pub runs: usize,
    /// Of all that happened, in order.
    pub digest: String,
    pub violations: Vec<Violation>,
}

/// Lives through a seed.
pub fn run(seed: u64, plan: &Plan) -> anyhow::Result<Report> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let dir = tempfile::Builder::new()
        .prefix("syncline-simulate-")
        .tempdir_in(fast_dir())?;
    runtime.block_on(async {
        let driver = driver::Driver::new(seed, plan, dir.path()).await?;
        driver.run(seed).await
    })
}

/// Memory where there is such a place: the database waits for the disk after every page otherwise.
fn fast_dir() -> PathBuf {
    let memory = PathBuf::from("/dev/shm");
    if memory.is_dir() {
        memory
    } else {
        std::env::temp_dir()
    }
}
