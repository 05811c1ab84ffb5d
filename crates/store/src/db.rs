//! One interface to both databases.
//!
//! [`Db`] is an enum of pools. The `run!` macro sends a statement text to the database in use, so
//! statements are written once. SQLite has one writer: its write pool has one connection, and
//! transactions begin with `BEGIN IMMEDIATE`, so they never fail half-way because of a lock.

use std::sync::Arc;

use sqlx::{
    Sqlite, SqliteConnection, SqlitePool, Transaction,
    migrate::{MigrateError, Migrator},
    pool::PoolConnection,
};
use syncline_model::Time;
use tokio::{
    sync::{Notify, watch},
    time::Instant,
};

use crate::{
    StoreError,
    callers::ForgetCallers,
    link::CancellableConnection,
    pg_connections::{PgReader, PgTransaction},
    postgres::PgServer,
    sqlite::{self, CrashPoint},
    sqlite_rows::SqliteRows,
};

#[derive(Clone)]
pub(crate) enum Db {
    Pg(PgServer),
    Lite {
        read: SqlitePool,
        write: SqlitePool,
        rows: SqliteRows,
        fuse: CrashPoint,
    },
}

/// A pooled connection for reads.
pub(crate) enum Reader {
    Pg(PgReader),
    Lite(PoolConnection<Sqlite>, CrashPoint),
}

/// A transaction. It is rolled back if it is dropped without [`commit`](Tx::commit).
pub(crate) struct Tx {
    begun: Begun,
    /// Notified when the transaction commits.
    wakes: Option<Arc<Notify>>,
    /// Told of the commit as well.
    announces: Option<Arc<watch::Sender<()>>>,
    /// What is forgotten when it has ended.
    forgets: Option<ForgetCallers>,
}

enum Begun {
    Pg(PgTransaction),
    Lite(Transaction<'static, Sqlite>, CrashPoint),
}

/// Options of a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DatabaseOptions {
    /// The maximum number of open connections to PostgreSQL, not counting the one that monitors it.
    /// Ignored for an embedded database.
    pub max_connections: u32,
}

impl Default for DatabaseOptions {
    fn default() -> Self {
        Self {
            max_connections: 16,
        }
    }
}

/// The pool's connections in this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolUse {
    /// `all` with PostgreSQL, `read` or `write` with SQLite.
    pub pool: &'static str,
    pub used: u32,
    pub idle: u32,
    pub most: u32,
}

impl PoolUse {
    fn of_sqlite(name: &'static str, pool: &SqlitePool) -> Self {
        let (open, most) = (pool.size(), pool.options().get_max_connections());
        Self::new(name, open, pool.num_idle(), most)
    }

    /// sqlx's count of idle connections can wrap around for a moment, when it should be 0.
    pub(crate) fn new(pool: &'static str, open: u32, idle: usize, most: u32) -> Self {
        let idle = u32::try_from(idle).unwrap_or(0);
        Self {
            pool,
            used: open.saturating_sub(idle),
            idle,
            most,
        }
    }
}

