//! Stamps: they grow strictly, in commit order, over all objects of a connection.

use sqlx_macros::FromRow;
use syncline_model::{
    Time,
    feed::FIRST_EPOCH,
    mutation::{self, Mutation},
};

use super::notices::TELL_EVERY;
use crate::{
    Store, StoreError,
    db::{Tx, run},
    timestamp::at,
};

#[derive(FromRow)]
struct NewStamp {
    last_stamp_ms: i64,
    is_told: bool,
    is_written_on: bool,
}

impl Store {
    /// The next stamp of a connection: now, or a millisecond after the newest one. The feed stays
    /// locked until the transaction ends, so whoever reads the newest stamp sees all rows up to it.
    ///
    /// Lock order: after runs and syncs, before the connection.
    pub(crate) async fn take_stamp(
        &self,
        tx: &mut Tx,
        connection_id: &str,
    ) -> Result<Time, StoreError> {
        const SQL: &str = r#"
            INSERT INTO change_feeds AS feed
                (connection_id, epoch, last_stamp_ms, previous_stamp_ms)
            VALUES ($1, $3, $2, 0)
            ON CONFLICT (connection_id) DO UPDATE
            SET previous_stamp_ms = feed.last_stamp_ms,
                last_stamp_ms = CASE WHEN feed.last_stamp_ms < $2 THEN $2
                                     ELSE feed.last_stamp_ms + 1 END
            RETURNING last_stamp_ms, EXISTS (
                SELECT 1 FROM connections c
                JOIN webhook_endpoints e ON e.application_id = c.application_id
                WHERE c.id = $1 AND e.enabled
                  AND CAST(e.event_types AS text) LIKE '%"records.changed"%') AS is_told,
                EXISTS (
                    SELECT 1 FROM destination_feeds d
                    WHERE d.connection_id = $1 AND d.fed AND d.due_at IS NULL) AS is_written_on"#;
        const THE_TIME: &str = "
            UPDATE change_feeds SET last_stamp_ms = $2 - 1
            WHERE connection_id = $1 AND last_stamp_ms >= $2";
        let now = self.now();
        if mutation::on(Mutation::StampIsTheTime) {
            run!(tx, |c| sqlx::query(THE_TIME)
                .bind(connection_id)
                .bind(now.timestamp_millis())
                .execute(c)
                .await
                .map(drop))?;
        }
        let stamp: NewStamp = run!(tx, |c| sqlx::query_as(SQL)
            .bind(connection_id)
            .bind(now.timestamp_millis())
            .bind(FIRST_EPOCH)
            .fetch_one(c)
            .await)?;
        if stamp.is_told {
            self.notice_change(tx, connection_id).await?;
        }
        if stamp.is_written_on {
            self.make_destinations_due(tx, connection_id).await?;
        }
        tx.announces(&self.changed);
        time_of("change_feeds", connection_id, stamp.last_stamp_ms)
    }

    /// Keeps others from taking stamps of the connection until the transaction ends.
    pub(crate) async fn lock_feed(
        &self,
        tx: &mut Tx,
        connection_id: &str,
    ) -> Result<(), StoreError> {
        const SQL: &str = "
            INSERT INTO change_feeds AS feed
                (connection_id, epoch, last_stamp_ms, previous_stamp_ms)
            VALUES ($1, $2, 0, 0)
            ON CONFLICT (connection_id) DO UPDATE SET epoch = feed.epoch";
        run!(tx, |c| sqlx::query(SQL)
            .bind(connection_id)
            .bind(FIRST_EPOCH)
            .execute(c)
            .await
            .map(drop))?;
        Ok(())
    }

    /// The same, for a connection that may be gone.
    pub(crate) async fn lock_feed_if_there(
        &self,
        tx: &mut Tx,
        connection_id: &str,
    ) -> Result<(), StoreError> {
        const SQL: &str = "UPDATE change_feeds SET epoch = epoch WHERE connection_id = $1";
        run!(tx, |c| sqlx::query(SQL)
            .bind(connection_id)
            .execute(c)
            .await
            .map(drop))?;
        Ok(())
    }

    /// Has the change told soon, unless one is told already: at once, but not more often than every
    /// ten seconds.
    async fn notice_change(&self, tx: &mut Tx, connection_id: &str) -> Result<(), StoreError> {
        // A time that a clock which was ahead has put off further doesn't count.
        const SQL: &str = "
            INSERT INTO change_notices (connection_id, after_stamp_ms, due_at)
            SELECT feed.connection_id, feed.previous_stamp_ms,
                   CASE WHEN feed.tell_again_at > $2 AND feed.tell_again_at <= $3
                        THEN feed.tell_again_at ELSE $2 END
            FROM change_feeds feed WHERE feed.connection_id = $1
            ON CONFLICT (connection_id) DO NOTHING";
        let now = self.now();
        run!(tx, |c| sqlx::query(SQL)
            .bind(connection_id)
            .bind(at(now))
            .bind(at(now + TELL_EVERY))
            .execute(c)
            .await
            .map(drop))?;
        Ok(())
    }
}

pub(super) fn time_of(table: &'static str, row: &str, stamp_ms: i64) -> Result<Time, StoreError> {
    Time::from_timestamp_millis(stamp_ms).ok_or_else(|| StoreError::Inconsistent {
        table,
        column: "last_stamp_ms",
        row: row.to_owned(),
        reason: format!("{stamp_ms} is no time"),
    })
}
