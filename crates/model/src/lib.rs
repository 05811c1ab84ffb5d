//! The words Syncline is written in: names, common records, the run state machine, coverage and
//! events.
//!
//! Everything here is pure: no I/O, no async, no clock of its own. Every other crate knows this one
//! and this one knows nobody, so a rule that lives here can be tested without a database or a
//! provider.

pub mod clock;
pub mod connection;
pub mod coverage;
pub mod event;
pub mod ids;
pub mod object;
pub mod provider;
pub mod record;
pub mod run;
pub mod sync_config;
pub mod time;

pub use clock::{Clock, ManualClock, SystemClock};
pub use connection::{Capabilities, Capability, ConnectionStatus};
pub use coverage::{Coverage, ScanFacts, Verdict};
pub use ids::Ids;
pub use object::Object;
pub use provider::{Category, ProviderName};
pub use record::{
    Account, Address, Contact, EmailAddress, Mailbox, PhoneNumber, Record, Records, Rejected,
    Sequence, SequenceState, ShareType, User,
};
pub use run::{Checkpoint, Counters, InvalidTransition, Lease, RunState, WaitReason};
pub use sync_config::{SyncConfigData, SyncStrategy};
pub use time::Time;
