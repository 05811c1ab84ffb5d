//! The embedded database: its connections, and the point at which a simulation cuts them off.

use std::{
    str::FromStr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use sqlx::{
    Connection as _, Sqlite, SqliteConnection,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous},
};

use crate::{StoreError, db::Db, pool_options::pool_options, sqlite_rows::SqliteRows};

const SQLITE_READERS: u32 = 4;
const SQLITE_ROW_READERS: usize = 4;
const OPEN_TRIES: u32 = 50;
const OPEN_AGAIN_AFTER: Duration = Duration::from_millis(100);

pub(crate) async fn open(url: &str) -> Result<Db, StoreError> {
    let options = SqliteConnectOptions::from_str(url)
        .map_err(|error| StoreError::Url {
            url: url.to_owned(),
            reason: error.to_string(),
        })?
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        // A page is one fsync. With NORMAL a power failure could lose the last commits,
        // including what was spent and what was sent to webhooks.
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(Duration::from_secs(5))
        .foreign_keys(true)
        .pragma("cache_size", "-8192")
        .pragma("temp_store", "memory")
        .pragma("journal_size_limit", "67108864")
        // What is deleted is overwritten, so that nothing of it is left in the file.
        .pragma("secure_delete", "on")
        .optimize_on_close(true, None);
    let writer =
        pool_options::<Sqlite>(1).before_acquire(|c, _| Box::pin(is_between_transactions(c)));
    // When several processes open a new file at once, one switches to WAL mode, and the others
    // fail with "locked" without waiting for the busy timeout.
    let mut tried = 1;
    let write = loop {
        match writer.clone().connect_with(options.clone()).await {
            Ok(pool) => break pool,
            Err(error) => {
                let error = StoreError::from(error);
                if !error.is_locked() || tried == OPEN_TRIES {
                    return Err(error);
                }
            }
        }
        tried += 1;
        tokio::time::sleep(OPEN_AGAIN_AFTER).await;
    };
    let rows = SqliteRows::new(options.get_filename(), SQLITE_ROW_READERS);
    let read = pool_options(SQLITE_READERS).connect_lazy_with(options.read_only(true));
    Ok(Db::Lite {
        read,
        write,
        rows,
        fuse: CrashPoint::default(),
    })
}

/// When the disk is full, SQLite itself rolls back a transaction that was to commit. sqlx believes
/// the connection is still in it, and would never begin another one.
async fn is_between_transactions(c: &mut SqliteConnection) -> Result<bool, sqlx::Error> {
    if c.is_in_transaction() {
        // The rollback of a dropped transaction may still be running; the ping waits for it.
        c.ping().await?;
    }
    Ok(!c.is_in_transaction())
}

/// Simulates a crash: cuts this process off from its database at a chosen call. For the
/// deterministic simulation, which runs on the embedded database.
#[derive(Clone, Default)]
pub(crate) struct CrashPoint(Arc<AtomicU64>);

impl CrashPoint {
    const NEVER: u64 = 0;

    /// Makes the `calls`-th call from now, counted from 1, and every later one fail.
    pub(crate) fn set(&self, calls: u64) {
        self.0.store(calls, Ordering::Relaxed);
    }

    fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed) != Self::NEVER
    }

    pub(crate) fn maybe_crash(&self) -> Result<(), sqlx::Error> {
        if !self.is_set() {
            return Ok(());
        }
        let left = self.0.load(Ordering::Relaxed);
        if left == 1 {
            return Err(sqlx::Error::PoolClosed);
        }
        self.0.store(left - 1, Ordering::Relaxed);
        Ok(())
    }
}
