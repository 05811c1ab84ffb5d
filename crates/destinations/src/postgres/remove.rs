//! Removes rows: what was removed from our tables, and what a restored database doesn't have.

use sqlx::{AssertSqlSafe, Postgres, Transaction};
use syncline_model::{Object, Time, time};
use syncline_store::{DestinationFeed, Removal};

use super::{
    PostgresTarget,
    connect::explain,
    tables,
    write::{hold_checkpoint, move_checkpoint},
};
use crate::{DestinationError, target::Checkpoint};

impl PostgresTarget {
    pub(crate) async fn remove(
        &self,
        feed: &DestinationFeed,
        removal: &Removal,
    ) -> Result<(), DestinationError> {
        let schema = self.schema_of(feed);
        self.prepare(&schema).await?;
        let epoch = self.checkpoint(feed).await?.map(|it| it.epoch);
        let mut tx = self.begin().await?;
        hold_checkpoint(&mut tx, &schema, feed, epoch.as_deref().unwrap_or_default()).await?;
        let until = Time::from_timestamp_millis(removal.until_ms);
        for object in Object::ALL {
            if removal.object.is_none_or(|only| only == *object) {
                let ids = removal.record_ids.as_deref();
                delete(&mut tx, (&schema, *object), feed, ids, until).await?;
            }
        }
        if removal.object.is_none() {
            forget(&mut tx, &schema, feed).await?;
        }
        tx.commit().await.map_err(|error| explain(&error))
    }

    pub(crate) async fn remove_stale(
        &self,
        feed: &DestinationFeed,
        checkpoint: &Checkpoint,
    ) -> Result<(), DestinationError> {
        let schema = self.schema_of(feed);
        let mut tx = self.begin().await?;
        hold_checkpoint(&mut tx, &schema, feed, &checkpoint.epoch).await?;
        let before = checkpoint.stale_before;
        let until = before.map(|before| before - chrono::TimeDelta::milliseconds(1));
        if until.is_some() {
            for object in Object::ALL {
                delete(&mut tx, (&schema, *object), feed, None, until).await?;
            }
        }
        let clean = Checkpoint {
            stale_before: None,
            ..checkpoint.clone()
        };
        move_checkpoint(&mut tx, &schema, feed, &clean).await?;
        tx.commit().await.map_err(|error| explain(&error))
    }
}

/// Deletes the connection's rows: these, or all, with stamps up to a time.
async fn delete(
    tx: &mut Transaction<'static, Postgres>,
    (schema, object): (&str, Object),
    feed: &DestinationFeed,
    ids: Option<&[String]>,
    until: Option<Time>,
) -> Result<(), DestinationError> {
    let sql = format!(
        "DELETE FROM {} WHERE connection_id = $1 AND application_id = $2
           AND ($3::text[] IS NULL OR id = ANY($3))
           AND ($4::text IS NULL OR last_modified_at <= $4::timestamptz)",
        tables::table(schema, object)
    );
    sqlx::query(AssertSqlSafe(sql))
        .persistent(false)
        .bind(&feed.connection.connection_id)
        .bind(&feed.connection.application_id)
        .bind(ids)
        .bind(until.map(time::format))
        .execute(&mut **tx)
        .await
        .map(drop)
        .map_err(|error| explain(&error))
}

async fn forget(
    tx: &mut Transaction<'static, Postgres>,
    schema: &str,
    feed: &DestinationFeed,
) -> Result<(), DestinationError> {
    let sql = format!(
        "DELETE FROM {} WHERE destination_id = $1 AND connection_id = $2",
        tables::checkpoints(schema)
    );
    sqlx::query(AssertSqlSafe(sql))
        .persistent(false)
        .bind(&feed.destination_id)
        .bind(&feed.connection.connection_id)
        .execute(&mut **tx)
        .await
        .map(drop)
        .map_err(|error| explain(&error))
}
