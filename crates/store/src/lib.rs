//! The database: all of Syncline's SQL, for embedded SQLite or PostgreSQL.
//!
//! One file per resource, with each statement next to the rows that it returns. A statement is
//! written once, in the dialect of both databases; if one needs another text for speed, the two
//! stand side by side. There is no SQL outside of this crate. What callers ask for goes through a
//! [`Tenant`], which is limited to one application (`tenant`). The engine's queries, and methods on
//! rows that a tenant has found, are on the [`Store`].

mod access_lost;
mod agent_credits;
mod api_keys;
mod applications;
mod apply_deletes;
mod approvals;
mod audit_log;
mod authorizations;
mod backup;
mod batch;
mod budgets;
mod callers;
mod carriers;
mod change_feed;
mod claims;
mod clock_skew;
mod configured_syncs;
mod connection_keys;
mod connection_sync_configs;
mod connections;
mod console_sessions;
mod credentials;
mod customers;
mod db;
mod destinations;
mod digest;
mod encryption;
mod endings;
mod enrichment;
mod erasure;
mod error;
mod gauges;
mod health;
mod history;
mod idempotency;
mod joins;
mod key_credits;
mod key_set;
mod link;
mod lookups;
mod magic_links;
mod migrate;
mod missing;
mod outbox;
mod pages;
mod pg_connections;
mod pool_options;
mod pooler;
mod postgres;
mod providers;
mod recent;
mod records;
mod request_counts;
mod restored;
mod retention;
mod retry;
mod runs;
mod scans;
mod schedule;
mod sealing;
mod seen;
mod session;
mod sqlite;
mod sqlite_rows;
mod starts;
mod status;
mod store_policy;
mod sweep;
mod sync_configs;
mod sync_control;
mod syncs;
mod tenant;
mod timestamp;
mod token_refresh;
mod totals;
mod webhook_deliveries;
mod webhook_endpoints;
mod webhook_messages;
mod webhook_secrets;
mod writable;
mod write_locks;

use std::{
    ops::Deref,
    sync::{Arc, Mutex, atomic::AtomicBool},
};

use syncline_model::{Clock, Containment, Ids, Time};
use tokio::sync::{Notify, watch};

