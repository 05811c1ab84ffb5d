//! Creates new scans for due syncs, for many connections in one transaction.

use std::collections::{BTreeMap, HashSet};

use chrono::TimeDelta;
use serde_json::json;
use sqlx::types::Json;
use sqlx_macros::FromRow;
use syncline_model::{Checkpoint, Object, Time};

use crate::{
    Store, StoreError,
    db::{self, Db, Tx, run},
    key_set::KeySet,
    schedule::{Due, LockedSync, could_not_start},
    syncs::parse_object,
    timestamp::at,
};

/// Syncs per transaction, limited so that other writers don't wait long.
const TOGETHER: usize = 250;

/// How old a checkpoint's first page may be for a new run to continue from it.
const SOUND_FOR: TimeDelta = TimeDelta::hours(24);

/// A scan that failed before its end for a transient reason.
#[derive(FromRow)]
struct UnfinishedScan {
    sync_id: String,
    scan_id: String,
    checkpoint: Json<Checkpoint>,
}

/// A sync and the object whose pages it is read from.
#[derive(FromRow)]
struct SyncOfPages {
    id: String,
    connection_id: String,
    scan_object: String,
}

/// A new scan, with a run for each sync that it serves. Its id is the id of its leading run:
/// claiming the leader claims the scan.
struct NewScan {
    id: String,
    runs: Vec<NewRun>,
}

struct NewRun {
    id: String,
    sync: LockedSync,
}

impl Store {
    /// Starts scans for these syncs and for those that are read from the same pages; returns the
    /// number of runs.
    pub(crate) async fn start_all(&self, due: &[Due]) -> usize {
        let mut started = 0;
        for together in due.chunks(TOGETHER) {
            match self.start_together(together).await {
                Ok(runs) => started += runs,
                // A failure of one sync must not keep the others from starting.
                Err(error) if together.len() > 1 && !error.is_unavailable() => {
                    started += self.start_one_by_one(together).await;
                }
                Err(error) => could_not_start(&together[0], &error),
            }
        }
        started
    }

    async fn start_one_by_one(&self, due: &[Due]) -> usize {
        let mut started = 0;
        for sync in due {
            match self.start_together(std::slice::from_ref(sync)).await {
                Ok(runs) => started += runs,
                Err(error) => could_not_start(sync, &error),
            }
        }
        started
    }

    async fn start_together(&self, due: &[Due]) -> Result<usize, StoreError> {
        let mut tx = self.db.begin().await?;
        tx.limit_statement_time().await?;
        let now = self.now();
        let scans = self.new_scans(&mut tx, due, now).await?;
        if scans.is_empty() {
            tx.rollback().await?;
            return Ok(0);
        }
        self.insert_runs(&mut tx, &scans, now, false).await?;
        self.resume_failed_scans(&mut tx, &scans, now).await?;
        self.schedule_next(&mut tx, &scans, now).await?;
        tx.commit().await?;
        Ok(scans.iter().map(|scan| scan.runs.len()).sum())
    }

    /// The scans to start. Syncs that changed since the query are left to the next tick: those that
    /// are locked, no longer due, or have an active run by now.
    async fn new_scans(
        &self,
        tx: &mut Tx,
        due: &[Due],
        now: Time,
    ) -> Result<Vec<NewScan>, StoreError> {
        let due: Vec<&str> = due.iter().map(|sync| sync.id.as_str()).collect();
        let members = self.of_same_pages(tx, &due).await?;
        let wanted: Vec<&str> = members.iter().map(|sync| sync.id.as_str()).collect();
        let locked = self.lock_free_syncs(tx, &wanted).await?;
        let active = self.with_active_runs(tx, &wanted).await?;
        let found: HashSet<&str> = locked.iter().map(|sync| sync.id.as_str()).collect();
        // Syncs that share their pages start together or not at all.
        let incomplete: HashSet<(&str, &str)> = members
            .iter()
            .filter(|sync| !found.contains(&*sync.id) || active.contains(&sync.id))
            .map(|sync| (&*sync.connection_id, &*sync.scan_object))
            .collect();
        let mut groups: BTreeMap<(String, String), Vec<LockedSync>> = BTreeMap::new();
        for sync in locked {
            if !incomplete.contains(&(&*sync.connection_id, &*sync.scan_object)) {
                let group = (sync.connection_id.clone(), sync.scan_object.clone());
                groups.entry(group).or_default().push(sync);
            }
        }
        Ok(groups
            .into_values()
            .filter(|group| group.iter().any(|sync| sync.is_due(now)))
            .map(|mut group| {
                group.retain(|sync| sync.joins_new_scan(now));
                self.new_scan(group)
            })
            .collect())
    }

