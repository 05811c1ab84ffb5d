//! Writes a batch: copied into a temporary table, merged from there, with its checkpoint.

use sqlx::{AssertSqlSafe, PgConnection, Postgres, Transaction};
use syncline_model::{Cell, ExportRow, ExportRows};
use syncline_store::DestinationFeed;

use super::{
    PostgresTarget,
    connect::{explain, refuses_data},
    copy, execute, quoted,
    tables::{self, KEY},
};
use crate::{DestinationError, target::Checkpoint};

impl PostgresTarget {
    pub(crate) async fn write(
        &self,
        feed: &DestinationFeed,
        rows: &[ExportRows],
        checkpoint: &Checkpoint,
    ) -> Result<(), DestinationError> {
        let schema = self.schema_of(feed);
        self.prepare(&schema).await?;
        let mut tx = self.begin().await?;
        hold_checkpoint(&mut tx, &schema, feed, &checkpoint.epoch).await?;
        for object in rows {
            merge(&mut tx, &schema, object).await?;
        }
        move_checkpoint(&mut tx, &schema, feed, checkpoint).await?;
        tx.commit().await.map_err(|error| explain(&error))
    }
}

/// Locks the checkpoint's row, if no other worker has it by a later lease.
pub(super) async fn hold_checkpoint(
    tx: &mut Transaction<'static, Postgres>,
    schema: &str,
    feed: &DestinationFeed,
    epoch: &str,
) -> Result<(), DestinationError> {
    let sql = format!(
        "INSERT INTO {} AS c (destination_id, connection_id, epoch, fence) VALUES ($1, $2, $4, $3)
         ON CONFLICT (destination_id, connection_id) DO UPDATE SET fence = excluded.fence
         WHERE c.fence <= excluded.fence OR c.epoch <> excluded.epoch",
        tables::checkpoints(schema)
    );
    let held = sqlx::query(AssertSqlSafe(sql))
        .persistent(false)
        .bind(&feed.destination_id)
        .bind(&feed.connection.connection_id)
        .bind(feed.fence)
        .bind(epoch)
        .execute(&mut **tx)
        .await
        .map_err(|error| explain(&error))?;
    if held.rows_affected() == 0 {
        return Err(DestinationError::Overtaken);
    }
    Ok(())
}

pub(super) async fn move_checkpoint(
    tx: &mut Transaction<'static, Postgres>,
    schema: &str,
    feed: &DestinationFeed,
    checkpoint: &Checkpoint,
) -> Result<(), DestinationError> {
    let sql = format!(
        "UPDATE {} SET epoch = $3, position = $4, stale_before_ms = $5, written_at = now()
         WHERE destination_id = $1 AND connection_id = $2",
        tables::checkpoints(schema)
    );
    let position = serde_json::to_string(&checkpoint.position)
        .map_err(|error| DestinationError::failed(error.to_string()))?;
    sqlx::query(AssertSqlSafe(sql))
        .persistent(false)
        .bind(&feed.destination_id)
        .bind(&feed.connection.connection_id)
        .bind(&checkpoint.epoch)
        .bind(position)
        .bind(checkpoint.stale_before.map(|at| at.timestamp_millis()))
        .execute(&mut **tx)
        .await
        .map(drop)
        .map_err(|error| explain(&error))
}

/// Writes an object's rows: all at once, or one by one if the database can't hold some value.
async fn merge(
    tx: &mut Transaction<'static, Postgres>,
    schema: &str,
    rows: &ExportRows,
) -> Result<(), DestinationError> {
    let staging = "syncline_batch";
    let table = tables::table(schema, rows.object);
    let create = format!(
        "CREATE TEMPORARY TABLE {staging} (LIKE {table} INCLUDING DEFAULTS) ON COMMIT DROP"
    );
    execute(tx, &create).await?;
    let merge = merge_sql(&table, &format!("pg_temp.{staging}"), rows);
    execute(tx, "SAVEPOINT batch").await?;
    let all: Vec<&ExportRow> = rows.rows.iter().collect();
    match copy_and_merge(tx, staging, &merge, rows, &all).await {
        Ok(()) => {}
        Err(error) if refuses_data(&error) => {
            execute(tx, "ROLLBACK TO SAVEPOINT batch").await?;
            merge_one_by_one(tx, staging, &merge, rows).await?;
        }
        Err(error) => return Err(explain(&error)),
    }
    execute(tx, &format!("DROP TABLE pg_temp.{staging}")).await
}

/// A row that is refused is written without its raw data; if that is refused too, it is left out.
async fn merge_one_by_one(
    tx: &mut Transaction<'static, Postgres>,
    staging: &str,
    merge: &str,
    rows: &ExportRows,
) -> Result<(), DestinationError> {
    for row in &rows.rows {
        let mut bare = row.clone();
        if let Some(raw_data) = bare.cells.last_mut() {
            *raw_data = Cell::Null;
        }
        for (attempt, is_last) in [(row, false), (&bare, true)] {
            execute(tx, "SAVEPOINT one").await?;
            match copy_and_merge(tx, staging, merge, rows, &[attempt]).await {
                Ok(()) => break,
                Err(error) if refuses_data(&error) => {
                    execute(tx, "ROLLBACK TO SAVEPOINT one").await?;
                    if is_last {
                        tracing::warn!(
                            record.id = row.id,
                            "the destination refuses a {}, and it is left out: {error}",
                            rows.object
                        );
                    }
                }
                Err(error) => return Err(explain(&error)),
            }
        }
    }
    Ok(())
}

async fn copy_and_merge(
    tx: &mut PgConnection,
    staging: &str,
    merge: &str,
    rows: &ExportRows,
    these: &[&ExportRow],
) -> Result<(), sqlx::Error> {
    let copy = format!(
        "COPY pg_temp.{staging} ({}) FROM STDIN",
        names(rows).join(", ")
    );
    let mut sink = tx.copy_in_raw(&copy).await?;
    sink.send(copy::encode(these.iter().copied()).into_bytes())
        .await?;
    sink.finish().await?;
    let sql = format!("{merge}; TRUNCATE pg_temp.{staging}");
    sqlx::raw_sql(AssertSqlSafe(sql))
        .execute(tx)
        .await
        .map(drop)
}

fn names(rows: &ExportRows) -> Vec<String> {
    rows.columns
        .iter()
        .map(|column| quoted(column.name))
        .collect()
}

/// An older state never replaces a newer one, except for that of another connection.
fn merge_sql(table: &str, staging: &str, rows: &ExportRows) -> String {
    let names = names(rows);
    let changed: Vec<String> = rows
        .columns
        .iter()
        .filter(|column| !KEY.contains(&column.name))
        .map(|column| quoted(column.name))
        .map(|name| format!("{name} = excluded.{name}"))
        .collect();
    format!(
        "INSERT INTO {table} AS t ({0}) SELECT {0} FROM {staging}
         ON CONFLICT ({1}) DO UPDATE SET {2}
         WHERE t.last_modified_at <= excluded.last_modified_at
            OR t.connection_id <> excluded.connection_id",
        names.join(", "),
        KEY.join(", "),
        changed.join(", ")
    )
}
