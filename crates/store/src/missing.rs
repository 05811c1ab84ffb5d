//! Records rows as missing that a scan didn't see.
//!
//! What a scan knows of missing rows is in `missing_records` and committed step by step, so that it
//! continues after a crash like a page does. `lookups` asks the provider about them; `sweep`
//! decides about them at the end.

use std::collections::{BTreeMap, HashMap, HashSet};

use sqlx::{AssertSqlSafe, types::Json};
use sqlx_macros::FromRow;
use syncline_model::{Checkpoint, Object};

use crate::{
    Store, StoreError,
    carriers::{Carriers, CarriersRead},
    db::{Db, Tx, run},
    history::HistoryEntry,
    key_set::KeySet,
    records::INDEX_LAG,
    scans::{Scan, ScanRun, lease_lost},
    timestamp::at,
};

/// A live row that a pass didn't see.
#[derive(Debug, Clone)]
pub struct Unseen {
    pub id: String,
    /// The reason, if it is already certain that it is gone: the record that contained it was read
    /// without it.
    pub gone: Option<String>,
}

/// What to record for one run after a pass that reached its end.
#[derive(Debug)]
pub struct PassNote<'a> {
    pub run: &'a ScanRun,
    /// Whether the pass was complete.
    pub complete: bool,
    pub unseen: Vec<Unseen>,
}

#[derive(FromRow)]
struct UnseenRow {
    id: String,
    carrier: Option<String>,
}

/// The ids that a run's pass saw, as a subquery of one column.
macro_rules! seen_sql {
    ($db:expr) => {
        match $db {
            Db::Pg(_) => {
                "SELECT jsonb_array_elements_text(p.ids) FROM sync_run_pages p
                 WHERE p.run_id = $2 AND p.pass = $3"
            }
            Db::Lite { .. } => {
                "SELECT s.value FROM sync_run_pages p, json_each(p.ids) s
                 WHERE p.run_id = $2 AND p.pass = $3"
            }
        }
    };
}

impl Store {
    /// The live rows of a run's object that this pass didn't see, except for rows that were written
    /// through the unified API since the scan began.
    pub async fn unseen(&self, scan: &Scan, run: &ScanRun) -> Result<Vec<Unseen>, StoreError> {
        let carrier = match run.object {
            Object::SequenceState => "contact_id",
            _ => "NULL",
        };
        let sql = format!(
            "SELECT t.id, CAST({carrier} AS text) AS carrier FROM {} t
             WHERE t.customer_id = $6 AND t.connection_id = $1 AND NOT t.is_deleted
               AND t.id NOT IN ({})
               AND (t.written_at IS NULL OR t.written_at < $4 OR t.written_at > $5)",
            run.object.table(),
            seen_sql!(&self.db)
        );
        let mut reader = self.db.read().await?;
        let rows: Vec<UnseenRow> = run!(reader, |c| sqlx::query_as(AssertSqlSafe(sql))
            .bind(&scan.connection.connection_id)
            .bind(&run.id)
            .bind(i64::from(scan.checkpoint.pass))
            .bind(at(
                scan.checkpoint.began_at.unwrap_or(scan.started_at) - INDEX_LAG
            ))
            .bind(at(self.latest_stamp()))
            .bind(&scan.connection.customer_id)
            .fetch_all(c)
            .await)?;
        drop(reader);
        if rows.is_empty() || !run.is_carried() {
            let unseen = rows.into_iter().map(|row| Unseen {
                id: row.id,
                gone: None,
            });
            return Ok(unseen.collect());
        }
        self.without_their_carriers(scan, run, rows).await
    }

    /// Distinguishes rows whose containing record was read without them from those whose containing
    /// record wasn't read.
    async fn without_their_carriers(
        &self,
        scan: &Scan,
        run: &ScanRun,
        rows: Vec<UnseenRow>,
    ) -> Result<Vec<Unseen>, StoreError> {
        let sure = scan.checkpoint.facts.carried_rejected_without_id == 0;
        let carriers = self.carriers_read(scan, run).await?;
        let unseen = rows.into_iter().map(|row| {
            let read = row
                .carrier
                .is_some_and(|carrier| carriers.contains(&carrier));
            Unseen {
                id: row.id,
                gone: (read && sure).then(|| format!("its {} was read without it", scan.object)),
            }
        });
        Ok(unseen.collect())
    }

