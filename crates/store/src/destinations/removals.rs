//! What destinations have to remove: records that were removed from the tables, by a store policy, an
//! erasure, or with their connection.
//!
//! A removal names a stamp: rows with later ones were read anew, and stay. It is written in the
//! transaction that removes the rows, and deleted when the destination has done the same.

use serde_json::Value;
use sqlx::types::Json;
use sqlx_macros::FromRow;
use syncline_model::Object;

use super::DestinationFeed;
use crate::{
    Store, StoreError, Tenant,
    db::{Tx, run},
    syncs::parse_object,
    tenant::{Scoped, scoped},
    timestamp::at,
};

/// Removals that a worker reads at once.
const TOGETHER: i64 = 200;

/// Records that a destination has to remove.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Removal {
    pub id: String,
    /// `None`: everything of the connection, which is gone.
    pub object: Option<Object>,
    /// `None`: all records of the object.
    pub record_ids: Option<Vec<String>>,
    /// Rows with later stamps stay.
    pub until_ms: i64,
}

#[derive(FromRow)]
struct RemovalRow {
    id: String,
    object: Option<String>,
    record_ids: Option<Json<Vec<String>>>,
    until_ms: i64,
}

impl Tenant {
    /// The names of the destinations that have, or had, changes of a customer.
    pub(crate) async fn destinations_of(
        &self,
        customer_id: &str,
    ) -> Result<Vec<String>, StoreError> {
        const SQL: Scoped = scoped(
            "SELECT DISTINCT d.name FROM connections c
             JOIN destination_feeds f ON f.connection_id = c.id
             JOIN destinations d ON d.id = f.destination_id
             WHERE c.application_id = $1 AND c.customer_id = $2 ORDER BY d.name",
        );
        let mut reader = self.read().await?;
        Ok(run!(reader, query_scalar(SQL), |q, c| q
            .bind(customer_id)
            .fetch_all(c)
            .await)?)
    }
}

impl Store {
    /// Has the connection's destinations remove these records too, up to this stamp.
    pub(crate) async fn pass_removal_on(
        &self,
        tx: &mut Tx,
        connection_id: &str,
        object: Option<Object>,
        record_ids: Option<&[&str]>,
        until_ms: i64,
    ) -> Result<(), StoreError> {
        const SQL: &str = "
            INSERT INTO destination_removals
                (id, destination_id, connection_id, object, record_ids, until_ms, created_at)
            SELECT $2 || '/' || f.destination_id, f.destination_id, f.connection_id, $3, $4, $5, $6
            FROM destination_feeds f WHERE f.connection_id = $1";
        let (id, now) = (self.new_id(), self.now());
        let record_ids = record_ids.map(|ids| Json(Value::from(ids)));
        let passed = run!(tx, |c| sqlx::query(SQL)
            .bind(connection_id)
            .bind(&id)
            .bind(object.map(Object::as_str))
            .bind(record_ids)
            .bind(until_ms)
            .bind(at(now))
            .execute(c)
            .await?
            .rows_affected());
        if passed > 0 {
            self.make_destinations_due(tx, connection_id).await?;
        }
        Ok(())
    }

    /// The oldest removals that a feed's destination has not done.
    pub async fn removals_of(&self, feed: &DestinationFeed) -> Result<Vec<Removal>, StoreError> {
        const SQL: &str = "
            SELECT id, object, record_ids, until_ms FROM destination_removals
            WHERE destination_id = $1 AND connection_id = $2 ORDER BY id LIMIT $3";
        let mut reader = self.db.read().await?;
        let rows: Vec<RemovalRow> = run!(reader, |c| sqlx::query_as(SQL)
            .bind(&feed.destination_id)
            .bind(&feed.connection.connection_id)
            .bind(TOGETHER)
            .fetch_all(c)
            .await)?;
        rows.into_iter()
            .map(|row| {
                let object = row.object.as_deref();
                let parse = |name| parse_object("destination_removals", &row.id, name);
                Ok(Removal {
                    object: object.map(parse).transpose()?,
                    record_ids: row.record_ids.map(|ids| ids.0),
                    until_ms: row.until_ms,
                    id: row.id,
                })
            })
            .collect()
    }

    /// The destination has done a removal.
    pub async fn removal_is_done(&self, removal: &Removal) -> Result<(), StoreError> {
        const SQL: &str = "DELETE FROM destination_removals WHERE id = $1";
        let mut tx = self.db.begin().await?;
        run!(tx, |c| sqlx::query(SQL)
            .bind(&removal.id)
            .execute(c)
            .await
            .map(drop))?;
        Ok(tx.commit().await?)
    }
}
