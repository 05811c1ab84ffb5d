//! How scans end: each run's outcome, its event, and the consequences for the connection, in one
//! transaction.

use std::collections::HashSet;

use chrono::TimeDelta;
use serde_json::Value;
use sqlx::types::Json;
use sqlx_macros::FromRow;
use syncline_model::{
    Capabilities, Capability, ConnectionStatus, Coverage, Denial, RunState, SeenCount, event::Event,
};

use crate::{
    Store, StoreError,
    db::{Tx, run},
    runs::CounterColumns,
    scans::{Scan, ScanRun, lease_lost},
    sealing::same_value,
    sweep::Swept,
    syncs::{CREDENTIALS_CAUSE, FORBIDDEN_CAUSE},
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
    /// If two complete scans in a row don't see a row, it is gone.
    pub absence_proves: bool,
    /// It failed for a transient reason: the next run may continue from its checkpoint.
    pub resumable: bool,
}

/// What is paused when the provider rejects a run's credentials.
#[derive(Debug, Clone)]
pub enum Pause {
    /// The credentials are rejected: every sync of the connection is paused.
    Connection { reason: String },
    /// The credentials may not read this object: its syncs are paused, except for one attempt a
    /// day.
    Object { denial: Denial, reason: String },
}

/// How often a sync that is paused because the credentials may not read its object is retried.
pub(crate) const PROBE_EVERY: TimeDelta = TimeDelta::hours(24);

/// How long pages of earlier runs are kept while no later run has seen everything.
const PAGES_KEPT_FOR: TimeDelta = TimeDelta::days(7);

#[derive(FromRow)]
struct FinishedRow {
    #[sqlx(flatten)]
    counters: CounterColumns,
    num_records_synced: i64,
}

/// How many distinct records a run saw.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// In the newest pass, including malformed records that have an id.
    pub pass: SeenCount,
    /// The records that contained them, in the newest pass, if no other run stores those.
    pub carriers: SeenCount,
    /// In the whole run.
    pub distinct: i64,
    /// In the whole run, without malformed ones.
    pub valid: i64,
}

/// The pass, the ids on a page, the rejected records, and the ids of the records that contained the
/// page's own.
type SeenPage = (
    i64,
    Json<Vec<String>>,
    Option<Json<Vec<Value>>>,
    Option<Json<Vec<String>>>,
);

/// Counts ids and their repetitions.
#[derive(Default)]
struct Tally<'a> {
    read: usize,
    distinct: HashSet<&'a str>,
}

impl<'a> Tally<'a> {
    fn add(&mut self, ids: &'a [String]) {
        self.read += ids.len();
        self.distinct.extend(ids.iter().map(String::as_str));
    }

    fn count(&self) -> SeenCount {
        SeenCount {
            distinct: count(self.distinct.len()),
            repeated: count(self.read - self.distinct.len()),
        }
    }
}

fn count(n: usize) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

