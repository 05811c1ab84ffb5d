//! A database of its own for each test, on SQLite or on PostgreSQL.

use sqlx::{
    Connection, PgConnection, PgPool, Postgres, Row, SqliteConnection, Transaction,
    postgres::PgConnectOptions,
};
use std::{path::Path, str::FromStr};
use tempfile::TempDir;

use super::schema;

/// Created by the test, and deleted with it.
pub(crate) struct Database {
    pub(crate) url: String,
    pub(crate) is_postgres: bool,
    dir: TempDir,
}

impl Database {
    pub(crate) fn sqlite() -> Self {
        let dir = tempfile::tempdir().unwrap();
        Self {
            url: format!("sqlite://{}", dir.path().join("syncline.db").display()),
            is_postgres: false,
            dir,
        }
    }

    /// On the cluster that `tests/with-postgres` runs and deletes. The schema is copied from a
    /// template, which is faster than running the migrations.
    pub(crate) async fn postgres() -> Self {
        let server = std::env::var("TEST_POSTGRES_URL")
            .expect("these tests need PostgreSQL: run them with tests/run");
        let mut admin = PgConnection::connect(&server).await.unwrap();
        let template = schema::postgres_template(&server, &mut admin).await;
        Self::copied_on(&server, &template).await
    }

    /// An empty one on this server.
    pub(crate) async fn empty_on(server: &str) -> Self {
        Self::copied_on(server, "template1").await
    }

    async fn copied_on(server: &str, template: &str) -> Self {
        // By chance, not by the process: numbers of processes come again within one run of the tests.
        let name = format!("t{:016x}", rand::random::<u64>());
        let mut admin = PgConnection::connect(server).await.unwrap();
        sqlx::query(sqlx::AssertSqlSafe(format!(
            "CREATE DATABASE {name} TEMPLATE {template}"
        )))
        .execute(&mut admin)
        .await
        .unwrap();
        Self {
            url: server.replace("/postgres?", &format!("/{name}?")),
            is_postgres: true,
            dir: tempfile::tempdir().unwrap(),
        }
    }

    /// Creates the schema in a database that doesn't have it yet. On PostgreSQL it is always there.
    pub(crate) async fn with_schema(&self) {
        let file = self.dir.path().join("syncline.db");
        if !self.is_postgres && !file.exists() {
            std::fs::copy(schema::sqlite_template().await, file).unwrap();
        }
    }

    /// Removes the schema, for tests of how it is created.
    pub(crate) async fn without_schema(&self) {
        if self.is_postgres {
            self.execute("DROP SCHEMA public CASCADE").await;
            self.execute("CREATE SCHEMA public").await;
        }
    }

    /// Another one of the same kind.
    pub(crate) async fn another(&self) -> Self {
        if self.is_postgres {
            Self::postgres().await
        } else {
            Self::sqlite()
        }
    }

    /// A directory that is deleted with the database; on SQLite it contains it.
    pub(crate) fn data_dir(&self) -> &Path {
        self.dir.path()
    }

    /// The number that a query returns.
    pub(crate) async fn count(&self, sql: &str) -> i64 {
        let sql = sqlx::AssertSqlSafe(sql.to_owned());
        if self.is_postgres {
            let options = PgConnectOptions::from_str(&self.url).unwrap();
            let mut c = PgConnection::connect_with(&options).await.unwrap();
            sqlx::query(sql).fetch_one(&mut c).await.unwrap().get(0)
        } else {
            let mut c = SqliteConnection::connect(&self.url).await.unwrap();
            sqlx::query(sql).fetch_one(&mut c).await.unwrap().get(0)
        }
    }