    /// These syncs, and those that are read from the same pages.
    async fn of_same_pages(
        &self,
        tx: &mut Tx,
        sync_ids: &[&str],
    ) -> Result<Vec<SyncOfPages>, StoreError> {
        const SQL: &str = "
            SELECT DISTINCT o.id, o.connection_id, COALESCE(o.carried_in, o.object) AS scan_object
            FROM syncs s JOIN syncs o ON o.connection_id = s.connection_id
            WHERE s.id IN (SELECT key FROM json_each($1))
              AND COALESCE(o.carried_in, o.object) = COALESCE(s.carried_in, s.object)";
        Ok(run!(tx, |c| sqlx::query_as(SQL)
            .bind(KeySet::new(sync_ids))
            .fetch_all(c)
            .await)?)
    }

    /// Starts one scan for those wanted objects that are read from the same pages, regardless of
    /// their schedule and without changing it: the calling command reads it itself. Returns the ids
    /// of the runs; none while one of these syncs has an active run.
    pub async fn start_foreground_scan(
        &self,
        connection_id: &str,
        wanted: &[Object],
    ) -> Result<Vec<String>, StoreError> {
        const LAST: &str = "UPDATE syncs SET last_run_id = $2 WHERE id = $1";
        let now = self.now();
        let mut tx = self.db.begin().await?;
        let mut syncs = self.lock_same_pages(&mut tx, connection_id, wanted).await?;
        let ids: Vec<&str> = syncs.iter().map(|sync| sync.id.as_str()).collect();
        if !self.with_active_runs(&mut tx, &ids).await?.is_empty() {
            tx.rollback().await?;
            return Ok(Vec::new());
        }
        syncs.retain(|sync| wanted.iter().any(|object| object.as_str() == sync.object));
        if syncs.is_empty() {
            return Err(StoreError::Missing("the sync"));
        }
        let scans = [self.new_scan(syncs)];
        self.insert_runs(&mut tx, &scans, now, true).await?;
        self.resume_failed_scans(&mut tx, &scans, now).await?;
        for run in &scans[0].runs {
            run!(tx, |c| sqlx::query(LAST)
                .bind(&run.sync.id)
                .bind(&run.id)
                .execute(c)
                .await
                .map(drop))?;
        }
        tx.commit().await?;
        let [scan] = scans;
        Ok(scan.runs.into_iter().map(|run| run.id).collect())
    }

    /// Locks a connection's syncs that are read from the same pages as these objects, waiting for
    /// other holders of the locks.
    async fn lock_same_pages(
        &self,
        tx: &mut Tx,
        connection_id: &str,
        objects: &[Object],
    ) -> Result<Vec<LockedSync>, StoreError> {
        // Writing nothing new locks the rows on both databases.
        const SQL: &str = "
            UPDATE syncs SET paused = paused
            WHERE connection_id = $1 AND COALESCE(carried_in, object) IN (
                SELECT COALESCE(carried_in, object) FROM syncs
                WHERE connection_id = $1 AND object IN (SELECT key FROM json_each($2)))
            RETURNING id, connection_id, object, COALESCE(carried_in, object) AS scan_object, period_ms, paused, paused_cause, next_run_at,
                triggered_at, full_refresh";
        let names: Vec<&str> = objects.iter().map(|object| object.as_str()).collect();
        Ok(run!(tx, |c| sqlx::query_as(SQL)
            .bind(connection_id)
            .bind(KeySet::new(&names))
            .fetch_all(c)
            .await)?)
    }

    fn new_scan(&self, mut group: Vec<LockedSync>) -> NewScan {
        group.sort_by(|a, b| a.object.cmp(&b.object));
        let runs: Vec<NewRun> = group
            .into_iter()
            .map(|sync| NewRun {
                id: self.new_id(),
                sync,
            })
            .collect();
        NewScan {
            id: runs[0].id.clone(),
            runs,
        }
    }

