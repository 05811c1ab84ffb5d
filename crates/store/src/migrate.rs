//! Schema migrations: forward only, by one process at a time, and all or nothing.
//!
//! All missing migrations are applied in one transaction. On SQLite that transaction is also the
//! lock; on PostgreSQL it takes an advisory lock. So processes that start at once agree, and a
//! failed migration leaves the schema unchanged.

use sqlx::migrate::{MigrateError, Migrator};

use crate::{
    StoreError,
    db::{Db, Reader, Tx, run},
};

static COMMON: Migrator = sqlx_macros::migrate!("../../migrations");
static SQLITE_ONLY: Migrator = sqlx_macros::migrate!("../../migrations/sqlite");
static POSTGRES_ONLY: Migrator = sqlx_macros::migrate!("../../migrations/postgres");

/// An arbitrary number that no other program on the same database uses for its locks.
const LOCK: i64 = 0x5359_4e43_4c49_4e45;
/// How often SQLite's lock is tried, each time for as long as its busy timeout.
const TRIES: usize = 12;

/// The state of the database's schema, compared with this program.
#[derive(Debug, PartialEq, Eq)]
enum Schema {
    Current,
    /// A migration is missing or differs.
    Outdated,
    /// A newer program migrated it.
    Newer {
        found: i64,
    },
}

impl Db {
    pub(crate) async fn migrate(&self) -> Result<(), StoreError> {
        let migrator = self.migrator();
        match schema(self.writer().await?, &migrator).await? {
            Schema::Current => return Ok(()),
            Schema::Newer { found } => return Err(newer(&migrator, found)),
            Schema::Outdated => {}
        }
        let mut tx = self.begin_alone().await?;
        match tx.migrate(&migrator).await {
            Ok(()) => Ok(tx.commit().await?),
            Err(error) => {
                tx.rollback().await?;
                Err(match error {
                    // Another process migrated while this one waited for the lock.
                    MigrateError::VersionMissing(found) if found > newest(&migrator) => {
                        newer(&migrator, found)
                    }
                    other => other.into(),
                })
            }
        }
    }

    pub(crate) async fn ready(&self) -> Result<(), StoreError> {
        let migrator = self.migrator();
        match schema(self.read().await?, &migrator).await? {
            Schema::Current => Ok(()),
            Schema::Outdated => Err(StoreError::NotMigrated),
            Schema::Newer { found } => Err(newer(&migrator, found)),
        }
    }

    /// Whether there is no schema at all, of any version.
    pub(crate) async fn is_empty(&self) -> Result<bool, StoreError> {
        let applied = applied(&mut self.writer().await?).await?;
        Ok(applied.is_none_or(|applied| applied.is_empty()))
    }

    /// Begins a transaction with the migration lock.
    async fn begin_alone(&self) -> Result<Tx, StoreError> {
        if matches!(self, Self::Pg(_)) {
            let mut tx = self.begin().await?;
            // Another process may take long to migrate.
            for sql in [
                "SET LOCAL statement_timeout = 0",
                "SET LOCAL lock_timeout = '10min'",
                &*format!("SELECT pg_advisory_xact_lock({LOCK})"),
                "SET LOCAL lock_timeout = '30s'",
            ] {
                tx.wait_for(sql.to_owned()).await?;
            }
            return Ok(tx);
        }
        let mut tried = 1;
        loop {
            match self.begin().await.map_err(StoreError::from) {
                Err(error) if error.is_locked() && tried < TRIES => tried += 1,
                other => return other,
            }
        }
    }

    /// The common migrations, merged with those of this database.
    fn migrator(&self) -> Migrator {
        let own = match self {
            Self::Pg(_) => &POSTGRES_ONLY,
            Self::Lite { .. } => &SQLITE_ONLY,
        };
        let mut migrations = COMMON.migrations.to_vec();
        migrations.extend(own.iter().cloned());
        migrations.sort_by_key(|migration| migration.version);
        let mut migrator = Migrator::with_migrations(migrations);
        migrator.set_locking(false);
        migrator
    }
}

/// The applied migrations with their checksums; `None` if their table doesn't exist.
async fn applied(reader: &mut Reader) -> Result<Option<Vec<(i64, Vec<u8>)>>, StoreError> {
    const APPLIED: &str = "
        SELECT version, checksum FROM _sqlx_migrations WHERE success ORDER BY version";
    let applied: Result<Vec<(i64, Vec<u8>)>, _> =
        run!(reader, |c| sqlx::query_as(APPLIED).fetch_all(c).await);
    match applied.map_err(StoreError::from) {
        Ok(applied) => Ok(Some(applied)),
        Err(error) if error.is_unavailable() => Err(error),
        // The database answers, but the table doesn't exist.
        Err(StoreError::Database(sqlx::Error::Database(_))) => Ok(None),
        Err(error) => Err(error),
    }
}

async fn schema(mut reader: Reader, migrator: &Migrator) -> Result<Schema, StoreError> {
    let Some(applied) = applied(&mut reader).await? else {
        return Ok(Schema::Outdated);
    };
    let known = migrator
        .iter()
        .map(|migration| (migration.version, &*migration.checksum));
    if known.eq(applied.iter().map(|(version, sum)| (*version, &sum[..]))) {
        return Ok(Schema::Current);
    }
    Ok(match applied.last() {
        Some(&(found, _)) if found > newest(migrator) => Schema::Newer { found },
        _ => Schema::Outdated,
    })
}

/// The first migration, which every Syncline database has, with its checksum.
pub(crate) fn first() -> (i64, &'static [u8]) {
    let first = &COMMON.migrations[0];
    (first.version, &first.checksum)
}

fn newest(migrator: &Migrator) -> i64 {
    let versions = migrator.iter().map(|migration| migration.version);
    versions.max().unwrap_or_default()
}

fn newer(migrator: &Migrator, found: i64) -> StoreError {
    let known = newest(migrator);
    StoreError::NewerSchema { found, known }
}
