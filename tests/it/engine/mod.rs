//! What the engine promises: see docs/guarantees.md.

mod clocks;
mod coverage;
mod deletes;
mod evidence;
mod failures;
mod fairness;
mod first_sync;
mod forbidden;
mod foreground;
mod held_deletes;
mod leases;
mod lookups;
mod maintenance;
mod odd_records;
mod record_limits;
mod request_limits;
mod rereads;
mod resume;
mod retention;
mod schedule;
mod stalls;
mod state_deletes;
mod two_workers;
mod waiting;
mod wakes;
mod written_through;
