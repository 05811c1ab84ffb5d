//! How scans end: each run's outcome, its event, and the consequences for the connection, in one
//! transaction.

use sqlx::types::Json;
use sqlx_macros::FromRow;
use syncline_model::{
    Capability, Coverage, FeedCursor, RunState, StateName, Verdict, event::Event, feed::FIRST_EPOCH,
};

use crate::{
    Store, StoreError,
    access_lost::Pause,
    db::{Tx, run},
    key_set::KeySet,
    runs::CounterColumns,
    scans::{Scan, ScanRun, lease_lost},
    sweep::Swept,
    timestamp::at,
};

/// How one run of a scan ends.
#[derive(Debug, Clone)]
pub struct Ending {
    pub run: ScanRun,
    pub state: RunState,
    /// Distinct valid records that it read.
    pub num_records_synced: i64,
    /// The provider returned no records at all.
    pub empty_answer: bool,
    pub absence: Absence,
    /// It failed for a transient reason: the next run may continue from its checkpoint.
    pub resumable: bool,
    /// The next run begins where this one did, because this one may have missed records.
    pub reads_again: bool,
}

/// What it means that two complete scans in a row don't see a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Absence {
    /// Nothing: only a lookup can say that it is gone.
    ProvesNothing,
    ProvesGone,
    /// It is gone if lookups were forbidden after both, as they were after this one.
    ProvesGoneIfForbidden,
}

#[derive(FromRow)]
struct FinishedRow {
    #[sqlx(flatten)]
    counters: CounterColumns,
    num_records_synced: i64,
    began_after_ms: i64,
    epoch: Option<String>,
}

impl Store {
    /// Ends the scan's runs, each with its event, in one transaction.
    pub async fn finish_scan(
        &self,
        scan: &Scan,
        endings: &[Ending],
        pause: Option<&Pause>,
        requests: i64,
    ) -> Result<(), StoreError> {
        const MEMBERS: &str = "
            SELECT count(*) FROM sync_runs
            WHERE scan_id = $1 AND fence = $2 AND state = 'running'";
        let mut tx = self.db.begin().await?;
        self.lock_leader(&mut tx, scan).await?;
        let members: i64 = run!(tx, |c| sqlx::query_scalar(MEMBERS)
            .bind(&scan.id)
            .bind(scan.lease.fence)
            .fetch_one(c)
            .await)?;
        if members > i64::try_from(endings.len()).unwrap_or(i64::MAX) {
            return Err(StoreError::Joined {
                scan_id: scan.id.clone(),
            });
        }
        // Syncs are locked before the feed, which deletions lock; all of them if they may be paused,
        // because two scans of the connection may end like this at the same time.
        if pause.is_some() {
            self.lock_syncs(&mut tx, &scan.connection.connection_id)
                .await?;
        } else {
            self.lock_own_syncs(&mut tx, endings).await?;
        }
        for ending in endings {
            self.finish_run(&mut tx, scan, ending, requests).await?;
        }
        self.note_outcomes(&mut tx, endings).await?;
        match pause {
            Some(pause) => self.pause_after(&mut tx, scan, endings, pause).await?,
            None if endings
                .iter()
                .all(|ending| ending.state.name() == StateName::Succeeded) =>
            {
                self.note_success(&mut tx, scan, endings).await?;
            }
            None => {}
        }
        Ok(tx.commit().await?)
    }

    async fn lock_own_syncs(&self, tx: &mut Tx, endings: &[Ending]) -> Result<(), StoreError> {
        const SQL: &str = "
            UPDATE syncs SET paused = paused WHERE id IN (SELECT key FROM json_each($1))";
        let ids: Vec<&str> = endings
            .iter()
            .map(|ending| ending.run.sync_id.as_str())
            .collect();
        run!(tx, |c| sqlx::query(SQL)
            .bind(KeySet::new(&ids))
            .execute(c)
            .await
            .map(drop))?;
        Ok(())
    }

