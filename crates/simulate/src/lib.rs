//! The deterministic simulation: the production engine, store and provider client, with a simulated
//! provider, and with everything that happens drawn from one seed.
//!
//! The driver makes one move at a time: a process's tick, claim or step, an edit at the provider, a
//! fault, a crash, time passing. After each move the invariants are checked. The same seed gives
//! the same run, so every failure can be reproduced.
//!
//! `scenario` is drawn first, `provider` says what is different about its provider, `world` is the provider, `wire` and `transport` are between it and
//! the `process`es, `driver` makes the moves, `check` has the invariants. `enrichment` is the same for
//! enrichment jobs, in a world of their own.

mod check;
mod clock;
mod customers;
mod dice;
mod driver;
mod edits;
mod enrichment;
mod faults;
mod process;
mod provider;
mod scenario;
mod shapes;
mod template;
mod tokens;
mod trace;
mod transport;
mod wire;
mod world;

use std::path::PathBuf;

use chrono::TimeDelta;
use syncline_model::ProviderName;

pub use check::Violation;

/// How much goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FaultLevel {
    /// People edit records at the provider, and nothing goes wrong.
    None,
    #[default]
    Light,
    Heavy,
}

/// The options of a run; everything else comes from the seed.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    /// The simulated days; from a week on it is one quiet workspace with the default limits.
    pub days: Option<u32>,
    /// Contacts of each workspace.
    pub contacts: Option<usize>,
    pub faults: FaultLevel,
    /// The provider to simulate; drawn from the seed if there is none.
    pub provider: Option<ProviderName>,
    /// Print every step on standard error.
    pub trace: bool,
}

/// The result of a run.
#[derive(Debug, Clone)]
pub struct Report {
    pub seed: u64,
    pub provider: ProviderName,
    pub steps: u64,
    /// Simulated time.
    pub lasted: TimeDelta,
    /// The number of sync runs that ended.
    pub runs: usize,
    /// The digest of everything that happened, in order.
    pub digest: String,
    pub violations: Vec<Violation>,
}

/// Runs one seed.
pub fn run(seed: u64, plan: &Plan) -> anyhow::Result<Report> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let dir = tempfile::Builder::new()
        .prefix("syncline-simulate-")
        .tempdir_in(fast_dir())?;
    runtime.block_on(async {
        let driver = driver::Driver::new(seed, plan, dir.path()).await?;
        let mut report = driver.run(seed).await?;
        if report.provider == syncline_providers::apollo::NAME && report.violations.is_empty() {
            let jobs = enrichment::run(seed, plan.faults, plan.trace, dir.path()).await?;
            report.steps += jobs.steps;
            report.digest = format!("{}{}", &report.digest[..16], &jobs.digest[..16]);
            report.violations = jobs.violations;
        }
        Ok(report)
    })
}

/// A directory in memory, if there is one: on a disk the database waits after every page.
fn fast_dir() -> PathBuf {
    let memory = PathBuf::from("/dev/shm");
    if memory.is_dir() {
        memory
    } else {
        std::env::temp_dir()
    }
}