/// Gets a connection and records how long that takes.
pub(crate) async fn waited<T>(
    pool: &'static str,
    connection: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, sqlx::Error> {
    let since = Instant::now();
    let connection = connection.await;
    metrics::histogram!("syncline_database_pool_wait_seconds", "pool" => pool)
        .record(since.elapsed());
    connection
}

/// Describes the metrics at the start.
pub fn describe_metrics() {
    metrics::describe_histogram!(
        "syncline_database_pool_wait_seconds",
        metrics::Unit::Seconds,
        "How long work of this process waited for a connection to the database, by pool; with SQLite, \
         for the one writer."
    );
}

/// What `run!` sends a statement to.
pub(crate) enum Connection<'c> {
    Pg(CancellableConnection<'c>),
    Lite(&'c mut SqliteConnection),
}

/// Runs one statement text on the database in use:
/// `run!(tx, |c| sqlx::query(SQL).bind(id).execute(c).await)?`.
///
/// For a tenant's statements (`tenant.rs`) the application's id is already bound as `$1`:
/// `run!(tx, query(SCOPED), |q, c| q.bind(id).execute(c).await)?`.
macro_rules! run {
    ($on:expr, $kind:ident($sql:expr), |$q:ident, $c:ident| $query:expr) => {{
        let (application_id, connection) = $on.parts()?;
        match connection {
            $crate::db::Connection::Pg($c) => {
                let $q = sqlx::$kind($crate::tenant::Scoped::text($sql)).bind(application_id);
                $query
            }
            $crate::db::Connection::Lite($c) => {
                let $q = sqlx::$kind($crate::tenant::Scoped::text($sql)).bind(application_id);
                $query
            }
        }
    }};
    ($on:expr, |$c:ident| $query:expr) => {
        match $on.connection()? {
            $crate::db::Connection::Pg($c) => $query,
            $crate::db::Connection::Lite($c) => $query,
        }
    };
}
pub(crate) use run;

impl Db {
    pub(crate) async fn open(url: &str, options: DatabaseOptions) -> Result<Self, StoreError> {
        if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            Self::open_postgres(url, options).await
        } else if url.starts_with("sqlite:") {
            sqlite::open(url).await
        } else {
            Err(StoreError::Url {
                url: without_password(url),
                reason: "it must begin with sqlite:// or postgres://".to_owned(),
            })
        }
    }

    async fn open_postgres(url: &str, options: DatabaseOptions) -> Result<Self, StoreError> {
        match PgServer::open(url, options.max_connections).await {
            Ok(postgres) => Ok(Self::Pg(postgres)),
            Err(sqlx::Error::Configuration(reason)) => Err(StoreError::Url {
                url: without_password(url),
                reason: reason.to_string(),
            }),
            Err(error) => Err(error.into()),
        }
    }

    pub(crate) async fn server_time(&self) -> Result<Option<Time>, StoreError> {
        match self {
            Self::Pg(postgres) => Ok(Some(postgres.time().await?)),
            Self::Lite { .. } => Ok(None),
        }
    }

    pub(crate) async fn read(&self) -> Result<Reader, sqlx::Error> {
        Ok(match self {
            Self::Pg(postgres) => Reader::Pg(waited("all", postgres.read()).await?),
            Self::Lite { read, fuse, .. } => {
                Reader::Lite(waited("read", read.acquire()).await?, fuse.clone())
            }
        })
    }

    /// For reads of many rows, where the database is embedded.
    pub(crate) fn sqlite_rows(&self) -> Result<Option<SqliteRows>, sqlx::Error> {
        match self {
            Self::Pg(_) => Ok(None),
            Self::Lite { rows, fuse, .. } => {
                fuse.maybe_crash()?;
                Ok(Some(rows.clone()))
            }
        }
    }

    /// The write connection, outside of a transaction.
    pub(crate) async fn writer(&self) -> Result<Reader, sqlx::Error> {
        match self {
            Self::Lite { write, fuse, .. } => {
                Ok(Reader::Lite(write.acquire().await?, fuse.clone()))
            }
            Self::Pg(_) => self.read().await,
        }
    }

    pub(crate) async fn begin(&self) -> Result<Tx, sqlx::Error> {
        let begun = match self {
            Self::Pg(postgres) => Begun::Pg(waited("all", postgres.begin()).await?),
            Self::Lite { write, fuse, .. } => {
                fuse.maybe_crash()?;
                let begun = waited("write", write.begin_with("BEGIN IMMEDIATE"));
                Begun::Lite(begun.await?, fuse.clone())
            }
        };
        Ok(Tx {
            begun,
            wakes: None,
            announces: None,
            forgets: None,
        })
    }

    /// Analyzes a bounded part of each index that changed a lot. Readers see the new statistics
    /// when their connections are next opened, within half an hour.
    pub(crate) async fn refresh_statistics(&self) -> Result<(), StoreError> {
        const LIMIT: &str = "PRAGMA analysis_limit = 1000";
        // All tables, not only those that this connection has queried.
        const REFRESH: &str = "PRAGMA optimize(0x10002)";
        if let Self::Lite { .. } = self {
            let mut writer = self.writer().await?;
            run!(writer, |c| sqlx::query(LIMIT).execute(c).await.map(drop))?;
            run!(writer, |c| sqlx::query(REFRESH).execute(c).await.map(drop))?;
        }
        Ok(())
    }

    /// Resolves when the database is reachable, according to [`watch`](Self::watch).
    pub(crate) async fn reachable(&self) {
        match self {
            Self::Pg(postgres) => postgres.reachable().await,
            Self::Lite { .. } => {}
        }
    }

    /// Monitors a database that may become unreachable. Never returns.
    pub(crate) async fn watch(&self) {
        match self {
            Self::Pg(postgres) => postgres.watch().await,
            Self::Lite { .. } => std::future::pending().await,
        }
    }

    pub(crate) fn pools(&self) -> Vec<PoolUse> {
        match self {
            Self::Pg(postgres) => vec![postgres.connections().pool_use()],
            Self::Lite { read, write, .. } => {
                vec![
                    PoolUse::of_sqlite("read", read),
                    PoolUse::of_sqlite("write", write),
                ]
            }
        }
    }

    pub(crate) async fn close(&self) {
        match self {
            Self::Pg(postgres) => postgres.close().await,
            Self::Lite {
                read, write, rows, ..
            } => {
                rows.close();
                read.close().await;
                write.close().await;
            }
        }
    }
}

impl Reader {
    pub(crate) fn connection(&mut self) -> Result<Connection<'_>, sqlx::Error> {
        Ok(match self {
            Self::Pg(reader) => Connection::Pg(reader.connection()?),
            Self::Lite(c, fuse) => {
                fuse.maybe_crash()?;
                Connection::Lite(c)
            }
        })
    }
}

