//! The domain: names, common records, the run state machine, limits, coverage and events.
//!
//! Everything here is pure: no I/O, no async, no clock of its own. It depends on no other crate of
//! the workspace, so its rules can be tested without a database or a provider.

pub mod access;
pub mod action;
pub mod audit;
pub mod budget;
pub mod clock;
pub mod connection;
pub mod connection_key;
pub mod coverage;
pub mod credentials;
pub mod destination;
pub mod draft;
pub mod enrichment;
pub mod event;
pub mod export;
pub mod feed;
pub mod forecast;
pub mod grants;
pub mod health;
pub mod http_time;
pub mod ids;
pub mod limits;
pub mod line;
pub mod live;
pub mod mutation;
pub mod object;
pub mod provider;
pub mod record;
pub mod request_windows;
pub mod run;
pub mod schema;
pub mod spelling;
pub mod store_policy;
pub mod sweep;
pub mod sync_config;
pub mod time;
pub mod webhook;

pub use access::{ApiKey, GrantViolation, InvalidRule, Policy, Role, Rule};
pub use action::{Access, Action, CreditCost};
pub use audit::AuditResult;
pub use budget::{Ask, Budget, RecordWindow, Refusal, WindowUse};
pub use clock::{CLOCKS_DIFFER_BY, Clock, ManualClock, SystemClock};
pub use connection::{Capabilities, Capability, ConnectionStatus, Denial};
pub use connection_key::{KeyKind, KeyStatus};
pub use coverage::{Coverage, ScanFacts, SeenCount, Verdict};
pub use credentials::{Credentials, OAuthClient, OAuthTokens};
pub use destination::{
    DestinationConfig, DestinationSecrets, DestinationType, InvalidDestination,
    PostgresDestination, S3Destination,
};
pub use export::{Cell, ColumnType, ExportColumn, ExportRow, ExportRows};
pub use feed::{ChangeKind, FeedCursor, FeedPosition};
pub use grants::{Grants, InvalidGrant, Level, Permission};
pub use health::{Health, HealthStatus};
pub use ids::{Ids, first_id_of};
pub use limits::{InvalidLimit, LimitOverrides, ProviderLimits, VolumeLimits};
pub use line::{breaks_lines, line};
pub use object::Object;
pub use provider::{AuthType, Category, Containment, ProviderName};
pub use record::{
    Account, Address, Common, Contact, EmailAddress, Mailbox, PhoneNumber, Record, Records,
    Rejected, Sequence, SequenceState, ShareType, User,
};
pub use request_windows::{RequestWindow, WindowState, WindowUsage};
pub use run::{
    Checkpoint, Counters, FullRead, InvalidTransition, Lease, Order, ReadStrategy, RunState,
    StateName, SweepProgress, WaitReason, Watermark,
};
pub use schema::{Schema, Violation};
pub use store_policy::{StoreLevel, StorePolicy};
pub use sweep::{LookupOutcome, MissingRow, SweepDecision};
pub use sync_config::{ConnectionSyncConfig, SyncConfigData, SyncStrategy};
pub use time::Time;
