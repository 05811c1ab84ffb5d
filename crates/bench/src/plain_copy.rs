//! The baseline: a bare `COPY` of the same rows into the same table layout.
//!
//! It only loads rows that are in memory, in one transaction for both tables, so it shows how fast
//! this server on this machine can take these rows.

use std::time::Instant;

use anyhow::ensure;
use futures::TryStreamExt;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection, postgres::PgConnectOptions};

use crate::{database::TABLES, spread::Spread, sync::per_second};

/// The number of repetitions; the median counts.
const TIMES: usize = 5;
/// The size of each message.
const CHUNK_BYTES: usize = 64 * 1024;

/// Rows per second of a `COPY` of the rows that a sync wrote to this database.
pub(crate) async fn rows_per_second(database: &PgConnectOptions) -> anyhow::Result<f64> {
    let mut connection = database.connect().await?;
    let mut loads = Vec::new();
    for table in TABLES {
        loads.push(Load::prepare(&mut connection, table).await?);
    }
    let mut rates = Vec::new();
    for _ in 0..TIMES {
        rates.push(load_all(&mut connection, &loads).await?);
    }
    connection.close().await?;
    Ok(Spread::of(rates).median)
}

/// A table's rows, and an empty table with its layout: columns, compression, key and indexes.
struct Load {
    table: String,
    data: Vec<u8>,
    rows: i64,
}

impl Load {
    async fn prepare(connection: &mut PgConnection, table: &str) -> anyhow::Result<Self> {
        let copy = format!("copy_of_{table}");
        execute(
            connection,
            format!("CREATE TABLE {copy} (LIKE {table} INCLUDING ALL)"),
        )
        .await?;
        let rows = sqlx::query_scalar(AssertSqlSafe(format!("SELECT count(*) FROM {table}")))
            .fetch_one(&mut *connection)
            .await?;
        let mut data = Vec::new();
        let mut stream = connection
            .copy_out_raw(&format!("COPY {table} TO STDOUT"))
            .await?;
        while let Some(chunk) = stream.try_next().await? {
            data.extend_from_slice(&chunk);
        }
        drop(stream);
        Ok(Self {
            table: copy,
            data,
            rows,
        })
    }

    async fn run(&self, connection: &mut PgConnection) -> anyhow::Result<()> {
        let mut copy = connection
            .copy_in_raw(&format!("COPY {} FROM STDIN", self.table))
            .await?;
        for chunk in self.data.chunks(CHUNK_BYTES) {
            copy.send(chunk).await?;
        }
        let loaded = i64::try_from(copy.finish().await?)?;
        ensure!(
            loaded == self.rows,
            "COPY took {loaded} of {} rows",
            self.rows
        );
        Ok(())
    }
}

/// Rows per second of one transaction into empty tables, from its start until it is durable.
async fn load_all(connection: &mut PgConnection, loads: &[Load]) -> anyhow::Result<f64> {
    for load in loads {
        execute(connection, format!("TRUNCATE {}", load.table)).await?;
    }
    let started = Instant::now();
    let mut transaction = connection.begin().await?;
    for load in loads {
        load.run(&mut transaction).await?;
    }
    transaction.commit().await?;
    let seconds = started.elapsed().as_secs_f64();
    Ok(per_second(
        loads.iter().map(|load| load.rows).sum(),
        seconds,
    ))
}

async fn execute(connection: &mut PgConnection, sql: String) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(AssertSqlSafe(sql))
        .execute(connection)
        .await
        .map(drop)
}