    /// Locks those syncs, with their connections, that are not locked by others. It never waits, so
    /// the lock order doesn't matter.
    async fn lock_free_syncs(
        &self,
        tx: &mut Tx,
        ids: &[&str],
    ) -> Result<Vec<LockedSync>, StoreError> {
        macro_rules! sql {
            ($lock:literal) => {
                concat!(
                    "SELECT s.id, s.connection_id, s.object,
                            COALESCE(s.carried_in, s.object) AS scan_object, s.period_ms, s.paused, s.paused_cause,
                            s.next_run_at, s.triggered_at, s.full_refresh
                     FROM syncs s JOIN connections c ON c.id = s.connection_id
                     WHERE s.id IN (SELECT key FROM json_each($1)) ",
                    $lock
                )
            };
        }
        // SQLite has one writer and needs no lock.
        let sql = match &self.db {
            Db::Pg(_) => {
                sql!("FOR NO KEY UPDATE OF s SKIP LOCKED FOR KEY SHARE OF c SKIP LOCKED")
            }
            Db::Lite { .. } => sql!(""),
        };
        Ok(run!(tx, |c| sqlx::query_as(sql)
            .bind(KeySet::new(ids))
            .fetch_all(c)
            .await)?)
    }

    /// A separate statement, so that it sees the runs of previous lock holders.
    async fn with_active_runs(
        &self,
        tx: &mut Tx,
        sync_ids: &[&str],
    ) -> Result<HashSet<String>, StoreError> {
        const SQL: &str = "
            SELECT key FROM json_each($1) WHERE (
                SELECT 1 FROM sync_runs
                WHERE sync_id = key AND state IN ('queued', 'running', 'waiting') LIMIT 1)
            IS NOT NULL";
        let active: Vec<String> = run!(tx, |c| sqlx::query_scalar(SQL)
            .bind(KeySet::new(sync_ids))
            .fetch_all(c)
            .await)?;
        Ok(active.into_iter().collect())
    }

    async fn insert_runs(
        &self,
        tx: &mut Tx,
        scans: &[NewScan],
        now: Time,
        foreground: bool,
    ) -> Result<(), StoreError> {
        const SQL: &str = "
            INSERT INTO sync_runs
                (id, scan_id, application_id, customer_id, provider_name, connection_id, sync_id,
                 object, carried_in, state, due_at, fence, full_refresh, checkpoint, records_read,
                 records_created, records_updated, records_unchanged, records_deleted,
                 records_rejected, requests_made, scan_rank, created_at, keeps_pages,
                 foreground, began_after_ms, store_policy)
            SELECT n.value ->> 'run', n.value ->> 'scan', c.application_id, c.customer_id,
                   c.provider_name, c.id, s.id, s.object, s.carried_in, 'queued', $2, 0, s.full_refresh, $3,
                   0, 0, 0, 0, 0, 0, 0, CAST(n.value ->> 'rank' AS bigint), $2, true, $4,
                   COALESCE((SELECT f.last_stamp_ms FROM change_feeds f
                             WHERE f.connection_id = c.id), 0),
                   s.store_policy
            FROM json_each($1) n
            JOIN syncs s ON s.id = n.key JOIN connections c ON c.id = s.connection_id";
        let mut new = BTreeMap::new();
        for scan in scans {
            for run in &scan.runs {
                let rank = parse_object("syncs", &run.sync.id, &run.sync.object)?.scan_rank();
                let row = json!({"run": run.id, "scan": scan.id, "rank": rank});
                new.insert(run.sync.id.as_str(), row);
            }
        }
        run!(tx, |c| sqlx::query(SQL)
            .bind(KeySet::with_values(&new))
            .bind(at(now))
            .bind(Json(Checkpoint::default()))
            .bind(foreground)
            .execute(c)
            .await
            .map(drop))?;
        Ok(())
    }