    /// A transaction on PostgreSQL that has executed this, to hold its locks.
    pub(crate) async fn holding(&self, sql: &'static str) -> Transaction<'static, Postgres> {
        let pool = PgPool::connect(&self.url).await.unwrap();
        let mut held = pool.begin().await.unwrap();
        sqlx::query(sql).execute(&mut *held).await.unwrap();
        held
    }

    /// Waits until a statement that starts like this waits for a lock of PostgreSQL's.
    ///
    /// Asks outside of any transaction, because one sees only the sessions of its first look.
    pub(crate) async fn until_waiting(&self, statement: &str) {
        let sql = format!(
            "SELECT count(*) FROM pg_stat_activity
             WHERE datname = current_database() AND wait_event_type = 'Lock'
               AND starts_with(query, '{statement}')"
        );
        while self.count(&sql).await == 0 {
            tokio::task::yield_now().await;
        }
    }

    /// The text that a query returns, if there is a row.
    pub(crate) async fn text(&self, sql: &str) -> Option<String> {
        let sql = sqlx::AssertSqlSafe(sql.to_owned());
        let column = |it: Option<Option<String>>| it.flatten();
        if self.is_postgres {
            let options = PgConnectOptions::from_str(&self.url).unwrap();
            let mut c = PgConnection::connect_with(&options).await.unwrap();
            column(
                sqlx::query_scalar(sql)
                    .fetch_optional(&mut c)
                    .await
                    .unwrap(),
            )
        } else {
            let mut c = SqliteConnection::connect(&self.url).await.unwrap();
            column(
                sqlx::query_scalar(sql)
                    .fetch_optional(&mut c)
                    .await
                    .unwrap(),
            )
        }
    }

    /// The text values that a query returns, sorted.
    async fn texts(&self, sql: &str) -> Vec<String> {
        let sql = sqlx::AssertSqlSafe(sql.to_owned());
        let mut texts: Vec<String> = if self.is_postgres {
            let options = PgConnectOptions::from_str(&self.url).unwrap();
            let mut c = PgConnection::connect_with(&options).await.unwrap();
            sqlx::query_scalar(sql).fetch_all(&mut c).await.unwrap()
        } else {
            let mut c = SqliteConnection::connect(&self.url).await.unwrap();
            sqlx::query_scalar(sql).fetch_all(&mut c).await.unwrap()
        };
        texts.sort();
        texts
    }

    /// All tables except the audit log, which also grows with calls that change nothing.
    pub(crate) async fn tables(&self) -> Vec<String> {
        let tables = if self.is_postgres {
            "SELECT tablename::text FROM pg_tables WHERE schemaname = 'public'"
        } else {
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
        };
        let mut tables = self.texts(tables).await;
        tables.retain(|table| table != "audit_log");
        tables
    }

    /// Every row of every table, as text; of tables that have applications, or webhook
    /// endpoints, only this one's rows.
    pub(crate) async fn dump(&self, application_id: Option<&str>) -> Vec<String> {
        let mut dump = Vec::new();
        for table in self.tables().await {
            let columns = self.columns(&table).await;
            let scoped = columns.iter().any(|column| column == "application_id");
            let of_endpoints = columns.iter().any(|column| column == "endpoint_id");
            let scope = match application_id {
                Some(id) if scoped => format!("WHERE application_id = '{id}'"),
                Some(id) if of_endpoints => format!(
                    "WHERE endpoint_id IN
                        (SELECT id FROM webhook_endpoints WHERE application_id = '{id}')"
                ),
                _ => String::new(),
            };
            let row = if self.is_postgres {
                "CAST(to_jsonb(t) AS text)".to_owned()
            } else {
                let quoted = columns.iter().map(|column| format!("quote(\"{column}\")"));
                quoted.collect::<Vec<_>>().join(" || ', ' || ")
            };
            let rows = self
                .texts(&format!("SELECT {row} FROM \"{table}\" t {scope}"))
                .await;
            dump.extend(rows.into_iter().map(|row| format!("{table}: {row}")));
        }
        dump
    }

    /// Columns in SQLite that hold times in another format than the API's, each with a value.
    pub(crate) async fn times_in_another_form(&self) -> Vec<String> {
        const FORM: &str = "[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T\
            [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9]Z";
        if self.is_postgres {
            return Vec::new();
        }
        let columns = "SELECT 'SELECT ''' || t.name || '.' || c.name || ' '' || ' || c.name
                || ' FROM ' || t.name || ' WHERE ' || c.name || ' NOT GLOB '
             FROM sqlite_master t, pragma_table_info(t.name) c
             WHERE t.type = 'table' AND c.type = 'timestamptz'";
        let mut others = Vec::new();
        for column in self.texts(columns).await {
            others.extend(self.texts(&format!("{column}'{FORM}'")).await);
        }
        others
    }

    async fn columns(&self, table: &str) -> Vec<String> {
        if self.is_postgres {
            let from = "FROM information_schema.columns WHERE table_schema = 'public'";
            self.texts(&format!(
                "SELECT column_name::text {from} AND table_name = '{table}'"
            ))
            .await
        } else {
            self.texts(&format!("SELECT name FROM pragma_table_info('{table}')"))
                .await
        }
    }

    /// Changes the database directly, without Syncline.
    pub(crate) async fn execute(&self, sql: &str) {
        self.try_execute(sql).await.unwrap();
    }

    /// The same, where the database may refuse it.
    pub(crate) async fn try_execute(&self, sql: &str) -> sqlx::Result<()> {
        let sql = sqlx::AssertSqlSafe(sql.to_owned());
        if self.is_postgres {
            let options = PgConnectOptions::from_str(&self.url).unwrap();
            let mut c = PgConnection::connect_with(&options).await.unwrap();
            sqlx::query(sql).execute(&mut c).await.map(drop)
        } else {
            let mut c = SqliteConnection::connect(&self.url).await.unwrap();
            sqlx::query(sql).execute(&mut c).await.map(drop)
        }
    }
}

/// Each function becomes two tests, `name::sqlite` and `name::postgres`.
macro_rules! on_both_databases {
    ($(#[$meta:meta])* async fn $name:ident($database:ident: Database $(,)?) $body:block) => {
        $(#[$meta])*
        mod $name {
            use super::*;

            async fn run($database: $crate::support::Database) $body

            #[tokio::test]
            async fn sqlite() {
                run($crate::support::Database::sqlite()).await;
            }

            #[tokio::test]
            async fn postgres() {
                run($crate::support::Database::postgres().await).await;
            }
        }
    };
}
pub(crate) use on_both_databases;
