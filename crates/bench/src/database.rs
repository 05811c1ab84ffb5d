//! The databases that are synced into, and queries on them.

use std::{path::Path, str::FromStr, time::Duration};

use anyhow::{Context, ensure};
use sqlx::{
    AssertSqlSafe, ConnectOptions, Connection, PgConnection, SqliteConnection,
    postgres::PgConnectOptions, sqlite::SqliteConnectOptions,
};

/// The tables that a sync of contacts and sequence states fills.
pub(crate) const TABLES: [&str; 2] = ["engagement_contacts", "engagement_sequence_states"];

/// How often a statement is retried after a deadlock.
const TRIES: u32 = 50;
const TRY_AGAIN_AFTER: Duration = Duration::from_millis(200);

/// A PostgreSQL server on which databases can be created.
pub(crate) struct Server {
    options: PgConnectOptions,
    pub(crate) version: String,
}

impl Server {
    /// Requires fsync: a server without it would make every comparison wrong.
    pub(crate) async fn connect(url: &str) -> anyhow::Result<Self> {
        let options = PgConnectOptions::from_str(url).context("TEST_POSTGRES_URL is wrong")?;
        let mut connection = options.connect().await?;
        let fsync: String = sqlx::query_scalar("SHOW fsync")
            .fetch_one(&mut connection)
            .await?;
        ensure!(
            fsync == "on",
            "PostgreSQL runs with fsync {fsync}: set POSTGRES_OPTIONS='-c fsync=on'"
        );
        let version: String = sqlx::query_scalar("SHOW server_version")
            .fetch_one(&mut connection)
            .await?;
        connection.close().await?;
        Ok(Self { options, version })
    }

    /// An empty database.
    pub(crate) async fn create(&self, name: &str) -> anyhow::Result<PgConnectOptions> {
        self.execute(&format!("CREATE DATABASE {name}")).await?;
        Ok(self.options.clone().database(name))
    }

    pub(crate) async fn drop(&self, name: &str) -> anyhow::Result<()> {
        self.execute(&format!("DROP DATABASE {name}")).await
    }

    async fn execute(&self, sql: &str) -> anyhow::Result<()> {
        let mut connection = self.options.connect().await?;
        sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))
            .execute(&mut connection)
            .await?;
        Ok(connection.close().await?)
    }
}

pub(crate) enum Database {
    Sqlite(SqliteConnectOptions),
    Postgres(PgConnectOptions),
}

/// The newest row version per table, at one moment.
pub(crate) struct Mark([String; 2]);

pub(crate) enum Open {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

impl Database {
    pub(crate) fn sqlite(file: &Path) -> Self {
        Self::Sqlite(SqliteConnectOptions::new().filename(file))
    }

    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Sqlite(_) => "SQLite",
            Self::Postgres(_) => "PostgreSQL",
        }
    }

    pub(crate) fn url(&self) -> String {
        match self {
            Self::Sqlite(options) => format!("sqlite://{}", options.get_filename().display()),
            Self::Postgres(options) => options.to_url_lossy().to_string(),
        }
    }

    /// How many rows each table has.
    pub(crate) async fn rows(&self) -> anyhow::Result<[i64; 2]> {
        let mut open = self.open().await?;
        let [contacts, states] = TABLES.map(|table| format!("SELECT count(*) FROM {table}"));
        Ok([open.count(contacts).await?, open.count(states).await?])
    }

    /// A mark for [`written_since`](Self::written_since).
    pub(crate) async fn mark(&self) -> anyhow::Result<Mark> {
        let mut open = self.open().await?;
        let version = self.row_version();
        let [contacts, states] = TABLES
            .map(|table| format!("SELECT CAST(coalesce(max({version}), 0) AS text) FROM {table}"));
        Ok(Mark([open.text(contacts).await?, open.text(states).await?]))
    }

    /// The number of rows with a version newer than the mark.
    pub(crate) async fn written_since(&self, mark: &Mark) -> anyhow::Result<i64> {
        let mut open = self.open().await?;
        let version = self.row_version();
        let mut written = 0;
        for (table, newest) in TABLES.iter().zip(&mark.0) {
            let sql = format!("SELECT count(*) FROM {table} WHERE {version} > {newest}");
            written += open.count(sql).await?;
        }
        Ok(written)
    }

    /// A number that grows with every version of a row: PostgreSQL's own or, on SQLite, the stamp
    /// that each write sets.
    fn row_version(&self) -> &'static str {
        match self {
            Self::Sqlite(_) => "CAST(1e3 * unixepoch(last_modified_at, 'subsec') AS integer)",
            Self::Postgres(_) => "xmin::text::bigint",
        }
    }

    /// A connection that may write.
    pub(crate) async fn open_to_write(&self) -> anyhow::Result<Open> {
        Ok(match self {
            Self::Sqlite(options) => Open::Sqlite(
                options
                    .clone()
                    .busy_timeout(Duration::from_mins(1))
                    .connect()
                    .await?,
            ),
            Self::Postgres(options) => Open::Postgres(options.connect().await?),
        })
    }

    async fn open(&self) -> anyhow::Result<Open> {
        Ok(match self {
            Self::Sqlite(options) => Open::Sqlite(options.clone().read_only(true).connect().await?),
            Self::Postgres(options) => Open::Postgres(options.connect().await?),
        })
    }
}

