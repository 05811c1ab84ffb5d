//! Everything Syncline knows, in SQL: embedded SQLite or PostgreSQL.
//!
//! One file per resource, each with its statements next to the rows they return. A statement is
//! written once, in the dialect that both databases speak; where one needs another for speed, the
//! two stand side by side. Nothing outside this crate knows SQL. What callers ask for goes through a
//! [`Tenant`], one application's part of it (`tenant`); the engine's own questions and the rows that a
//! tenant has found are the [`Store`]'s.

mod again;
mod api_keys;
mod applications;
mod apply_deletes;
mod audit_log;
mod backup;
mod batch;
mod budgets;
mod claims;
mod clock_ahead;
mod connection_sync_configs;
mod connections;
mod customers;
mod db;
mod destinations;
mod encryption;
mod endings;
mod error;
mod gauges;
mod health;
mod history;
mod idempotency;
mod joins;
mod link;
mod lookups;
mod magic_links;
mod migrate;
mod missing;
mod outbox;
mod pages;
mod pooler;
mod postgres;
mod providers;
mod records;
mod restored;
mod retention;
mod runs;
mod scans;
mod schedule;
mod sealing;
mod session;
mod starts;
mod status;
mod sweep;
mod sync_configs;
mod syncs;
mod tenant;
mod timestamp;
mod totals;
mod webhook_deliveries;
mod webhook_endpoints;
mod webhook_messages;
mod webhook_secrets;
mod writable;
mod write_locks;

use std::sync::{Arc, Mutex};

use syncline_model::{Clock, Ids, Time};
use tokio::sync::Notify;

pub use api_keys::{NewApiKey, new_api_key};
pub use applications::Application;
pub use audit_log::{Actor, AuditEntry, AuditFilter, AuditRow};
pub use backup::{Settled, back_up, examine};
pub use batch::Batch;
pub use budgets::{Grant, Permit, RateLimitUpdate, RequestAsk, Spending};
pub use connections::{Account, Connection, CredentialsUpdate, NewConnection};
pub use customers::{Customer, NewCustomer};
pub use db::{DatabaseOptions, PoolUse, describe_metrics};
pub use destinations::Destination;
pub use encryption::{Rewrapped, SealedBy};
pub use endings::{Ending, Pause, Seen};
pub use error::{StoreError, said_by_database};
pub use gauges::{AccountBudget, ActiveRuns, COUNTED_TO, Gauges, ObjectSyncs, WebhookBacklog};
pub use history::{PresenceEvent, Provenance};
pub use idempotency::{Begun, Kept, Repeatable};
pub use lookups::NextLookup;
pub use magic_links::{MagicLink, NewMagicLink};
pub use missing::{PassNote, Unseen};
pub use pages::{PageCommit, PageCommitted, Written};
pub use pooler::{Pooler, PostgresFacts, examine_postgres};
pub use providers::ConfiguredProvider;
pub use records::{RecordQuery, Row, Search, Table};
pub use restored::take_over;
pub use retention::{Expired, PURGE_BATCH, PurgeBatch};
pub use runs::{RunFilter, SyncRun, TimeBound};
pub use scans::{Scan, ScanAccount, ScanRun};
pub use sealing::{EncryptionKeys, InvalidEncryptionKey, KeyFileError};
pub use status::{HeldDeletions, RunAtWork, TroubledSync, Whose};
pub use sync_configs::SyncConfig;
pub use syncs::{RunsOfSync, Sync, SyncFilter};
pub use tenant::Tenant;
pub use timestamp::Timestamp;
pub use totals::Total;
pub use webhook_deliveries::{DueDelivery, DueEndpoint, LeasedEndpoint};
pub use webhook_endpoints::{WebhookEndpoint, WebhookEndpointChange};
pub use webhook_messages::{MessageFilter, WebhookAttempt, WebhookDelivery, WebhookMessage};
pub use write_locks::WriteLock;

use crate::{db::Db, writable::Writable};

