//! Lookups of missing rows at the provider, and their results.
//!
//! Each result is committed with the checkpoint and the budget, like a page.

use chrono::TimeDelta;
use syncline_model::{Checkpoint, LookupOutcome, sweep::COMPLETE_MISSES_TO_DELETE};

use crate::{
    Store, StoreError,
    budgets::Spending,
    db::run,
    history::HistoryEntry,
    key_set::KeySet,
    scans::{Scan, ScanRun},
    timestamp::at,
};

/// How long a lookup's result is valid: the record may come back while a run waits. After that the
/// next run looks it up again.
pub(crate) const LOOKUP_TTL: TimeDelta = TimeDelta::minutes(10);

/// The record to look up, and the missing rows that the result applies to: the record itself, or
/// the records that it contains.
#[derive(Debug, Clone)]
pub struct NextLookup {
    pub id: String,
    pub rows: Vec<String>,
}

impl Store {
    /// What to look up next: first what was never looked up, then what was looked up longest ago.
    /// Nothing is looked up twice in a run.
    pub async fn next_lookup(
        &self,
        scan: &Scan,
        run: &ScanRun,
    ) -> Result<Option<NextLookup>, StoreError> {
        const ALONE: &str = "
            SELECT m.record_id AS id, m.record_id FROM missing_records m
            WHERE m.connection_id = $1 AND m.object = $2 AND m.last_missed_by = $3
              AND (m.looked_up_by IS NULL OR m.looked_up_by <> $3)
            ORDER BY COALESCE(m.looked_up_by, ''), m.missing_since, m.record_id LIMIT 1";
        // Records contained in another record are looked up by that one's id, once for all of them.
        // If this scan has a run for the containing record, that run has looked it up already.
        const CARRIED: &str = "
            WITH open AS (
                SELECT own.contact_id AS id, m.record_id, m.looked_up_by, m.missing_since
                FROM missing_records m
                JOIN engagement_sequence_states own
                  ON own.application_id = $4 AND own.customer_id = $5 AND own.provider_name = $6
                 AND own.id = m.record_id
                LEFT JOIN engagement_contacts carrier
                  ON carrier.application_id = $4 AND carrier.customer_id = $5
                 AND carrier.provider_name = $6 AND carrier.id = own.contact_id
                WHERE m.connection_id = $1 AND m.object = $2 AND m.last_missed_by = $3
                  AND (m.looked_up_by IS NULL OR m.looked_up_by <> $3)
                  AND (carrier.id IS NULL OR NOT EXISTS (
                      SELECT 1 FROM sync_runs r WHERE r.scan_id = $7 AND r.object = 'contact')))
            SELECT id, record_id FROM open
            WHERE id = (
                SELECT id FROM open
                ORDER BY COALESCE(looked_up_by, ''), missing_since, record_id LIMIT 1)
            ORDER BY record_id";
        let connection = &scan.connection;
        let mut reader = self.db.read().await?;
        let rows: Vec<(String, String)> = run!(reader, |c| {
            let sql = if run.is_carried() { CARRIED } else { ALONE };
            let query = sqlx::query_as(sql)
                .bind(&connection.connection_id)
                .bind(run.object.as_str())
                .bind(&run.id);
            if sql == CARRIED {
                query
                    .bind(&connection.application_id)
                    .bind(&connection.customer_id)
                    .bind(connection.provider.as_str())
                    .bind(&scan.id)
                    .fetch_all(c)
                    .await
            } else {
                query.fetch_all(c).await
            }
        })?;
        let Some((id, _)) = rows.first().cloned() else {
            return Ok(None);
        };
        let rows = rows.into_iter().map(|(_, row)| row).collect();
        Ok(Some(NextLookup { id, rows }))
    }

    /// Stores what the provider said about missing rows. A `hidden` row stays so until a lookup is
    /// conclusive.
    pub async fn note_lookup(
        &self,
        scan: &Scan,
        checkpoint: &Checkpoint,
        run: &ScanRun,
        rows: &[String],
        outcome: &LookupOutcome,
        spending: &Spending<'_>,
    ) -> Result<(), StoreError> {
        const NOTE_OUTCOME: &str = "
            UPDATE missing_records
            SET lookup = CASE WHEN $4 = 'unclear' AND lookup = 'hidden' THEN lookup ELSE $4 END,
                lookup_reason = $5, looked_up_by = $6, looked_up_at = $7,
                held_since = CASE WHEN $4 = 'hidden' THEN NULL ELSE held_since END
            WHERE connection_id = $1 AND object = $2
              AND record_id IN (SELECT key FROM json_each($3))";
        const FOUND: &str = "
            DELETE FROM missing_records
            WHERE connection_id = $1 AND object = $2
              AND record_id IN (SELECT key FROM json_each($3))";
        let connection_id = &scan.connection.connection_id;
        let ids: Vec<&str> = rows.iter().map(String::as_str).collect();
        let now = self.now();
        let mut tx = self.db.begin().await?;
        self.move_checkpoint(&mut tx, scan, checkpoint).await?;
        if *outcome == LookupOutcome::Found {
            run!(tx, |c| sqlx::query(FOUND)
                .bind(connection_id)
                .bind(run.object.as_str())
                .bind(KeySet::new(&ids))
                .execute(c)
                .await
                .map(drop))?;
            let entry = HistoryEntry::new("seen_again", "the provider has it by its id");
            self.write_history(&mut tx, &scan.connection, run.object, &run.id, &ids, &entry)
                .await?;
        } else {
            run!(tx, |c| sqlx::query(NOTE_OUTCOME)
                .bind(connection_id)
                .bind(run.object.as_str())
                .bind(KeySet::new(&ids))
                .bind(outcome.as_str())
                .bind(outcome.reason())
                .bind(&run.id)
                .bind(at(now))
                .execute(c)
                .await
                .map(drop))?;
        }
        self.settle_in(&mut tx, spending, None).await?;
        Ok(tx.commit().await?)
    }

    /// Whether the run has missing rows that are neither proven to be gone nor known to exist.
    pub async fn is_undecided(&self, scan: &Scan, run: &ScanRun) -> Result<bool, StoreError> {
        const SQL: &str = "
            SELECT EXISTS (
                SELECT 1 FROM missing_records
                WHERE connection_id = $1 AND object = $2 AND last_missed_by = $3
                  AND lookup IS NULL AND complete_misses < $4)";
        let mut reader = self.db.read().await?;
        Ok(run!(reader, |c| sqlx::query_scalar(SQL)
            .bind(&scan.connection.connection_id)
            .bind(run.object.as_str())
            .bind(&run.id)
            .bind(COMPLETE_MISSES_TO_DELETE)
            .fetch_one(c)
            .await)?)
    }
}
