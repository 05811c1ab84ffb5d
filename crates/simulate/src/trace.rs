//! The trace of what happened, in order, and its digest: the same seed gives the same digest.

use sha2::{Digest as _, Sha256};
use syncline_model::Time;

/// Hashes every line, and prints it if requested.
pub(crate) struct Trace {
    hasher: Sha256,
    steps: u64,
    began: Time,
    verbose: bool,
}

impl Trace {
    pub(crate) fn new(began: Time, verbose: bool) -> Self {
        Self {
            hasher: Sha256::new(),
            steps: 0,
            began,
            verbose,
        }
    }

    /// Begins the next step.
    pub(crate) fn next_step(&mut self) -> u64 {
        self.steps += 1;
        self.steps
    }

    pub(crate) fn steps(&self) -> u64 {
        self.steps
    }

    pub(crate) fn note(&mut self, now: Time, line: &str) {
        let since = now - self.began;
        let line = format!(
            "{:>5}  {}d {:02}:{:02}:{:02}.{:03}  {line}\n",
            self.steps,
            since.num_days(),
            since.num_hours() % 24,
            since.num_minutes() % 60,
            since.num_seconds() % 60,
            since.num_milliseconds() % 1000,
        );
        self.hasher.update(line.as_bytes());
        if self.verbose {
            eprint!("{line}");
        }
    }

    /// The first half of the hash is enough to distinguish runs.
    pub(crate) fn digest(self) -> String {
        hex::encode(&self.hasher.finalize()[..16])
    }
}
