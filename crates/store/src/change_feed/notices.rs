//! Tells endpoints that something changed: the event `records.changed`.
//!
//! The transaction that takes a stamp leaves a notice, if an endpoint of its application asks for the
//! event. A worker turns a due notice into an event about everything that changed since; both happen
//! under the lock of the feed, so a change is told by one event and never by none.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use sqlx::AssertSqlSafe;
use sqlx_macros::FromRow;
use syncline_model::{FeedCursor, Object, event};

use super::stamps::time_of;
use crate::{
    Store, StoreError,
    db::{Tx, run},
    providers::parse_provider,
    retry::with_retry,
    timestamp::at,
};

/// The shortest time between two events about one connection.
pub(super) const TELL_EVERY: TimeDelta = TimeDelta::seconds(10);

/// Notices that are read at once.
const NOTICES: i64 = 100;

/// How far a look at due notices came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ToldChanges {
    pub events: usize,
    /// There may be more that are due.
    pub more: bool,
}

#[derive(FromRow)]
struct Feed {
    epoch: String,
    last_stamp_ms: i64,
}

#[derive(FromRow)]
struct Origin {
    application_id: String,
    customer_id: String,
    provider_name: String,
}

impl Store {
    /// Writes the events of due notices.
    pub async fn tell_changes(&self) -> Result<ToldChanges, StoreError> {
        const DUE: &str = "
            SELECT connection_id FROM change_notices WHERE due_at <= $1
            ORDER BY due_at LIMIT $2";
        let now = self.now();
        let mut reader = self.db.read().await?;
        let due: Vec<String> = run!(reader, |c| sqlx::query_scalar(DUE)
            .bind(at(now))
            .bind(NOTICES)
            .fetch_all(c)
            .await)?;
        drop(reader);
        let mut events = 0;
        for connection_id in &due {
            let told = with_retry(|| self.tell_changes_of(connection_id)).await?;
            events += usize::from(told);
        }
        Ok(ToldChanges {
            events,
            more: i64::try_from(due.len()).unwrap_or(i64::MAX) >= NOTICES,
        })
    }

    /// `false` if another process has told them, or there is nothing to tell.
    async fn tell_changes_of(&self, connection_id: &str) -> Result<bool, StoreError> {
        const FEED: &str = "
            UPDATE change_feeds SET tell_again_at = $2 WHERE connection_id = $1
            RETURNING epoch, last_stamp_ms";
        const NOTICE: &str = "
            DELETE FROM change_notices WHERE connection_id = $1 AND due_at <= $2
            RETURNING after_stamp_ms";
        const ORIGIN: &str = "
            SELECT application_id, customer_id, provider_name FROM connections WHERE id = $1";
        let now = self.now();
        let mut tx = self.db.begin().await?;
        let feed: Option<Feed> = run!(tx, |c| sqlx::query_as(FEED)
            .bind(connection_id)
            .bind(at(now + TELL_EVERY))
            .fetch_optional(c)
            .await)?;
        let after: Option<i64> = run!(tx, |c| sqlx::query_scalar(NOTICE)
            .bind(connection_id)
            .bind(at(now))
            .fetch_optional(c)
            .await)?;
        let (Some(feed), Some(after)) = (feed, after) else {
            tx.rollback().await?;
            return Ok(false);
        };
        let origin: Origin = run!(tx, |c| sqlx::query_as(ORIGIN)
            .bind(connection_id)
            .fetch_one(c)
            .await)?;
        let counts = self
            .count_changes(&mut tx, connection_id, &origin.customer_id, after)
            .await?;
        if counts.is_empty() {
            // Rows were removed, and that is not told.
            tx.commit().await?;
            return Ok(false);
        }
        let provider = parse_provider("connections", connection_id, &origin.provider_name)?;
        let cursor = FeedCursor::after_stamp(connection_id, &feed.epoch, after);
        let payload = event::RecordsChanged::payload(
            (connection_id, &origin.customer_id, provider),
            counts,
            &cursor,
            time_of("change_feeds", connection_id, feed.last_stamp_ms)?,
        );
        self.tell(
            &mut tx,
            &origin.application_id,
            event::RECORDS_CHANGED,
            payload,
        )
        .await?;
        tx.commit().await?;
        Ok(true)
    }

    /// How many rows of each object have changed since this stamp. The feed is locked, so the newest
    /// row is the last one.
    async fn count_changes(
        &self,
        tx: &mut Tx,
        connection_id: &str,
        customer_id: &str,
        after_ms: i64,
    ) -> Result<BTreeMap<Object, i64>, StoreError> {
        let after = time_of("change_notices", connection_id, after_ms)?;
        let mut counts = BTreeMap::new();
        for object in Object::ALL {
            let sql = format!(
                "SELECT count(*) FROM {}
                 WHERE customer_id = $3 AND connection_id = $1 AND last_modified_at > $2",
                object.table()
            );
            let changed: i64 = run!(tx, |c| sqlx::query_scalar(AssertSqlSafe(sql))
                .bind(connection_id)
                .bind(at(after))
                .bind(customer_id)
                .fetch_one(c)
                .await)?;
            if changed > 0 {
                counts.insert(*object, changed);
            }
        }
        Ok(counts)
    }
}
