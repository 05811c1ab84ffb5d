//! Approval of deletions that a run held.

use sqlx::AssertSqlSafe;
use sqlx_macros::FromRow;
use syncline_model::{Object, event::ConnectionRef};

use crate::{
    Store, StoreError, Tenant,
    db::{Db, Tx, run},
    history::HistoryEntry,
    key_set::KeySet,
    providers::parse_provider,
    records::INDEX_LAG,
    retry::with_retry,
    syncs::parse_object,
    tenant::{Scoped, scoped},
    timestamp::Timestamp,
};

#[derive(FromRow)]
struct HoldingRun {
    id: String,
    scan_id: String,
    customer_id: String,
    provider_name: String,
    connection_id: String,
    sync_id: String,
    object: String,
    finished_at: Option<Timestamp>,
}

impl Tenant {
    /// Applies the deletions that a run held, except for rows that a later run has seen, and
    /// returns how many rows were deleted. Deleting contacts also deletes their sequence states.
    /// `None`: there is no such run, or it hasn't ended.
    pub async fn apply_deletes(&self, run_id: &str) -> Result<Option<i64>, StoreError> {
        with_retry(|| self.apply_deletes_once(run_id)).await
    }

    async fn apply_deletes_once(&self, run_id: &str) -> Result<Option<i64>, StoreError> {
        const RUN: Scoped = scoped(
            "SELECT id, scan_id, customer_id, provider_name, connection_id, sync_id, object,
                    finished_at
             FROM sync_runs WHERE application_id = $1 AND id = $2",
        );
        let store = self.store();
        let mut tx = self.begin().await?;
        let run: Option<HoldingRun> = run!(tx, query_as(RUN), |q, c| q
            .bind(run_id)
            .fetch_optional(c)
            .await)?;
        let Some(run) = run.filter(|run| run.finished_at.is_some()) else {
            return Ok(None);
        };
        let object = parse_object("sync_runs", &run.id, &run.object)?;
        let connection = ConnectionRef {
            application_id: self.application_id().to_owned(),
            connection_id: run.connection_id.clone(),
            customer_id: run.customer_id.clone(),
            provider_id: String::new(),
            provider: parse_provider("sync_runs", &run.id, &run.provider_name)?,
        };
        let found = tx.unscoped();
        let syncs = store.lock_syncs(found, &run.connection_id).await?;
        let held = store.held_rows(found, &run).await?;
        let deleted = store
            .apply_to(found, &connection, &run.id, object, &held)
            .await?;
        store.count_applied(found, &run.id, deleted).await?;
        if syncs.iter().any(|sync| sync.carried_in == Some(object)) {
            store
                .apply_to_states(found, &connection, &run, &held)
                .await?;
        }
        tx.commit().await?;
        Ok(Some(deleted))
    }
}

impl Store {
    /// Rows that this run or an earlier one held, and that no later run has seen.
    async fn held_rows(&self, tx: &mut Tx, run: &HoldingRun) -> Result<Vec<String>, StoreError> {
        macro_rules! sql {
            ($ids:literal) => {
                concat!(
                    "SELECT record_id FROM missing_records
                     WHERE connection_id = $1 AND object = $2 AND held_since <= $3
                       AND record_id NOT IN (",
                    $ids,
                    " WHERE r.sync_id = $4 AND r.id > $3) ORDER BY record_id"
                )
            };
        }
        let sql = match &self.db {
            Db::Pg(_) => sql!(
                "SELECT jsonb_array_elements_text(p.ids) FROM sync_run_pages p
                 JOIN sync_runs r ON r.id = p.run_id"
            ),
            Db::Lite { .. } => sql!(
                "SELECT s.value FROM sync_run_pages p
                 JOIN sync_runs r ON r.id = p.run_id, json_each(p.ids) s"
            ),
        };
        Ok(run!(tx, |c| sqlx::query_scalar(sql)
            .bind(&run.connection_id)
            .bind(&run.object)
            .bind(&run.id)
            .bind(&run.sync_id)
            .fetch_all(c)
            .await)?)
    }

    async fn apply_to(
        &self,
        tx: &mut Tx,
        connection: &ConnectionRef,
        run_id: &str,
        object: Object,
        ids: &[String],
    ) -> Result<i64, StoreError> {
        if ids.is_empty() {
            return Ok(0);
        }
        let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
        let stamp = self.take_stamp(tx, &connection.connection_id).await?;
        let written = self.now() - INDEX_LAG;
        let marked = self
            .mark_deleted(tx, connection, (object, stamp), &ids, Some(written))
            .await?;
        let marked: Vec<&str> = marked.iter().map(String::as_str).collect();
        let entry = HistoryEntry::new("deleted", "a held deletion was applied by hand");
        self.write_history(tx, connection, object, run_id, &marked, &entry)
            .await?;
        Ok(i64::try_from(marked.len()).unwrap_or(i64::MAX))
    }

    /// Deletes the sequence states of deleted contacts that the scan held together with them.
    async fn apply_to_states(
        &self,
        tx: &mut Tx,
        connection: &ConnectionRef,
        contacts: &HoldingRun,
        contact_ids: &[String],
    ) -> Result<(), StoreError> {
        const STATES_RUN: &str = "
            SELECT id FROM sync_runs WHERE scan_id = $1 AND object = 'sequence_state'";
        let sql = format!(
            "SELECT id FROM {} WHERE customer_id = $3 AND connection_id = $1 AND NOT is_deleted
               AND contact_id IN (SELECT key FROM json_each($2))",
            Object::SequenceState.table()
        );
        let states: Vec<String> = run!(tx, |c| sqlx::query_scalar(AssertSqlSafe(sql))
            .bind(&connection.connection_id)
            .bind(KeySet::new(contact_ids))
            .bind(&connection.customer_id)
            .fetch_all(c)
            .await)?;
        let run_id: Option<String> = run!(tx, |c| sqlx::query_scalar(STATES_RUN)
            .bind(&contacts.scan_id)
            .fetch_optional(c)
            .await)?;
        let by = run_id.as_deref().unwrap_or(&contacts.id);
        let deleted = self
            .apply_to(tx, connection, by, Object::SequenceState, &states)
            .await?;
        match run_id {
            Some(run_id) => self.count_applied(tx, &run_id, deleted).await,
            None => Ok(()),
        }
    }

    async fn count_applied(
        &self,
        tx: &mut Tx,
        run_id: &str,
        deleted: i64,
    ) -> Result<(), StoreError> {
        const SQL: &str = "
            UPDATE sync_runs
            SET records_deleted = records_deleted + $2,
                -- What is held along with contacts stays so until those are applied.
                deletes_held = CASE WHEN carried_in IS NOT NULL AND deletes_held > $2
                                    THEN deletes_held - $2 ELSE 0 END,
                records_missing = CASE WHEN records_missing > $2
                                       THEN records_missing - $2 ELSE 0 END
            WHERE id = $1";
        run!(tx, |c| sqlx::query(SQL)
            .bind(run_id)
            .bind(deleted)
            .execute(c)
            .await
            .map(drop))?;
        Ok(())
    }
}
