//! How many requests callers sent to a provider account, by hour, endpoint and caller. What syncs sent is
//! in their runs.

use sqlx_macros::FromRow;
use syncline_model::{Object, Time, first_id_of};

use crate::{Store, StoreError, db::run, retry::with_retry, timestamp::at};

/// Requests of one caller.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct RequestCount {
    /// The provider's name for it.
    pub endpoint: String,
    /// `api`, `passthrough`, or the id of an agent's key.
    pub sent_by: String,
    pub requests: i64,
}

#[derive(FromRow)]
struct SyncRow {
    object: String,
    requests: i64,
}

impl Store {
    /// Adds requests to an hour, which is given by its beginning.
    pub async fn count_requests(
        &self,
        account_id: &str,
        hour: Time,
        counts: &[RequestCount],
    ) -> Result<(), StoreError> {
        const SQL: &str = "
            INSERT INTO request_counts (account_id, hour, endpoint, sent_by, requests)
            VALUES ($1, $2, $3, $4, $5)
            ON CONFLICT (account_id, hour, endpoint, sent_by)
            DO UPDATE SET requests = request_counts.requests + excluded.requests";
        with_retry(|| async {
            let mut tx = self.db.begin().await?;
            for count in counts {
                run!(tx, |c| sqlx::query(SQL)
                    .bind(account_id)
                    .bind(at(hour))
                    .bind(&count.endpoint)
                    .bind(&count.sent_by)
                    .bind(count.requests)
                    .execute(c)
                    .await
                    .map(drop))?;
            }
            Ok(tx.commit().await?)
        })
        .await
    }

    /// What callers sent in the hours from this one on.
    pub async fn requests_since(
        &self,
        account_id: &str,
        hour: Time,
    ) -> Result<Vec<RequestCount>, StoreError> {
        const SQL: &str = "
            SELECT endpoint, sent_by, CAST(SUM(requests) AS bigint) AS requests FROM request_counts
            WHERE account_id = $1 AND hour >= $2 GROUP BY endpoint, sent_by
            ORDER BY endpoint, sent_by";
        let mut reader = self.db.read().await?;
        Ok(run!(reader, |c| sqlx::query_as(SQL)
            .bind(account_id)
            .bind(at(hour))
            .fetch_all(c)
            .await)?)
    }

    /// The requests of runs of the account's syncs that were due since then, by object.
    pub async fn sync_requests_since(
        &self,
        account_id: &str,
        since: Time,
    ) -> Result<Vec<(Object, i64)>, StoreError> {
        const SQL: &str = "
            SELECT r.object, CAST(SUM(r.requests_made) AS bigint) AS requests
            FROM connections c
            JOIN syncs s ON s.connection_id = c.id
            JOIN sync_runs r ON r.sync_id = s.id
            WHERE c.account_id = $1 AND r.id >= $2 AND r.id = r.scan_id
            GROUP BY r.object";
        let mut reader = self.db.read().await?;
        let rows: Vec<SyncRow> = run!(reader, |c| sqlx::query_as(SQL)
            .bind(account_id)
            .bind(first_id_of(since))
            .fetch_all(c)
            .await)?;
        let known = |row: SyncRow| Some((row.object.parse().ok()?, row.requests));
        Ok(rows.into_iter().filter_map(known).collect())
    }

    /// What agents spent on a connection since then: the key's id, and credits.
    pub async fn credits_since(
        &self,
        connection_id: &str,
        since: Time,
    ) -> Result<Vec<(String, i64)>, StoreError> {
        const SQL: &str = "
            SELECT api_key_id, CAST(SUM(credits) AS bigint) FROM agent_credits
            WHERE connection_id = $1 AND reserved_at > $2 GROUP BY api_key_id ORDER BY api_key_id";
        let mut reader = self.db.read().await?;
        Ok(run!(reader, |c| sqlx::query_as(SQL)
            .bind(connection_id)
            .bind(at(since))
            .fetch_all(c)
            .await)?)
    }
}