pub use access_lost::Pause;
pub use agent_credits::{CreditReservation, CreditsUsedUp};
pub use api_keys::{NewApiKey, new_api_key};
pub use applications::Application;
pub use approvals::{Approval, ApprovalStatus, Asked, Decided, KeyName};
pub use audit_log::{Actor, AuditEntry, AuditFilter, AuditRow};
pub use authorizations::{Authorization, NewAuthorization};
pub use backup::{ExclusiveDatabase, back_up, examine};
pub use batch::Batch;
pub use budgets::{Permit, PermitDecision, PermitRequest, RateLimitUpdate, Spending};
pub use callers::CallerConnection;
use callers::Callers;
pub use carriers::digested_id;
pub use change_feed::{
    Change, ChangeBatch, ChangeFeed, ChangeQuery, ChangedRecord, ToldChanges, export_columns,
};
pub use connection_keys::{AddedKey, ConnectionKey, NewConnectionKey};
pub use connections::{Account, Connection, NewConnection, Start};
pub use console_sessions::SessionKind;
pub use credentials::CredentialsUpdate;
pub use customers::{Customer, NewCustomer};
pub use db::{DatabaseOptions, PoolUse, describe_metrics};
pub use destinations::{
    Destination, DestinationFailure, DestinationFeed, DestinationSettings, Removal,
};
pub use encryption::{ReencryptionResult, SealedBy};
pub use endings::{Absence, Ending};
pub use enrichment::{
    AskedItem, BatchMatch, BatchRequest, BatchResult, ComesLater, ContinueJob, Continued,
    EnrichmentItem, EnrichmentJob, ItemStatus, LateOutcome, NewCeiling, NewEnrichmentItem,
    NewEnrichmentJob, NotAsked, ReservedBatch, SettledBatch, TakenLate,
};
pub use erasure::{ErasedRecords, Erasure};
pub use error::{StoreError, said_by_database};
pub use gauges::{
    AccountBudget, ActiveRuns, COUNTED_TO, DestinationBacklog, Gauges, ObjectSyncs, WebhookBacklog,
};
pub use history::{PresenceEvent, Provenance};
pub use idempotency::{IdempotencyClaim, IdempotentRequest, StoredResponse};
pub use key_credits::{KeyCreditsLeft, KeyReservation};
pub use lookups::NextLookup;
pub use magic_links::{MagicLink, NewMagicLink};
pub use missing::{PassNote, Unseen};
pub use pages::{PageCommit, PageCommitted, Written};
pub use pooler::{Pooler, PostgresFacts, examine_postgres};
pub use providers::{ClientSecret, ConfiguredProvider, ProviderSettings};
use records::ListCounts;
pub use records::{JsonRow, JsonRows, JsonText, RecordQuery, Row, Search, Table, UserSearch};
pub use request_counts::RequestCount;
pub use restored::take_over;
pub use retention::{Expired, PURGE_BATCH, PurgeBatch};
pub use runs::{RunFilter, SyncRun, TimeBound};
pub use scans::{Scan, ScanAccount, ScanRun};
pub use sealing::{EncryptionKeys, InvalidEncryptionKey, KeyFileError};
pub use seen::{PagesRead, Seen};
pub use status::{HeldDeletions, RunAtWork, SyncOwner, TroubledSync};
pub use store_policy::PendingPolicy;
pub use sync_configs::SyncConfig;
pub use syncs::{RunsOfSync, Sync, SyncFilter};
pub use tenant::Tenant;
pub use timestamp::Timestamp;
pub use token_refresh::{FailedRefresh, RefreshLease, StoredCredentials};
pub use totals::Total;
pub use webhook_deliveries::{DueDelivery, DueEndpoint, LeasedEndpoint};
pub use webhook_endpoints::{WebhookEndpoint, WebhookEndpointChange};
pub use webhook_messages::{MessageFilter, WebhookAttempt, WebhookDelivery, WebhookMessage};
pub use write_locks::WriteLock;

use crate::{db::Db, writable::Writable};

/// A list's next rows: those after (or, backwards, before) an id.
#[derive(Debug, Clone, Default)]
pub struct PageRequest {
    /// The id of the last row of the previous page.
    pub cursor: Option<String>,
    /// Read backwards from the cursor.
    pub reverse: bool,
    pub limit: i64,
}

/// The handle to the database. Cheap to clone.
#[derive(Clone)]
pub struct Store(Arc<Parts>);

/// What all clones of a store share.
#[doc(hidden)]
#[derive(Clone)]
pub struct Parts {
    db: Db,
    clock: Arc<dyn Clock>,
    ids: Arc<Ids>,
    keys: EncryptionKeys,
    writable: Writable,
    told: Arc<Notify>,
    /// Told when this process has changed records.
    changed: Arc<watch::Sender<()>>,
    /// Notified when this process has made destinations' work due.
    destinations_due: Arc<Notify>,
    /// Notified when this process has made an enrichment job due.
    enrichment_due: Arc<Notify>,
    /// Which objects come inside others' records, by provider: it decides how new syncs are read.
    containment: Arc<Containment>,
    /// SQLite's write-ahead log may have what was removed: it has to be emptied.
    log_is_full: Arc<AtomicBool>,
    /// Callers of a moment ago.
    callers: Callers,
    list_counts: Arc<ListCounts>,
    /// Where the last tick stopped looking for due syncs, if it didn't see all.
    resume_position: Arc<Mutex<Option<schedule::StartAfter>>>,
}

impl Deref for Store {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

impl Store {
    /// Connects to `url` (`sqlite://PATH` or `postgres://…`). [`migrate`](Self::migrate) brings the
    /// schema up to date.
    pub async fn open(
        url: &str,
        clock: Arc<dyn Clock>,
        ids: Arc<Ids>,
        keys: EncryptionKeys,
    ) -> Result<Self, StoreError> {
        Self::open_with(url, DatabaseOptions::default(), clock, ids, keys).await
    }

