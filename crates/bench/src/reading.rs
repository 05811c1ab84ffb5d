//! Cached lists: pages of contacts over HTTP, compared with the same SQL on the same rows with the
//! same number of connections.

use std::time::Instant;

use anyhow::{Context, ensure};
use futures::future::try_join_all;
use serde::Deserialize;
use sqlx::{
    PgPool, Row, SqlitePool, postgres::PgPoolOptions, postgres::PgRow, sqlite::SqlitePoolOptions,
    sqlite::SqliteRow,
};

use crate::{database::Database, service::Service};

const CLIENTS: usize = 8;
const PAGE_SIZE: i64 = 100;

/// The number of the service's connections for reads.
const POSTGRES_CONNECTIONS: u32 = 16;
const SQLITE_CONNECTIONS: u32 = 4;

/// The columns that a page shows of each contact, with one row more than the page has.
const PAGE: &str = "
    SELECT id, created_at, updated_at, is_deleted, deleted_at, last_modified_at, owner_id,
           account_id, first_name, last_name, job_title, address, email_addresses, phone_numbers,
           open_count, click_count, reply_count, bounced_count
    FROM engagement_contacts
    WHERE application_id = $1 AND customer_id = 'default' AND provider_name = 'apollo'
      AND NOT is_deleted AND id > $2
    ORDER BY id LIMIT $3";

/// Pages per second.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reading {
    pub(crate) over_http: f64,
    pub(crate) bare_sql: f64,
}

#[derive(Deserialize)]
struct Page {
    pagination: Pagination,
    records: Vec<serde::de::IgnoredAny>,
}

#[derive(Deserialize)]
struct Pagination {
    next: Option<String>,
}

enum Pool {
    Pg(PgPool),
    Lite(SqlitePool),
}

/// Each client reads the whole list; first over HTTP, then with SQL.
pub(crate) async fn measure(
    service: &Service,
    database: &Database,
    contacts: i64,
) -> anyhow::Result<Reading> {
    let pool = Pool::open(database).await?;
    let application = pool.application().await?;
    // Warm up: the first walks fill the caches of both.
    walk_list(service, contacts).await?;
    walk_sql(&pool, &application, contacts).await?;
    let over_http = rate(try_join_all(
        (0..CLIENTS).map(|_| walk_list(service, contacts)),
    ))
    .await?;
    let walks = (0..CLIENTS).map(|_| walk_sql(&pool, &application, contacts));
    let bare_sql = rate(try_join_all(walks)).await?;
    Ok(Reading {
        over_http,
        bare_sql,
    })
}

/// Pages per second of concurrent walks.
#[expect(clippy::cast_precision_loss, reason = "some thousand pages")]
async fn rate(walks: impl Future<Output = anyhow::Result<Vec<usize>>>) -> anyhow::Result<f64> {
    let started = Instant::now();
    let pages: usize = walks.await?.into_iter().sum();
    Ok(pages as f64 / started.elapsed().as_secs_f64())
}

/// Reads the whole list and returns the number of pages.
async fn walk_list(service: &Service, contacts: i64) -> anyhow::Result<usize> {
    let mut path = format!("/engagement/v2/contacts?read_from_cache=true&page_size={PAGE_SIZE}");
    let first = path.clone();
    let (mut pages, mut records) = (0, 0);
    loop {
        let body = service.get(&path).await?;
        let page: Page = serde_json::from_slice(&body).context("no page")?;
        pages += 1;
        records += page.records.len();
        match page.pagination.next {
            Some(next) => path = format!("{first}&cursor={next}"),
            None => break,
        }
    }
    ensure!(
        i64::try_from(records)? == contacts,
        "the list showed {records}"
    );
    Ok(pages)
}

async fn walk_sql(pool: &Pool, application: &str, contacts: i64) -> anyhow::Result<usize> {
    let (mut pages, mut records) = (0, 0);
    let mut after = String::new();
    loop {
        let ids = pool.page(application, &after).await?;
        let shown = ids.len().min(usize::try_from(PAGE_SIZE)?);
        pages += 1;
        records += shown;
        if ids.len() <= shown {
            break;
        }
        after.clone_from(&ids[shown - 1]);
    }
    ensure!(
        i64::try_from(records)? == contacts,
        "the SQL gave {records}"
    );
    Ok(pages)
}

impl Pool {
    async fn open(database: &Database) -> anyhow::Result<Self> {
        Ok(match database {
            Database::Postgres(options) => Self::Pg(
                PgPoolOptions::new()
                    .max_connections(POSTGRES_CONNECTIONS)
                    .idle_timeout(None)
                    .max_lifetime(None)
                    .connect_with(options.clone())
                    .await?,
            ),
            Database::Sqlite(options) => Self::Lite(
                SqlitePoolOptions::new()
                    .max_connections(SQLITE_CONNECTIONS)
                    .idle_timeout(None)
                    .max_lifetime(None)
                    .connect_with(options.clone().read_only(true))
                    .await?,
            ),
        })
    }

    async fn application(&self) -> anyhow::Result<String> {
        const SQL: &str = "SELECT id FROM applications WHERE name = 'default'";
        Ok(match self {
            Self::Pg(pool) => sqlx::query_scalar(SQL).fetch_one(pool).await?,
            Self::Lite(pool) => sqlx::query_scalar(SQL).fetch_one(pool).await?,
        })
    }

    /// The ids of a page's rows; whole rows were transferred.
    async fn page(&self, application: &str, after: &str) -> anyhow::Result<Vec<String>> {
        macro_rules! rows {
            ($pool:expr, $row:ty) => {
                sqlx::query(PAGE)
                    .bind(application)
                    .bind(after)
                    .bind(PAGE_SIZE + 1)
                    .fetch_all($pool)
                    .await?
                    .iter()
                    .map(|row: &$row| row.try_get("id"))
                    .collect::<Result<_, _>>()?
            };
        }
        Ok(match self {
            Self::Pg(pool) => rows!(pool, PgRow),
            Self::Lite(pool) => rows!(pool, SqliteRow),
        })
    }
}
