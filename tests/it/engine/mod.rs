//! What the engine promises: see docs/guarantees.md.

mod failures;
mod first_sync;
mod leases;
mod odd_records;
mod resume;
mod schedule;
mod two_workers;