impl Open {
    pub(crate) fn is_postgres(&self) -> bool {
        matches!(self, Self::Postgres(_))
    }

    /// Executes a statement and returns the number of rows that changed. Retries after a deadlock
    /// with the running service.
    pub(crate) async fn execute(&mut self, sql: String) -> Result<u64, sqlx::Error> {
        let mut tries = TRIES;
        loop {
            let sql = AssertSqlSafe(sql.clone());
            let done = match self {
                Self::Sqlite(c) => sqlx::query(sql)
                    .execute(c)
                    .await
                    .map(|it| it.rows_affected()),
                Self::Postgres(c) => sqlx::query(sql)
                    .execute(c)
                    .await
                    .map(|it| it.rows_affected()),
            };
            tries -= 1;
            match done {
                Err(error) if tries > 0 && is_deadlock(&error) => {}
                done => return done,
            }
            tokio::time::sleep(TRY_AGAIN_AFTER).await;
        }
    }

    pub(crate) async fn texts(&mut self, sql: String) -> Result<Vec<String>, sqlx::Error> {
        let sql = AssertSqlSafe(sql);
        match self {
            Self::Sqlite(c) => sqlx::query_scalar(sql).fetch_all(c).await,
            Self::Postgres(c) => sqlx::query_scalar(sql).fetch_all(c).await,
        }
    }

    /// Numbers, some of which may be NULL.
    pub(crate) async fn numbers(&mut self, sql: String) -> Result<Vec<Option<f64>>, sqlx::Error> {
        let sql = AssertSqlSafe(sql);
        match self {
            Self::Sqlite(c) => sqlx::query_scalar(sql).fetch_all(c).await,
            Self::Postgres(c) => sqlx::query_scalar(sql).fetch_all(c).await,
        }
    }

    pub(crate) async fn count(&mut self, sql: String) -> Result<i64, sqlx::Error> {
        let sql = AssertSqlSafe(sql);
        match self {
            Self::Sqlite(c) => sqlx::query_scalar(sql).fetch_one(c).await,
            Self::Postgres(c) => sqlx::query_scalar(sql).fetch_one(c).await,
        }
    }

    pub(crate) async fn text(&mut self, sql: String) -> Result<String, sqlx::Error> {
        let sql = AssertSqlSafe(sql);
        match self {
            Self::Sqlite(c) => sqlx::query_scalar(sql).fetch_one(c).await,
            Self::Postgres(c) => sqlx::query_scalar(sql).fetch_one(c).await,
        }
    }
}

fn is_deadlock(error: &sqlx::Error) -> bool {
    let database = error.as_database_error();
    database.is_some_and(|error| error.code().as_deref() == Some("40P01"))
}