    /// The ids of the containing records that were read completely.
    async fn carriers_read(&self, scan: &Scan, run: &ScanRun) -> Result<CarriersRead, StoreError> {
        const SQL: &str = "
            SELECT p.ids, p.rejected, p.carriers FROM sync_run_pages p
            JOIN sync_runs r ON r.id = p.run_id
            WHERE r.scan_id = $1 AND p.pass = $2
              AND (r.object = $3 OR (r.id = $4 AND p.carriers IS NOT NULL))";
        type Page = (
            Json<Vec<String>>,
            Option<Json<Vec<serde_json::Value>>>,
            Option<Json<Carriers>>,
        );
        let mut reader = self.db.read().await?;
        let pages: Vec<Page> = run!(reader, |c| sqlx::query_as(SQL)
            .bind(&scan.id)
            .bind(i64::from(scan.checkpoint.pass))
            .bind(scan.object.as_str())
            .bind(&run.id)
            .fetch_all(c)
            .await)?;
        let mut read = CarriersRead::default();
        for (ids, rejected, carriers) in pages {
            if let Some(carriers) = carriers {
                read.add(carriers.0);
                continue;
            }
            let rejected: HashSet<String> = rejected
                .iter()
                .flat_map(|rejected| &rejected.0)
                .filter_map(|rejected| Some(rejected["id"].as_str()?.to_owned()))
                .collect();
            let ids = ids.0.into_iter().filter(|id| !rejected.contains(id));
            read.add(Carriers::Ids(ids.collect()));
        }
        Ok(read)
    }

