//! How many rows a list has. A count reads all of them, so it is remembered until the connection changes:
//! every change of its rows, removals too, takes a stamp.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use sqlx::AssertSqlSafe;
use syncline_model::{Object, Time};
use tokio::time::Instant;

use super::list::{RecordQuery, filter};
use crate::{Store, StoreError, db::run, timestamp::at};

/// A database that lost its last commits may give the same stamp twice.
const BELIEVED_FOR: Duration = Duration::from_mins(1);
/// Counts in memory at once.
const MOST: usize = 10_000;

/// The counts of whole lists, by connection, object, and whether deleted rows are among them.
#[derive(Default)]
pub(crate) struct ListCounts(Mutex<HashMap<(String, Object, bool), Counted>>);

#[derive(Clone, Copy)]
struct Counted {
    /// The connection's newest stamp before it was counted.
    newest: Time,
    at: Instant,
    rows: i64,
}

impl Store {
    /// The total number of rows in the query's list. `newest` is the newest stamp of its connection,
    /// read before.
    pub async fn count_list(
        &self,
        object: Object,
        query: &RecordQuery<'_>,
        newest: Time,
    ) -> Result<i64, StoreError> {
        if query.search.is_some() || query.modified.is_some() {
            return self.count_records(object, query).await;
        }
        let name = (query.connection.id.clone(), object, query.include_deleted);
        if let Some(rows) = self.list_counts.recall(&name, newest) {
            return Ok(rows);
        }
        let at = Instant::now();
        let rows = self.count_records(object, query).await?;
        self.list_counts.note(name, Counted { newest, at, rows });
        Ok(rows)
    }

    /// The same, counted now.
    pub async fn count_records(
        &self,
        object: Object,
        query: &RecordQuery<'_>,
    ) -> Result<i64, StoreError> {
        let mut sql = format!("SELECT count(*) FROM {}{}", object.table(), filter(query));
        if let Some(search) = &query.search {
            sql.push_str(&search.condition(&self.db, 7));
        }
        let (after, until) = query.modified.unzip();
        let (one, other) = query.sought();
        let mut reader = self.db.read().await?;
        Ok(run!(reader, |c| sqlx::query_scalar(AssertSqlSafe(sql))
            .bind(&query.connection.application_id)
            .bind(&query.connection.customer_id)
            .bind(query.connection.provider.as_str())
            .bind(&query.connection.id)
            .bind(at(after))
            .bind(at(until))
            .bind(one)
            .bind(other)
            .fetch_one(c)
            .await)?)
    }
}

impl ListCounts {
    fn recall(&self, name: &(String, Object, bool), newest: Time) -> Option<i64> {
        let counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let counted = counts.get(name)?;
        let is_valid = counted.newest == newest && counted.at.elapsed() < BELIEVED_FOR;
        is_valid.then_some(counted.rows)
    }

    fn note(&self, name: (String, Object, bool), counted: Counted) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if counts.len() >= MOST {
            counts.clear();
        }
        counts.insert(name, counted);
    }
}