    /// Like [`open`](Self::open), with options.
    pub async fn open_with(
        url: &str,
        options: DatabaseOptions,
        clock: Arc<dyn Clock>,
        ids: Arc<Ids>,
        keys: EncryptionKeys,
    ) -> Result<Self, StoreError> {
        let parts = Parts {
            db: Db::open(url, options).await?,
            clock,
            ids,
            keys,
            writable: Writable::default(),
            told: Arc::default(),
            changed: Arc::new(watch::Sender::new(())),
            destinations_due: Arc::default(),
            enrichment_due: Arc::default(),
            containment: Arc::default(),
            // A process before this one may have been killed.
            log_is_full: Arc::new(AtomicBool::new(true)),
            callers: Callers::default(),
            list_counts: Arc::default(),
            resume_position: Arc::default(),
        };
        Ok(Self(Arc::new(parts)))
    }

    /// With what the providers put into what.
    #[must_use]
    pub fn with_containment(self, containment: Containment) -> Self {
        Self(Arc::new(Parts {
            containment: Arc::new(containment),
            ..Arc::unwrap_or_clone(self.0)
        }))
    }

    /// Brings the schema up to date. Safe to run from several processes at once.
    pub async fn migrate(&self) -> Result<(), StoreError> {
        self.db.migrate().await
    }

    /// Checks that the database answers, that its schema matches this program, and that an embedded
    /// one can be written.
    pub async fn ready(&self) -> Result<(), StoreError> {
        self.db.ready().await?;
        if self.is_embedded() {
            self.writable.check(&self.db, self.now()).await?;
        }
        Ok(())
    }

    /// Whether the database has no schema yet.
    pub async fn is_empty(&self) -> Result<bool, StoreError> {
        self.db.is_empty().await
    }

    /// The database server's own time; `None` for an embedded database.
    pub async fn database_time(&self) -> Result<Option<Time>, StoreError> {
        self.db.server_time().await
    }

    /// Notified when this process has written an event for webhook endpoints. It only speeds
    /// delivery up: due deliveries are also found by polling.
    pub fn told(&self) -> Arc<Notify> {
        self.told.clone()
    }

    /// The same for changes of records, for any number of watchers.
    pub fn changed(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    /// The same for destinations' work.
    pub fn destinations_due(&self) -> Arc<Notify> {
        self.destinations_due.clone()
    }

    /// The same for enrichment jobs that are due.
    pub fn enrichment_due(&self) -> Arc<Notify> {
        self.enrichment_due.clone()
    }

    pub fn is_embedded(&self) -> bool {
        matches!(self.db, Db::Lite { .. })
    }

    /// Resolves when the database is reachable, according to [`watch`](Self::watch). Loops wait
    /// here instead of failing repeatedly.
    pub async fn reachable(&self) {
        self.db.reachable().await;
    }

    /// Monitors a database that may become unreachable, so that callers fail fast instead of
    /// waiting for a response that won't come. Never returns; one per process.
    pub async fn watch(&self) {
        self.db.watch().await;
    }

    /// Updates the planner statistics of an embedded database; a server does so by itself.
    pub async fn refresh_statistics(&self) -> Result<(), StoreError> {
        self.db.refresh_statistics().await
    }

    /// Waits for statements in flight and closes all connections.
    pub async fn close(&self) {
        self.db.close().await;
    }

    /// Simulates a crash: cuts this process off from an embedded database at the `calls`-th call
    /// from now, counted from 1: before a statement, before a commit, or just after one. For the
    /// deterministic simulation; the database must be opened again afterwards.
    pub fn crash_at(&self, calls: u64) {
        if let Db::Lite { fuse, .. } = &self.db {
            fuse.set(calls);
        }
    }

    fn now(&self) -> Time {
        self.clock.now()
    }

    /// Random text that nobody can guess, in hex.
    pub fn new_secret(&self) -> String {
        hex::encode(self.ids.bytes::<32>())
    }

    fn new_id(&self) -> String {
        self.ids.id(self.now())
    }
}