impl Tx {
    pub(crate) fn connection(&mut self) -> Result<Connection<'_>, sqlx::Error> {
        Ok(match &mut self.begun {
            Begun::Pg(tx) => Connection::Pg(tx.connection()),
            Begun::Lite(c, fuse) => {
                fuse.maybe_crash()?;
                Connection::Lite(c)
            }
        })
    }

    pub(crate) fn is_postgres(&self) -> bool {
        matches!(self.begun, Begun::Pg(..))
    }

    /// Applies migrations, without a time limit.
    pub(crate) async fn migrate(&mut self, migrator: &Migrator) -> Result<(), MigrateError> {
        match &mut self.begun {
            Begun::Pg(tx) => migrator.run(tx.unlimited()).await,
            Begun::Lite(tx, _) => migrator.run(&mut **tx).await,
        }
    }

    /// Sends PostgreSQL a statement, without a time limit.
    pub(crate) async fn wait_for(&mut self, sql: String) -> Result<(), sqlx::Error> {
        if let Begun::Pg(tx) = &mut self.begun {
            sqlx::query(sqlx::AssertSqlSafe(sql))
                .execute(tx.unlimited())
                .await?;
        }
        Ok(())
    }

    /// Limits the time of the transaction's statements: they belong to the queue, which retries.
    /// Otherwise PostgreSQL would continue a statement that the client has given up.
    pub(crate) async fn limit_statement_time(&mut self) -> Result<(), sqlx::Error> {
        if let Connection::Pg(c) = self.connection()? {
            sqlx::query("SET LOCAL statement_timeout = '10s'")
                .execute(c)
                .await?;
        }
        Ok(())
    }

    /// Makes the commit notify this waiter.
    pub(crate) fn wakes(&mut self, waiting: &Arc<Notify>) {
        self.wakes = Some(waiting.clone());
    }

    /// Makes the commit tell all who watch.
    pub(crate) fn announces(&mut self, watched: &Arc<watch::Sender<()>>) {
        self.announces = Some(watched.clone());
    }

    /// Has this forgotten when the transaction has ended.
    pub(crate) fn forgets(&mut self, callers: ForgetCallers) {
        self.forgets = Some(callers);
    }

    /// Sets a savepoint to roll back to without losing what came before.
    pub(crate) async fn savepoint(&mut self) -> Result<(), sqlx::Error> {
        self.control("SAVEPOINT part").await
    }

    /// Keeps the changes since the savepoint.
    pub(crate) async fn release_savepoint(&mut self) -> Result<(), sqlx::Error> {
        self.control("RELEASE SAVEPOINT part").await
    }

    /// Rolls back to the savepoint.
    pub(crate) async fn rollback_to_savepoint(&mut self) -> Result<(), sqlx::Error> {
        self.control("ROLLBACK TO SAVEPOINT part").await?;
        self.release_savepoint().await
    }

    async fn control(&mut self, sql: &'static str) -> Result<(), sqlx::Error> {
        run!(self, |c| sqlx::query(sql).execute(c).await.map(drop))
    }

    /// Releases the transaction's locks now. Dropping a transaction releases them only when its
    /// connection is next used.
    pub(crate) async fn rollback(self) -> Result<(), sqlx::Error> {
        match self.begun {
            Begun::Pg(tx) => tx.rollback().await,
            Begun::Lite(tx, _) => tx.rollback().await,
        }
    }

    pub(crate) async fn commit(self) -> Result<(), sqlx::Error> {
        match self.begun {
            Begun::Pg(tx) => tx.commit().await?,
            Begun::Lite(tx, fuse) => {
                fuse.maybe_crash()?;
                tx.commit().await?;
                // A crash here simulates a commit whose confirmation is lost.
                fuse.maybe_crash()?;
            }
        }
        if let Some(wakes) = self.wakes {
            wakes.notify_one();
        }
        if let Some(announces) = self.announces {
            announces.send_replace(());
        }
        Ok(())
    }
}

/// The URL for display: only its scheme, since a password may be anywhere after it.
fn without_password(url: &str) -> String {
    let scheme = url.split(':').next().unwrap_or_default();
    format!("{scheme}:…")
}
