//! The store's errors.

use std::error::Error;

use sqlx::{migrate::MigrateError, postgres::PgDatabaseError, sqlite::SqliteError};

const SQLITE_BUSY: i32 = 5;
const SQLITE_LOCKED: i32 = 6;
const SQLITE_IOERR: i32 = 10;
const SQLITE_FULL: i32 = 13;
const SQLITE_CANTOPEN: i32 = 14;

/// Mistakes of callers are not errors here: an absent row is an `Option`, a duplicate its own
/// variant.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("the database could not be used")]
    Database(#[from] sqlx::Error),

    /// The embedded one, where many rows are read.
    #[error("the database could not be used")]
    Rows(#[from] rusqlite::Error),

    #[error("the database schema could not be brought up to date, and is as it was")]
    Migration(#[from] MigrateError),

    #[error(
        "the database schema has version {found}, but this program supports none after {known}: a \
         newer Syncline was here. Start that version, or restore a backup from before"
    )]
    NewerSchema { found: i64, known: i64 },

    /// A file can't be used as a database.
    #[error("{0}")]
    Unusable(String),

    #[error("the database URL '{url}' is invalid: {reason}")]
    Url { url: String, reason: String },

    /// The row to create exists already.
    #[error("{0} exists already")]
    Duplicate(&'static str),

    /// A row that the change depends on doesn't exist.
    #[error("{0} does not exist")]
    Missing(&'static str),

    /// It conflicts with existing data.
    #[error("{0}")]
    Conflict(String),

    /// The row is still in use, so it can't be changed or deleted.
    #[error("{0}")]
    InUse(String),

    /// Another worker took the scan over, or it was stopped: nothing of this page was written.
    #[error("the lease on scan {scan_id} is lost")]
    LeaseLost { scan_id: String },

    /// A run joined the scan since its runs were read: read them again.
    #[error("another run joined scan {scan_id}")]
    Joined { scan_id: String },

    #[error("the schema is at another version than this program: run `syncline migrate`")]
    NotMigrated,

    /// A secret is encrypted with a key that is not configured.
    #[error("{column} is sealed with the encryption key {key_id}, which is not configured")]
    UnknownEncryptionKey { column: String, key_id: String },

    #[error("{table}.{column} of row {row} can't be read: {reason}")]
    Inconsistent {
        table: &'static str,
        column: &'static str,
        row: String,
        reason: String,
    },
}

impl StoreError {
    /// Whether the database will refuse the same data every time: a value that its types can't
    /// hold, too many values, or a violated constraint or trigger. Other errors may be transient.
    pub fn refuses_data(&self) -> bool {
        if let Some(code) = self.postgres_code() {
            return REFUSED_BY_POSTGRES.iter().any(|it| code.starts_with(it));
        }
        let Self::Database(sqlx::Error::Database(cause)) = self else {
            return false;
        };
        let code = cause.code().unwrap_or_default();
        self.sqlite_code().is_some() && REFUSED_BY_SQLITE.contains(&&*code)
    }

    /// What stops a `COPY` and not an upsert: a row with the same key, or row-level security.
    pub(crate) fn stops_copy(&self) -> bool {
        const UNIQUE_VIOLATION: &str = "23505";
        const NOT_SUPPORTED: &str = "0A000";
        matches!(self.postgres_code(), Some(UNIQUE_VIOLATION | NOT_SUPPORTED))
    }

    /// The database's message when it refuses data.
    pub(crate) fn refusal(&self) -> String {
        const MOST: usize = 200;
        let said = match self {
            Self::Database(sqlx::Error::Database(cause)) => cause.message().to_owned(),
            other => other.to_string(),
        };
        let said: String = said.chars().take(MOST).collect();
        format!("the database refuses it: {said}")
    }

    /// Another connection holds a lock on the embedded database.
    pub fn is_locked(&self) -> bool {
        matches!(self.sqlite_code(), Some(SQLITE_BUSY | SQLITE_LOCKED))
    }

    /// Another connection has the embedded database open, or a lock on it.
    pub(crate) fn is_in_use(&self) -> bool {
        matches!(self, Self::InUse(_)) || self.is_locked()
    }

    fn postgres_code(&self) -> Option<&str> {
        match self {
            Self::Database(sqlx::Error::Database(cause)) => {
                Some(cause.try_downcast_ref::<PgDatabaseError>()?.code())
            }
            _ => None,
        }
    }

    /// The low byte of SQLite's code is the primary result code.
    fn sqlite_code(&self) -> Option<i32> {
        if let Self::Rows(rusqlite::Error::SqliteFailure(error, _)) = self {
            return Some(error.extended_code & 0xff);
        }
        let Self::Database(sqlx::Error::Database(cause)) = self else {
            return None;
        };
        cause.try_downcast_ref::<SqliteError>()?;
        let code: i32 = cause.code()?.parse().ok()?;
        Some(code & 0xff)
    }

    /// The database could not be reached, timed out, or is full. A retry later may succeed.
    pub fn is_unavailable(&self) -> bool {
        self.is_locked()
            || self.is_full()
            || matches!(self.sqlite_code(), Some(SQLITE_IOERR | SQLITE_CANTOPEN))
            || self.postgres_code().is_some_and(is_passing)
            || matches!(
                self,
                Self::Database(
                    sqlx::Error::Io(_)
                        | sqlx::Error::Tls(_)
                        | sqlx::Error::PoolTimedOut
                        | sqlx::Error::PoolClosed
                        | sqlx::Error::WorkerCrashed
                )
            )
    }

    /// PostgreSQL rolled the transaction back because of concurrent ones: a deadlock, or a
    /// serialization failure. A retry will mostly succeed.
    pub(crate) fn is_retryable(&self) -> bool {
        const DEADLOCK: &str = "40P01";
        const NOT_SERIALIZABLE: &str = "40001";
        matches!(self.postgres_code(), Some(DEADLOCK | NOT_SERIALIZABLE))
    }

    /// The message for callers when the database is unavailable.
    pub fn outage(&self) -> &'static str {
        if self.is_full() {
            "the database's disk is full: nothing can be stored until there is room"
        } else if self.is_locked() {
            "another process keeps the database locked; try again"
        } else if matches!(self.sqlite_code(), Some(SQLITE_IOERR | SQLITE_CANTOPEN)) {
            "the database's file can't be read or written: check its disk"
        } else {
            "the database can't be used; try again"
        }
    }

    /// The disk that the database is on is full.
    fn is_full(&self) -> bool {
        matches!(self.sqlite_code(), Some(SQLITE_FULL)) || self.postgres_code() == Some("53100")
    }

    /// Turns a violated unique constraint into [`StoreError::Duplicate`].
    pub(crate) fn or_duplicate(error: sqlx::Error, what: &'static str) -> Self {
        match &error {
            sqlx::Error::Database(cause) if cause.is_unique_violation() => Self::Duplicate(what),
            _ => Self::Database(error),
        }
    }

    /// Turns a violated foreign key into [`StoreError::Missing`].
    pub(crate) fn or_missing(self, what: &'static str) -> Self {
        if self.breaks_reference() {
            Self::Missing(what)
        } else {
            self
        }
    }

    /// A foreign key is violated: a referenced row doesn't exist, or is being deleted.
    pub fn breaks_reference(&self) -> bool {
        matches!(self, Self::Database(sqlx::Error::Database(cause))
            if cause.is_foreign_key_violation())
    }
}

/// The database's own message, if the error has one, without positions in its source.
pub fn said_by_database(error: &(dyn Error + 'static)) -> Option<String> {
    let database = match error.downcast_ref::<sqlx::Error>() {
        Some(error) => error.as_database_error()?,
        None => match error.downcast_ref::<MigrateError>()? {
            MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => {
                error.as_database_error()?
            }
            _ => return None,
        },
    };
    Some(database.message().to_owned())
}

/// PostgreSQL's codes for: invalid values, exceeded limits, NOT NULL, CHECK, an exception from a
/// trigger.
const REFUSED_BY_POSTGRES: [&str; 5] = ["22", "54", "23502", "23514", "P0001"];
/// SQLite's codes for: too big, type mismatch, and constraints: CHECK, NOT NULL, trigger, data
/// type.
const REFUSED_BY_SQLITE: [&str; 6] = ["18", "20", "275", "1299", "1811", "3091"];

/// PostgreSQL's codes for: connection failure, starting or stopping, out of memory, disk or
/// connections, a read-only standby, a lock timeout, a statement or transaction timeout, and a
/// rollback because of a concurrent transaction.
fn is_passing(code: &str) -> bool {
    const PASSING: [&str; 9] = [
        "08", "57P", "53", "25006", "55P03", "57014", "25P03", "25P04", "40",
    ];
    PASSING.iter().any(|passing| code.starts_with(passing))
}
