//! Reads of many rows from the embedded database, beside sqlx.
//!
//! sqlx's driver copies every value and sends every row from a thread of its own to the caller's, which
//! made a list's page several times as expensive as its SQL. Here a page is read on one thread, and
//! its values are looked at where SQLite has them.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use rusqlite::{Connection, OpenFlags};
use tokio::{sync::Semaphore, task::spawn_blocking};

use crate::{StoreError, db::waited};

const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Read-only connections, opened when they are first needed. Cheap to clone.
#[derive(Clone)]
pub(crate) struct SqliteRows(Arc<Pool>);

struct Pool {
    file: PathBuf,
    idle: Mutex<Vec<Connection>>,
    free: Arc<Semaphore>,
}

impl SqliteRows {
    pub(crate) fn new(file: &Path, most: usize) -> Self {
        Self(Arc::new(Pool {
            file: file.to_owned(),
            idle: Mutex::default(),
            free: Arc::new(Semaphore::new(most)),
        }))
    }

    /// Does this with a connection, on a thread that may block.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let turn = waited("read", async {
            let turn = self.0.free.clone().acquire_owned().await;
            turn.map_err(|_| sqlx::Error::PoolClosed)
        });
        let turn = turn.await?;
        let pool = self.0.clone();
        let done = spawn_blocking(move || {
            let connection = pool.take()?;
            let done = work(&connection);
            if !pool.free.is_closed() {
                pool.idle().push(connection);
            }
            drop(turn);
            done
        });
        match done.await {
            Ok(done) => done,
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            Err(_) => Err(sqlx::Error::WorkerCrashed.into()),
        }
    }

    /// Closes what is idle; nothing is read any more.
    pub(crate) fn close(&self) {
        self.0.free.close();
        self.0.idle().clear();
    }
}

impl Pool {
    fn take(&self) -> Result<Connection, rusqlite::Error> {
        if let Some(connection) = self.idle().pop() {
            return Ok(connection);
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&self.file, flags)?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        connection.pragma_update(None, "cache_size", -8192)?;
        connection.pragma_update(None, "temp_store", "memory")?;
        Ok(connection)
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use rusqlite::{Connection, StatementStatus, params};

    /// What the bundled SQLite is compiled with (`.cargo/config.toml`); sqlx uses the same one.
    #[test]
    fn a_statement_is_prepared_once_whatever_is_bound_to_it() {
        let connection = Connection::open_in_memory().unwrap();
        connection
            .execute_batch(
                "CREATE TABLE runs (id INTEGER PRIMARY KEY, state TEXT, due_at TEXT);
                 CREATE INDEX runs_by_due ON runs (state, due_at);
                 WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000)
                 INSERT INTO runs SELECT i, iif(i % 10, 'ended', 'queued'), i FROM n;
                 ANALYZE;",
            )
            .unwrap();
        let mut due = connection
            .prepare("SELECT count(*) FROM runs WHERE state = ?1 AND due_at > ?2")
            .unwrap();
        for (state, due_at) in [("queued", "5"), ("ended", "9"), ("queued", "1")] {
            let _: i64 = due
                .query_row(params![state, due_at], |row| row.get(0))
                .unwrap();
        }
        assert_eq!(due.get_status(StatementStatus::RePrepare), 0);
    }
}