    async fn finish_run(
        &self,
        tx: &mut Tx,
        scan: &Scan,
        ending: &Ending,
        requests: i64,
    ) -> Result<(), StoreError> {
        const SQL: &str = "
            UPDATE sync_runs
            SET state = $3, lease_owner = NULL, finished_at = $4, coverage = $5,
                error_message = $6, num_records_synced = $7, requests_made = requests_made + $8,
                records_deleted = records_deleted + $9, deletes_held = $10, records_missing = $11,
                resumable = $12
            WHERE id = $1 AND fence = $2 AND state = 'running'
            RETURNING records_read, records_created, records_updated, records_unchanged,
                      records_deleted, records_rejected, records_missing, deletes_held,
                      requests_made, num_records_synced,
                      COALESCE(began_after_ms, 0) AS began_after_ms,
                      (SELECT f.epoch FROM change_feeds f
                       WHERE f.connection_id = sync_runs.connection_id) AS epoch";
        let (finished_at, coverage, error) = match &ending.state {
            RunState::Succeeded {
                finished_at,
                coverage,
            } => (*finished_at, coverage, None),
            RunState::Failed {
                finished_at,
                coverage,
                error,
            }
            | RunState::Stalled {
                finished_at,
                coverage,
                error,
            } => (*finished_at, coverage, Some(error)),
            _ => return Ok(()),
        };
        let succeeded = matches!(ending.state, RunState::Succeeded { .. });
        if !scan.checkpoint.sweep.noted {
            self.forget_seen(tx, scan, &ending.run).await?;
        }
        let may_sweep = succeeded && coverage.reached_end() && scan.checkpoint.sweep.noted;
        let swept = match scan.checkpoint.full_read().filter(|_| may_sweep) {
            Some(full) => self.sweep(tx, scan, ending, coverage.verdict, full).await?,
            None => Swept::default(),
        };
        let row: Option<FinishedRow> = run!(tx, |c| sqlx::query_as(SQL)
            .bind(&ending.run.id)
            .bind(scan.lease.fence)
            .bind(ending.state.name().as_str())
            .bind(at(finished_at))
            .bind(Json(coverage))
            .bind(error)
            .bind(ending.num_records_synced)
            .bind(requests)
            .bind(swept.deleted)
            .bind(swept.held)
            .bind(swept.missing)
            .bind(ending.resumable)
            .fetch_optional(c)
            .await)?;
        if succeeded {
            self.delete_older_pages(tx, &ending.run, coverage.reached_end())
                .await?;
            self.note_coverage(tx, scan, ending, coverage).await?;
        }
        let event = sync_complete(
            scan,
            &ending.run,
            row.ok_or_else(|| lease_lost(scan))?,
            coverage,
            error,
        );
        self.write_event(tx, &scan.connection, &event).await
    }

    /// Stores the coverage for the next run, whose order depends on whether the account is larger than
    /// the limit, and where an incremental one begins. After a run that didn't read all that it should
    /// have, the next one reads everything.
    async fn note_coverage(
        &self,
        tx: &mut Tx,
        scan: &Scan,
        ending: &Ending,
        coverage: &Coverage,
    ) -> Result<(), StoreError> {
        const SQL: &str = "
            UPDATE syncs
            SET last_coverage = $2, watermark = $3,
                incrementals = CASE WHEN $4 THEN incrementals + 1 ELSE 0 END
            WHERE id = $1";
        let has_read_all = matches!(
            coverage.verdict,
            Verdict::Complete | Verdict::Drifted | Verdict::Incremental
        );
        let watermark = if ending.reads_again {
            scan.checkpoint.since.as_ref()
        } else {
            scan.checkpoint.watermark.as_ref()
        };
        let watermark = watermark.filter(|_| has_read_all);
        run!(tx, |c| sqlx::query(SQL)
            .bind(&ending.run.sync_id)
            .bind(Json(coverage))
            .bind(watermark.map(|watermark| watermark.0.as_str()))
            .bind(coverage.verdict == Verdict::Incremental)
            .execute(c)
            .await
            .map(drop))?;
        Ok(())
    }

    async fn note_success(
        &self,
        tx: &mut Tx,
        scan: &Scan,
        endings: &[Ending],
    ) -> Result<(), StoreError> {
        const SQL: &str = "UPDATE connections SET last_synced_at = $2 WHERE id = $1";
        let now = self.now();
        run!(tx, |c| sqlx::query(SQL)
            .bind(&scan.connection.connection_id)
            .bind(at(now))
            .execute(c)
            .await
            .map(drop))?;
        for ending in endings {
            self.resume_after_probe(tx, &ending.run.sync_id).await?;
        }
        self.note_capability(tx, scan, endings, &Capability::readable())
            .await
    }
}

fn sync_complete(
    scan: &Scan,
    run: &ScanRun,
    row: FinishedRow,
    coverage: &Coverage,
    error: Option<&String>,
) -> Event {
    let epoch = row.epoch.as_deref().unwrap_or(FIRST_EPOCH);
    let connection_id = &scan.connection.connection_id;
    Event::SyncComplete {
        run_id: run.id.clone(),
        cursor: FeedCursor::after_stamp(connection_id, epoch, row.began_after_ms).to_text(),
        object: run.object,
        counters: row.counters.into(),
        num_records_synced: row.num_records_synced,
        coverage: coverage.clone(),
        error: error.cloned(),
    }
}
