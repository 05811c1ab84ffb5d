//! What the engine promises: see docs/guarantees.md.

mod first_sync;
