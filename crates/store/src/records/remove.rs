//! The one place where records are removed for good, with every trace that is kept of them: because
//! of a sync config's store policy, or because a person is erased.

use serde_json::Value;
use sqlx::{AssertSqlSafe, types::Json};
use sqlx_macros::FromRow;
use std::collections::HashSet;
use syncline_model::{Object, event::ConnectionRef};

use crate::{
    Store, StoreError,
    carriers::Carriers,
    db::{Db, Tx, run},
    key_set::KeySet,
};

/// What a run saw on a page.
#[derive(FromRow)]
struct SeenPage {
    run_id: String,
    pass: i64,
    page: i64,
    ids: Json<Vec<String>>,
    rejected: Option<Json<Vec<Value>>>,
    carriers: Option<Json<Carriers>>,
}

impl Store {
    /// Removes rows with all that is kept of their records: missing and history entries, the ids
    /// that runs saw, and what the last write noted. Returns how many rows there were.
    ///
    /// Readers of `modified_after` and of the change feed don't learn of it; destinations do the same.
    pub(crate) async fn remove_records(
        &self,
        tx: &mut Tx,
        connection: &ConnectionRef,
        object: Object,
        ids: &[&str],
    ) -> Result<u64, StoreError> {
        const MISSING: &str = "
            DELETE FROM missing_records
            WHERE connection_id = $1 AND object = $2
              AND record_id IN (SELECT key FROM json_each($3))";
        const HISTORY: &str = "
            DELETE FROM record_history
            WHERE connection_id = $1 AND object = $2
              AND record_id IN (SELECT key FROM json_each($3))";
        const WRITTEN: &str = "
            UPDATE write_locks SET record_id = NULL
            WHERE connection_id = $1 AND CAST($2 AS text) IS NOT NULL
              AND record_id IN (SELECT key FROM json_each($3))";
        if ids.is_empty() {
            return Ok(0);
        }
        let rows = format!(
            "DELETE FROM {} WHERE application_id = $1 AND customer_id = $2 AND provider_name = $3
               AND id IN (SELECT key FROM json_each($4))",
            object.table()
        );
        let removed = run!(tx, |c| sqlx::query(AssertSqlSafe(rows))
            .bind(&connection.application_id)
            .bind(&connection.customer_id)
            .bind(connection.provider.as_str())
            .bind(KeySet::new(ids))
            .execute(c)
            .await?
            .rows_affected());
        for sql in [MISSING, HISTORY, WRITTEN] {
            run!(tx, |c| sqlx::query(sql)
                .bind(&connection.connection_id)
                .bind(object.as_str())
                .bind(KeySet::new(ids))
                .execute(c)
                .await
                .map(drop))?;
        }
        self.unsee(tx, connection, object, ids).await?;
        let stamp = self.take_stamp(tx, &connection.connection_id).await?;
        let until_ms = stamp.timestamp_millis();
        self.pass_removal_on(
            tx,
            &connection.connection_id,
            Some(object),
            Some(ids),
            until_ms,
        )
        .await?;
        Ok(removed)
    }

    /// Replaces ids that runs saw by new ones that say nothing, so that a run's counts stay right.
    async fn unsee(
        &self,
        tx: &mut Tx,
        connection: &ConnectionRef,
        object: Object,
        ids: &[&str],
    ) -> Result<(), StoreError> {
        macro_rules! pages {
            ($names:literal) => {
                concat!(
                    "SELECT p.run_id, p.pass, p.page, p.ids, p.rejected, p.carriers
                     FROM syncs s JOIN sync_runs r ON r.sync_id = s.id
                     JOIN sync_run_pages p ON p.run_id = r.id
                     WHERE s.connection_id = $1 AND (s.object = $2 OR s.carried_in = $2) AND ",
                    $names
                )
            };
        }
        const UPDATE: &str = "
            UPDATE sync_run_pages SET ids = $4, rejected = $5, carriers = $6
            WHERE run_id = $1 AND pass = $2 AND page = $3";
        // Digests of carriers say nothing without the id, but whoever has the id could look.
        let sql = match &self.db {
            Db::Pg(_) => pages!(
                "(p.carriers IS NOT NULL OR p.rejected IS NOT NULL OR jsonb_exists_any(p.ids,
                    ARRAY(SELECT key FROM json_each($3))))"
            ),
            Db::Lite { .. } => pages!(
                "(p.carriers IS NOT NULL OR p.rejected IS NOT NULL OR EXISTS (
                    SELECT 1 FROM json_each(p.ids)
                    WHERE value IN (SELECT key FROM json_each($3))))"
            ),
        };
        let gone: HashSet<&str> = ids.iter().copied().collect();
        let pages: Vec<SeenPage> = run!(tx, |c| sqlx::query_as(sql)
            .bind(&connection.connection_id)
            .bind(object.as_str())
            .bind(KeySet::new(ids))
            .fetch_all(c)
            .await)?;
        for mut page in pages {
            if !page.forget(&gone, || self.new_id()) {
                continue;
            }
            run!(tx, |c| sqlx::query(UPDATE)
                .bind(&page.run_id)
                .bind(page.pass)
                .bind(page.page)
                .bind(&page.ids)
                .bind(&page.rejected)
                .bind(&page.carriers)
                .execute(c)
                .await
                .map(drop))?;
        }
        Ok(())
    }
}

impl SeenPage {
    /// Whether something of them was on the page.
    fn forget(&mut self, gone: &HashSet<&str>, new_id: impl Fn() -> String) -> bool {
        let mut found = false;
        for id in &mut self.ids.0 {
            if gone.contains(id.as_str()) {
                *id = new_id();
                found = true;
            }
        }
        if let Some(Json(rejected)) = &mut self.rejected {
            let all = rejected.len();
            rejected.retain(|it| it["id"].as_str().is_none_or(|id| !gone.contains(id)));
            found |= rejected.len() < all;
        }
        if let Some(Json(carriers)) = &mut self.carriers {
            found |= carriers.forget(gone, new_id);
        }
        found
    }
}