    /// Records which rows a pass missed, and deletes the entries of those that it saw again.
    pub async fn note_unseen(
        &self,
        scan: &Scan,
        checkpoint: &Checkpoint,
        notes: &[PassNote<'_>],
    ) -> Result<(), StoreError> {
        let mut tx = self.db.begin().await?;
        self.move_checkpoint(&mut tx, scan, checkpoint).await?;
        for note in notes {
            self.forget_seen(&mut tx, scan, note.run).await?;
            self.write_unseen(&mut tx, scan, note).await?;
        }
        Ok(tx.commit().await?)
    }

    /// Deletes the entries of missing rows that a pass saw, whatever its verdict.
    pub(crate) async fn forget_seen(
        &self,
        tx: &mut Tx,
        scan: &Scan,
        run: &ScanRun,
    ) -> Result<(), StoreError> {
        let sql = format!(
            "DELETE FROM missing_records
             WHERE connection_id = $1 AND object = $4 AND record_id IN ({})
             RETURNING record_id",
            seen_sql!(&self.db)
        );
        let again: Vec<String> = run!(tx, |c| sqlx::query_scalar(AssertSqlSafe(sql))
            .bind(&scan.connection.connection_id)
            .bind(&run.id)
            .bind(i64::from(scan.checkpoint.pass))
            .bind(run.object.as_str())
            .fetch_all(c)
            .await)?;
        let again: Vec<&str> = again.iter().map(String::as_str).collect();
        let entry = HistoryEntry::new("seen_again", "a scan saw it again");
        self.write_history(tx, &scan.connection, run.object, &run.id, &again, &entry)
            .await
    }

    async fn write_unseen(
        &self,
        tx: &mut Tx,
        scan: &Scan,
        note: &PassNote<'_>,
    ) -> Result<(), StoreError> {
        const KNOWN: &str = "
            SELECT record_id FROM missing_records
            WHERE connection_id = $1 AND object = $2
              AND record_id IN (SELECT key FROM json_each($3))";
        const WRITE: &str = "
            INSERT INTO missing_records
                (connection_id, object, record_id, missing_since, first_missed_by, last_missed_by,
                 complete_misses)
            SELECT $1, $2, key, $4, $5, $5, CASE WHEN $6 THEN 1 ELSE 0 END FROM json_each($3)
            WHERE true
            ON CONFLICT (connection_id, object, record_id) DO UPDATE
            SET last_missed_by = excluded.last_missed_by,
                complete_misses = CASE WHEN $6 THEN missing_records.complete_misses + 1 ELSE 0 END";
        if note.unseen.is_empty() {
            return Ok(());
        }
        let connection_id = &scan.connection.connection_id;
        let object = note.run.object.as_str();
        let ids: Vec<&str> = note.unseen.iter().map(|row| row.id.as_str()).collect();
        let known: Vec<String> = run!(tx, |c| sqlx::query_scalar(KNOWN)
            .bind(connection_id)
            .bind(object)
            .bind(KeySet::new(&ids))
            .fetch_all(c)
            .await)?;
        let now = self.now();
        run!(tx, |c| sqlx::query(WRITE)
            .bind(connection_id)
            .bind(object)
            .bind(KeySet::new(&ids))
            .bind(at(now))
            .bind(&note.run.id)
            .bind(note.complete)
            .execute(c)
            .await
            .map(drop))?;
        let known: HashSet<&str> = known.iter().map(String::as_str).collect();
        let new: Vec<&str> = ids.into_iter().filter(|id| !known.contains(id)).collect();
        for (last_seen_by, ids) in self.last_sightings(tx, note.run, &new).await? {
            let entry = HistoryEntry::missing(last_seen_by.as_deref());
            let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
            self.write_history(
                tx,
                &scan.connection,
                note.run.object,
                &note.run.id,
                &ids,
                &entry,
            )
            .await?;
        }
        self.write_gone(tx, scan, note).await
    }

    /// The records, grouped by the earlier run that saw them last, as far as pages are kept.
    async fn last_sightings(
        &self,
        tx: &mut Tx,
        run: &ScanRun,
        ids: &[&str],
    ) -> Result<BTreeMap<Option<String>, Vec<String>>, StoreError> {
        macro_rules! sql {
            ($id:literal, $pages:literal) => {
                concat!(
                    "SELECT ",
                    $id,
                    ", max(p.run_id) FROM sync_run_pages p
                     JOIN sync_runs r ON r.id = p.run_id ",
                    $pages,
                    " WHERE r.sync_id = $1 AND r.keeps_pages AND r.id <> $2 AND ",
                    $id,
                    " IN (SELECT key FROM json_each($3)) GROUP BY 1"
                )
            };
        }
        let sql = match &self.db {
            Db::Pg(_) => sql!(
                "s.id",
                "CROSS JOIN LATERAL jsonb_array_elements_text(p.ids) AS s (id)"
            ),
            Db::Lite { .. } => sql!("s.value", ", json_each(p.ids) s"),
        };
        let mut by_run: BTreeMap<Option<String>, Vec<String>> = BTreeMap::new();
        if ids.is_empty() {
            return Ok(by_run);
        }
        let seen: Vec<(String, String)> = run!(tx, |c| sqlx::query_as(sql)
            .bind(&run.sync_id)
            .bind(&run.id)
            .bind(KeySet::new(ids))
            .fetch_all(c)
            .await)?;
        let seen: HashMap<String, String> = seen.into_iter().collect();
        for id in ids {
            let run_id = seen.get(*id).cloned();
            by_run.entry(run_id).or_default().push((*id).to_owned());
        }
        Ok(by_run)
    }

    async fn write_gone(
        &self,
        tx: &mut Tx,
        scan: &Scan,
        note: &PassNote<'_>,
    ) -> Result<(), StoreError> {
        const SQL: &str = "
            UPDATE missing_records
            SET lookup = 'gone', lookup_reason = $4, looked_up_by = $5, looked_up_at = $6
            WHERE connection_id = $1 AND object = $2
              AND record_id IN (SELECT key FROM json_each($3))";
        let gone: Vec<&Unseen> = note
            .unseen
            .iter()
            .filter(|row| row.gone.is_some())
            .collect();
        let Some(reason) = gone.first().and_then(|row| row.gone.as_ref()) else {
            return Ok(());
        };
        let ids: Vec<&str> = gone.iter().map(|row| row.id.as_str()).collect();
        let now = self.now();
        run!(tx, |c| sqlx::query(SQL)
            .bind(&scan.connection.connection_id)
            .bind(note.run.object.as_str())
            .bind(KeySet::new(&ids))
            .bind(reason)
            .bind(&note.run.id)
            .bind(at(now))
            .execute(c)
            .await
            .map(drop))?;
        Ok(())
    }

    /// Moves a scan's checkpoint without a page, checked against its fence.
    pub async fn save_checkpoint(
        &self,
        scan: &Scan,
        checkpoint: &Checkpoint,
    ) -> Result<(), StoreError> {
        let mut tx = self.db.begin().await?;
        self.move_checkpoint(&mut tx, scan, checkpoint).await?;
        Ok(tx.commit().await?)
    }

    pub(crate) async fn move_checkpoint(
        &self,
        tx: &mut Tx,
        scan: &Scan,
        checkpoint: &Checkpoint,
    ) -> Result<(), StoreError> {
        const SQL: &str = "
            UPDATE sync_runs SET checkpoint = $3
            WHERE scan_id = $1 AND fence = $2 AND state = 'running'";
        let moved = run!(tx, |c| sqlx::query(SQL)
            .bind(&scan.id)
            .bind(scan.lease.fence)
            .bind(Json(checkpoint))
            .execute(c)
            .await?
            .rows_affected());
        if moved == 0 {
            return Err(lease_lost(scan));
        }
        Ok(())
    }

    /// The number of rows of the scan's object, including deleted ones: how many records the
    /// provider has ever shown.
    pub async fn count_rows(&self, scan: &Scan) -> Result<i64, StoreError> {
        let sql = format!(
            "SELECT count(*) FROM {}
             WHERE application_id = $1 AND customer_id = $2 AND provider_name = $3",
            scan.object.table()
        );
        let mut reader = self.db.read().await?;
        Ok(run!(reader, |c| sqlx::query_scalar(AssertSqlSafe(sql))
            .bind(&scan.connection.application_id)
            .bind(&scan.connection.customer_id)
            .bind(scan.connection.provider.as_str())
            .fetch_one(c)
            .await)?)
    }
}