impl Store {
    /// Counts what a run saw over all of its pages.
    pub async fn count_seen(&self, run_id: &str, pass: u32) -> Result<Seen, StoreError> {
        const SQL: &str = "
            SELECT pass, ids, rejected, carriers FROM sync_run_pages
            WHERE run_id = $1 ORDER BY pass, page";
        let mut reader = self.db.read().await?;
        let pages: Vec<SeenPage> = run!(reader, |c| sqlx::query_as(SQL)
            .bind(run_id)
            .fetch_all(c)
            .await)?;
        let (mut all, mut of_pass, mut carriers) =
            (Tally::default(), Tally::default(), Tally::default());
        let mut malformed = HashSet::new();
        for (page_pass, ids, rejected, carried_by) in &pages {
            all.add(&ids.0);
            if *page_pass == i64::from(pass) {
                of_pass.add(&ids.0);
                carriers.add(carried_by.as_ref().map_or(&[], |ids| &ids.0));
            }
            let rejected = rejected.iter().flat_map(|rejected| &rejected.0);
            malformed.extend(rejected.filter_map(|rejected| rejected["id"].as_str()));
        }
        Ok(Seen {
            pass: of_pass.count(),
            carriers: carriers.count(),
            distinct: count(all.distinct.len()),
            valid: count(all.distinct.difference(&malformed).count()),
        })
    }

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
        self.close_to_joiners(&mut tx, scan).await?;
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
        for ending in endings {
            self.finish_run(&mut tx, scan, ending, requests).await?;
        }
        if pause.is_some() {
            // Lock all of them first: two scans of the connection may end like this at the same
            // time.
            self.lock_syncs(&mut tx, &scan.connection.connection_id)
                .await?;
        }
        self.note_outcomes(&mut tx, endings).await?;
        match pause {
            Some(pause) => self.pause_after(&mut tx, scan, endings, pause).await?,
            None if endings
                .iter()
                .all(|ending| ending.state.status() == "SUCCESS") =>
            {
                self.note_success(&mut tx, scan, endings).await?;
            }
            None => {}
        }
        Ok(tx.commit().await?)
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
                      requests_made, num_records_synced";
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
        let swept = if succeeded && coverage.reached_end() && scan.checkpoint.sweep.noted {
            self.sweep(tx, scan, ending, coverage.verdict).await?
        } else {
            Swept::default()
        };
        let row: Option<FinishedRow> = run!(tx, |c| sqlx::query_as(SQL)
            .bind(&ending.run.id)
            .bind(scan.lease.fence)
            .bind(ending.state.name())
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
            self.forget_older_pages(tx, &ending.run, coverage.reached_end())
                .await?;
            self.note_coverage(tx, &ending.run, coverage).await?;
        }
        let event = sync_complete(
            &ending.run,
            row.ok_or_else(|| lease_lost(scan))?,
            coverage,
            error,
        );
        self.write_event(tx, &scan.connection, &event).await
    }

    /// Once a run has seen everything, the pages of earlier runs are of no use, except for their
    /// rejected records. A capped run keeps them for a while: they can show when a record beyond
    /// the limit was last seen.
    async fn forget_older_pages(
        &self,
        tx: &mut Tx,
        run: &ScanRun,
        saw_everything: bool,
    ) -> Result<(), StoreError> {
        const SQL: &str = "
            UPDATE sync_runs SET keeps_pages = false
            WHERE sync_id = $1 AND keeps_pages AND id <> $2 AND (finished_at < $3 OR $4)
            RETURNING id";
        const PAGES: &str = "
            DELETE FROM sync_run_pages WHERE rejected IS NULL AND run_id = $1";
        let long_ago = self.now() - PAGES_KEPT_FOR;
        let older: Vec<String> = run!(tx, |c| sqlx::query_scalar(SQL)
            .bind(&run.sync_id)
            .bind(&run.id)
            .bind(at(long_ago))
            .bind(saw_everything)
            .fetch_all(c)
            .await)?;
        for run_id in older {
            run!(tx, |c| sqlx::query(PAGES)
                .bind(&run_id)
                .execute(c)
                .await
                .map(drop))?;
        }
        Ok(())
    }

    /// Stores the coverage for the next run: whether the account is larger than the limit decides
    /// the reading order.
    async fn note_coverage(
        &self,
        tx: &mut Tx,
        run: &ScanRun,
        coverage: &Coverage,
    ) -> Result<(), StoreError> {
        const SQL: &str = "UPDATE syncs SET last_coverage = $2 WHERE id = $1";
        run!(tx, |c| sqlx::query(SQL)
            .bind(&run.sync_id)
            .bind(Json(coverage))
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

    /// Resumes a sync that was paused because its object could not be read, now that it has been
    /// read.
    async fn resume_after_probe(&self, tx: &mut Tx, sync_id: &str) -> Result<(), StoreError> {
        const SQL: &str = "
            UPDATE syncs
            SET paused = false, paused_reason = NULL, paused_cause = NULL, next_run_at = $3
            WHERE id = $1 AND paused_cause = $2";
        const PERIOD: &str = "SELECT period_ms FROM syncs WHERE id = $1";
        let period: i64 = run!(tx, |c| sqlx::query_scalar(PERIOD)
            .bind(sync_id)
            .fetch_one(c)
            .await)?;
        let next = self.now() + TimeDelta::milliseconds(period);
        run!(tx, |c| sqlx::query(SQL)
            .bind(sync_id)
            .bind(FORBIDDEN_CAUSE)
            .bind(at(next))
            .execute(c)
            .await
            .map(drop))?;
        Ok(())
    }

    async fn probe_later(&self, tx: &mut Tx, sync_id: &str) -> Result<(), StoreError> {
        const SQL: &str = "UPDATE syncs SET next_run_at = $2 WHERE id = $1 AND paused_cause = $3";
        let next = self.now() + PROBE_EVERY;
        run!(tx, |c| sqlx::query(SQL)
            .bind(sync_id)
            .bind(at(next))
            .bind(FORBIDDEN_CAUSE)
            .execute(c)
            .await
            .map(drop))?;
        Ok(())
    }

    /// Lock order: syncs, then their connection.
    async fn pause_after(
        &self,
        tx: &mut Tx,
        scan: &Scan,
        endings: &[Ending],
        pause: &Pause,
    ) -> Result<(), StoreError> {
        const LOCK: &str = "
            UPDATE connections SET status = status WHERE id = $1 RETURNING credentials";
        let connection_id = &scan.connection.connection_id;
        let syncs = self.lock_syncs(tx, connection_id).await?;
        let sealed: String = run!(tx, |c| sqlx::query_scalar(LOCK)
            .bind(connection_id)
            .fetch_one(c)
            .await)?;
        if !same_value(&sealed, &scan.sealed) {
            // The rejection of the old credentials says nothing about the new ones: try those.
            return self.run_again(tx, endings).await;
        }
        let (Pause::Connection { reason } | Pause::Object { reason, .. }) = pause;
        let cause = match pause {
            Pause::Connection { .. } => CREDENTIALS_CAUSE,
            Pause::Object { .. } => FORBIDDEN_CAUSE,
        };
        for (sync_id, object) in syncs {
            let affected = match pause {
                Pause::Connection { .. } => true,
                Pause::Object { .. } => object.scanned_as() == scan.object,
            };
            if affected {
                self.pause_sync_in(tx, &sync_id, object, &scan.connection, reason, cause)
                    .await?;
                self.probe_later(tx, &sync_id).await?;
            }
        }
        match pause {
            Pause::Connection { .. } => self.note_unauthorized(tx, scan).await,
            Pause::Object { denial, reason } => {
                let capability = Capability::unreadable(*denial, reason);
                self.note_capability(tx, scan, endings, &capability).await
            }
        }
    }

    async fn run_again(&self, tx: &mut Tx, endings: &[Ending]) -> Result<(), StoreError> {
        const SQL: &str = "UPDATE syncs SET triggered_at = $2 WHERE id = $1";
        let now = self.now();
        for ending in endings {
            run!(tx, |c| sqlx::query(SQL)
                .bind(&ending.run.sync_id)
                .bind(at(now))
                .execute(c)
                .await
                .map(drop))?;
        }
        Ok(())
    }

    async fn note_unauthorized(&self, tx: &mut Tx, scan: &Scan) -> Result<(), StoreError> {
        const SQL: &str = "UPDATE connections SET status = 'unauthorized' WHERE id = $1";
        run!(tx, |c| sqlx::query(SQL)
            .bind(&scan.connection.connection_id)
            .execute(c)
            .await
            .map(drop))?;
        Ok(())
    }

    /// Stores what a run showed about the key: that it can read the run's object, or why not. A key
    /// that can't read every object makes its connection `limited`.
    async fn note_capability(
        &self,
        tx: &mut Tx,
        scan: &Scan,
        endings: &[Ending],
        capability: &Capability,
    ) -> Result<(), StoreError> {
        const LOCK: &str = "
            UPDATE connections SET status = status WHERE id = $1 RETURNING capabilities";
        // The status `unauthorized` is only cleared by new credentials.
        const SQL: &str = "
            UPDATE connections
            SET capabilities = $2,
                status = CASE WHEN status = 'unauthorized' THEN status ELSE $3 END
            WHERE id = $1";
        let connection_id = &scan.connection.connection_id;
        let known: Json<Capabilities> = run!(tx, |c| sqlx::query_scalar(LOCK)
            .bind(connection_id)
            .fetch_one(c)
            .await)?;
        let mut capabilities = known.0;
        for ending in endings {
            capabilities.insert(ending.run.object, capability.clone());
        }
        let status = if capabilities.values().all(|capability| capability.readable) {
            ConnectionStatus::Healthy
        } else {
            ConnectionStatus::Limited
        };
        run!(tx, |c| sqlx::query(SQL)
            .bind(connection_id)
            .bind(Json(&capabilities))
            .bind(status.as_str())
            .execute(c)
            .await
            .map(drop))?;
        Ok(())
    }
}

fn sync_complete(
    run: &ScanRun,
    row: FinishedRow,
    coverage: &Coverage,
    error: Option<&String>,
) -> Event {
    Event::SyncComplete {
        run_id: run.id.clone(),
        object: run.object,
        counters: row.counters.into(),
        num_records_synced: row.num_records_synced,
        coverage: coverage.clone(),
        error: error.cloned(),
    }
}
