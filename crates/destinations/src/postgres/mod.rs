//! A PostgreSQL database as a destination: the same tables as ours, in a given schema.
//!
//! A batch is copied into a temporary table and merged from there, in one transaction with its
//! checkpoint. The checkpoint's row has the fence of the lease, so a worker that was overtaken writes
//! nothing. Statements are never prepared by name, so a pooler may be in between.

mod connect;
mod copy;
mod remove;
mod tables;
mod write;

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError},
};

use sqlx::{
    AssertSqlSafe, Connection as _, Executor, PgConnection, PgPool, Postgres, Row, Transaction,
};
use syncline_model::{FeedPosition, PostgresDestination, Time, destination::PostgresSecrets};
use syncline_store::DestinationFeed;

use crate::{DestinationError, target::Checkpoint};

/// Of each transaction: behind a pooler settings of the session would be lost, or others'.
const SETTINGS: &str = "SET LOCAL statement_timeout = '5min'; SET LOCAL lock_timeout = '30s';
    SET LOCAL search_path = pg_catalog";

/// A schema of a database. Cheap to clone.
#[derive(Clone)]
pub(crate) struct PostgresTarget {
    pool: PgPool,
    schema: String,
    /// Schemas whose tables are known to be right.
    prepared: Arc<Mutex<HashSet<String>>>,
}

impl PostgresTarget {
    pub(crate) async fn open(
        config: &PostgresDestination,
        secrets: &PostgresSecrets,
        allow_private: bool,
        connections: u32,
    ) -> Result<Self, DestinationError> {
        connect::check_host(config, allow_private).await?;
        Ok(Self {
            pool: connect::pool(config, secrets, connections)?,
            schema: config.schema.clone(),
            prepared: Arc::default(),
        })
    }

    /// Connects, and creates a table like ours, which is not kept.
    pub(crate) async fn test(&self) -> Result<(), DestinationError> {
        let mut connection = connect::once(&self.pool).await?;
        execute(&mut connection, &format!("BEGIN; {SETTINGS}")).await?;
        let prepared = tables::prepare(&mut connection, &self.schema).await;
        // Closing it rolls back.
        connection
            .close()
            .await
            .map_err(|error| connect::explain(&error))?;
        prepared
    }

    fn schema_of(&self, feed: &DestinationFeed) -> String {
        feed.schema.clone().unwrap_or_else(|| self.schema.clone())
    }

    async fn begin(&self) -> Result<Transaction<'static, Postgres>, DestinationError> {
        let mut tx = self
            .pool
            .begin()
            .await
            .map_err(|error| connect::explain(&error))?;
        execute(&mut tx, SETTINGS).await?;
        Ok(tx)
    }

    /// Creates or completes the schema's tables, once in this process.
    async fn prepare(&self, schema: &str) -> Result<(), DestinationError> {
        let is_prepared = |schema: &str| {
            let prepared = self.prepared.lock();
            prepared
                .unwrap_or_else(PoisonError::into_inner)
                .contains(schema)
        };
        if is_prepared(schema) {
            return Ok(());
        }
        let mut tx = self.begin().await?;
        tables::prepare(&mut tx, schema).await?;
        tx.commit()
            .await
            .map_err(|error| connect::explain(&error))?;
        let mut prepared = self.prepared.lock().unwrap_or_else(PoisonError::into_inner);
        prepared.insert(schema.to_owned());
        Ok(())
    }

    pub(crate) async fn checkpoint(
        &self,
        feed: &DestinationFeed,
    ) -> Result<Option<Checkpoint>, DestinationError> {
        let schema = self.schema_of(feed);
        self.prepare(&schema).await?;
        let sql = format!(
            "SELECT epoch, position, stale_before_ms FROM {}
             WHERE destination_id = $1 AND connection_id = $2 AND position IS NOT NULL",
            tables::checkpoints(&schema)
        );
        let mut tx = self.begin().await?;
        let row = sqlx::query(AssertSqlSafe(sql))
            .persistent(false)
            .bind(&feed.destination_id)
            .bind(&feed.connection.connection_id)
            .fetch_optional(&mut *tx)
            .await
            .map_err(|error| connect::explain(&error))?;
        let Some(row) = row else { return Ok(None) };
        let read = || -> sqlx::Result<(String, String, Option<i64>)> {
            Ok((
                row.try_get("epoch")?,
                row.try_get("position")?,
                row.try_get("stale_before_ms")?,
            ))
        };
        let (epoch, position, stale_before) = read().map_err(|error| connect::explain(&error))?;
        let position: FeedPosition = serde_json::from_str(&position).map_err(|error| {
            DestinationError::failed(format!(
                "the checkpoint in {} can't be read ({error}): delete its row to have all written anew",
                tables::checkpoints(&schema)
            ))
        })?;
        Ok(Some(Checkpoint {
            epoch,
            position,
            stale_before: stale_before.and_then(Time::from_timestamp_millis),
        }))
    }
}

/// Runs statements without parameters.
async fn execute(tx: &mut PgConnection, sql: &str) -> Result<(), DestinationError> {
    tx.execute(sqlx::raw_sql(AssertSqlSafe(sql.to_owned())))
        .await
        .map(drop)
        .map_err(|error| connect::explain(&error))
}

/// A name as SQL has it.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