    /// Continues scans that failed before their end: those that were the last scan of all of the
    /// new scan's syncs, that began less than a day ago with the same credentials, and for which no
    /// full refresh was requested.
    async fn resume_failed_scans(
        &self,
        tx: &mut Tx,
        scans: &[NewScan],
        now: Time,
    ) -> Result<(), StoreError> {
        const SQL: &str = "
            SELECT r.sync_id, r.scan_id, r.checkpoint
            FROM syncs s JOIN sync_runs r ON r.id = s.last_run_id
            WHERE s.id IN (SELECT key FROM json_each($1)) AND r.resumable AND r.state = 'failed'";
        let ids: Vec<&str> = scans
            .iter()
            .flat_map(|scan| &scan.runs)
            .map(|run| run.sync.id.as_str())
            .collect();
        let last: Vec<UnfinishedScan> = run!(tx, |c| sqlx::query_as(SQL)
            .bind(KeySet::new(&ids))
            .fetch_all(c)
            .await)?;
        let last: BTreeMap<&str, &UnfinishedScan> = last
            .iter()
            .map(|scan| (scan.sync_id.as_str(), scan))
            .collect();
        for scan in scans {
            if let Some(unfinished) = scan.unfinished(&last, now) {
                self.resume_from(tx, scan, unfinished).await?;
            }
        }
        Ok(())
    }

    async fn resume_from(
        &self,
        tx: &mut Tx,
        scan: &NewScan,
        unfinished: &UnfinishedScan,
    ) -> Result<(), StoreError> {
        const CHECKPOINT: &str = "UPDATE sync_runs SET checkpoint = $2 WHERE scan_id = $1";
        // What the failed run saw counts as seen by the new one.
        const PAGES: &str = "
            INSERT INTO sync_run_pages (run_id, pass, page, ids, rejected, carriers)
            SELECT $1, p.pass, p.page, p.ids, p.rejected, p.carriers
            FROM sync_run_pages p JOIN sync_runs r ON r.id = p.run_id
            WHERE r.scan_id = $2 AND r.sync_id = $3";
        run!(tx, |c| sqlx::query(CHECKPOINT)
            .bind(&scan.id)
            .bind(&unfinished.checkpoint)
            .execute(c)
            .await
            .map(drop))?;
        for run in &scan.runs {
            run!(tx, |c| sqlx::query(PAGES)
                .bind(&run.id)
                .bind(&unfinished.scan_id)
                .bind(&run.sync.id)
                .execute(c)
                .await
                .map(drop))?;
        }
        Ok(())
    }

    /// Uses the fastest way for each database: one statement on PostgreSQL, several without round
    /// trips on SQLite.
    async fn schedule_next(
        &self,
        tx: &mut Tx,
        scans: &[NewScan],
        now: Time,
    ) -> Result<(), StoreError> {
        const ALL: &str = "
            UPDATE syncs
            SET next_run_at = n.next, last_run_id = n.run, triggered_at = NULL, full_refresh = false
            FROM UNNEST($1::text[], $2::timestamptz[], $3::text[]) AS n (id, next, run)
            WHERE syncs.id = n.id";
        const EACH: &str = "
            UPDATE syncs
            SET next_run_at = $2, last_run_id = $3, triggered_at = NULL, full_refresh = false
            WHERE id = $1";
        let runs = || scans.iter().flat_map(|scan| &scan.runs);
        match tx.connection()? {
            db::Connection::Pg(c) => {
                let ids: Vec<&str> = runs().map(|run| run.sync.id.as_str()).collect();
                let next: Vec<_> = runs().map(|run| at(run.sync.next_run_after(now))).collect();
                let run_ids: Vec<&str> = runs().map(|run| run.id.as_str()).collect();
                let query = sqlx::query(ALL).bind(ids).bind(next).bind(run_ids);
                query.execute(c).await?;
            }
            db::Connection::Lite(c) => {
                for run in runs() {
                    sqlx::query(EACH)
                        .bind(&run.sync.id)
                        .bind(at(run.sync.next_run_after(now)))
                        .bind(&run.id)
                        .execute(&mut *c)
                        .await?;
                }
            }
        }
        Ok(())
    }
}

impl NewScan {
    /// The failed scan that this one continues, if any.
    fn unfinished<'u>(
        &self,
        last: &BTreeMap<&str, &'u UnfinishedScan>,
        now: Time,
    ) -> Option<&'u UnfinishedScan> {
        let found = *last.get(&*self.runs[0].sync.id)?;
        let all_took_part = self.runs.iter().all(|run| {
            let last = last.get(&*run.sync.id);
            !run.sync.full_refresh && last.is_some_and(|last| last.scan_id == found.scan_id)
        });
        let began = found.checkpoint.began_at?;
        // If it began in the future, its real age is unknown.
        let is_sound = began > now - SOUND_FOR && began <= now;
        (all_took_part && is_sound && found.checkpoint.next_page > 1).then_some(found)
    }
}