/// A list's next rows: those after (or, backwards, before) an id.
#[derive(Debug, Clone, Default)]
pub struct PageRequest {
    /// The id of the row that the last page ended with.
    pub cursor: Option<String>,
    /// Walk backwards from the cursor.
    pub reverse: bool,
    pub limit: i64,
}

/// The one way to the database. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    db: Db,
    clock: Arc<dyn Clock>,
    ids: Arc<Ids>,
    keys: EncryptionKeys,
    writable: Writable,
    told: Arc<Notify>,
    /// Where the last tick stopped to look for due syncs, if it didn't see all.
    left_off: Arc<Mutex<Option<schedule::Behind>>>,
}

impl Store {
    /// Connects to `url` (`sqlite://PATH` or `postgres://…`); the schema is [`migrate`](Self::migrate)'s.
    pub async fn open(
        url: &str,
        clock: Arc<dyn Clock>,
        ids: Arc<Ids>,
        keys: EncryptionKeys,
    ) -> Result<Self, StoreError> {
        Self::open_with(url, DatabaseOptions::default(), clock, ids, keys).await
    }

    /// The same with other options than the defaults.
    pub async fn open_with(
        url: &str,
        options: DatabaseOptions,
        clock: Arc<dyn Clock>,
        ids: Arc<Ids>,
        keys: EncryptionKeys,
    ) -> Result<Self, StoreError> {
        Ok(Self {
            db: Db::open(url, options).await?,
            clock,
            ids,
            keys,
            writable: Writable::default(),
            told: Arc::default(),
            left_off: Arc::default(),
        })
    }

    /// Brings the schema up to date. Safe to run from several processes at once.
    pub async fn migrate(&self) -> Result<(), StoreError> {
        self.db.migrate().await
    }

    /// The database answers, its schema is the one this program was built for, and an embedded one
    /// can be written.
    pub async fn ready(&self) -> Result<(), StoreError> {
        self.db.ready().await?;
        if self.is_embedded() {
            self.writable.check(&self.db, self.now()).await?;
        }
        Ok(())
    }

    /// Whether nobody has made the schema here.
    pub async fn is_empty(&self) -> Result<bool, StoreError> {
        self.db.is_empty().await
    }

    /// The database server's own time; `None` where the database runs in this process.
    pub async fn database_time(&self) -> Result<Option<Time>, StoreError> {
        self.db.server_time().await
    }

    /// Notified when this process has written an event that endpoints are to be told of. Only sooner
    /// than otherwise: a delivery is due, whoever looks.
    pub fn told(&self) -> Arc<Notify> {
        self.told.clone()
    }

    pub fn is_embedded(&self) -> bool {
        matches!(self.db, Db::Lite { .. })
    }

    /// Resolves when the database can be reached, as far as [`watch`](Self::watch) knows: what has
    /// work to do again and again waits here, instead of failing again and again.
    pub async fn reachable(&self) {
        self.db.reachable().await;
    }

    /// Keeps an eye on a database that may go away, so that nobody waits for what won't come. Never
    /// returns; one per process.
    pub async fn watch(&self) {
        self.db.watch().await;
    }

    /// Has an embedded database look at how its tables have grown, as a server does by itself: plans
    /// are made of that.
    pub async fn refresh_statistics(&self) -> Result<(), StoreError> {
        self.db.refresh_statistics().await
    }

    /// Waits for the statements in flight and closes every connection.
    pub async fn close(&self) {
        self.db.close().await;
    }

    /// Cuts this process off from an embedded database at the `calls`-th call from now, counted from
    /// 1, as if it had died there: before a statement, before a commit, or just after one. For the
    /// deterministic simulation; only opening the database again helps.
    pub fn crash_at(&self, calls: u64) {
        if let Db::Lite { fuse, .. } = &self.db {
            fuse.set(calls);
        }
    }

    fn now(&self) -> Time {
        self.clock.now()
    }

    fn new_id(&self) -> String {
        self.ids.id(self.now())
    }
}
