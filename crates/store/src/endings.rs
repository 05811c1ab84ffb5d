//! How scans end: each run's outcome, its event, and what the outcome means for the connection, in
//! one transaction.

use std::collections::HashSet;

use serde_json::Value;
use sqlx::{FromRow, types::Json};
use syncline_model::{
    Capabilities, Capability, ConnectionStatus, Coverage, RunState, event::Event,
};

use crate::{
    Store, StoreError,
    db::{Tx, run},
    runs::CounterColumns,
    scans::{Scan, ScanRun, lease_lost},
    syncs::CREDENTIALS_CAUSE,
};

/// How one run of a scan ends.
#[derive(Debug, Clone)]
pub struct Ending {
    pub run: ScanRun,
    pub state: RunState,
    /// Distinct valid records that it read.
    pub num_records_synced: i64,
}

/// What else ends with a run that the provider refused.
#[derive(Debug, Clone)]
pub enum Pause {
    /// The credentials are rejected: every sync of the connection stops.
    Connection { reason: String },
    /// The credentials may not read this object: its syncs stop.
    Object { reason: String },
}

#[derive(FromRow)]
struct FinishedRow {
    #[sqlx(flatten)]
    counters: CounterColumns,
    num_records_synced: i64,
}

/// Which of a run's records were distinct.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// Malformed ones that have an id included: they were there.
    pub distinct: i64,
    pub repeated: i64,
    /// Without the malformed ones.
    pub valid: i64,
}

/// The ids of a page, and what was kept out of it.
type SeenPage = (Json<Vec<String>>, Option<Json<Vec<Value>>>);

impl Store {
    /// Counts what a run saw, over all of its pages.
    pub async fn count_seen(&self, run_id: &str) -> Result<Seen, StoreError> {
        const SQL: &str =
            "SELECT ids, rejected FROM sync_run_pages WHERE run_id = $1 ORDER BY page";
        let mut reader = self.db.read().await?;
        let pages: Vec<SeenPage> = run!(reader, |c| sqlx::query_as(SQL)
            .bind(run_id)
            .fetch_all(c)
            .await)?;
        let (mut distinct, mut malformed, mut all) = (HashSet::new(), HashSet::new(), 0);
        for (ids, rejected) in &pages {
            all += ids.0.len();
            distinct.extend(ids.0.iter().map(String::as_str));
            let rejected = rejected.iter().flat_map(|rejected| &rejected.0);
            malformed.extend(rejected.filter_map(|rejected| rejected["id"].as_str()));
        }
        let count = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
        Ok(Seen {
            distinct: count(distinct.len()),
            repeated: count(all - distinct.len()),
            valid: count(distinct.difference(&malformed).count()),
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
                error_message = $6, num_records_synced = $7, requests_made = requests_made + $8
            WHERE id = $1 AND fence = $2 AND state = 'running'
            RETURNING records_read, records_created, records_updated, records_unchanged,
                      records_deleted, records_rejected, requests_made, num_records_synced";
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
        let row: Option<FinishedRow> = run!(tx, |c| sqlx::query_as(SQL)
            .bind(&ending.run.id)
            .bind(scan.lease.fence)
            .bind(ending.state.name())
            .bind(finished_at)
            .bind(Json(coverage))
            .bind(error)
            .bind(ending.num_records_synced)
            .bind(requests)
            .fetch_optional(c)
            .await)?;
        let event = sync_complete(
            &ending.run,
            row.ok_or_else(|| lease_lost(scan))?,
            coverage,
            error,
        );
        self.write_event(tx, &scan.connection, &event).await
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
            .bind(now)
            .execute(c)
            .await
            .map(drop))?;
        self.note_capability(tx, scan, endings, &Capability::readable())
            .await
    }

    /// Syncs first, then their connection: the order in which everybody locks them.
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
        if sealed != scan.sealed {
            // What the old credentials may not do says nothing of the new ones: try those.
            return self.run_again(tx, endings).await;
        }
        let (Pause::Connection { reason } | Pause::Object { reason }) = pause;
        for (sync_id, object) in syncs {
            let affected = match pause {
                Pause::Connection { .. } => true,
                Pause::Object { .. } => object.scanned_as() == scan.object,
            };
            if affected {
                self.pause_sync_in(
                    tx,
                    &sync_id,
                    object,
                    &scan.connection,
                    reason,
                    CREDENTIALS_CAUSE,
                )
                .await?;
            }
        }
        match pause {
            Pause::Connection { .. } => self.note_unauthorized(tx, scan).await,
            Pause::Object { reason } => {
                let capability = Capability::unreadable(reason);
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
                .bind(now)
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

    /// What a run showed of the key: it can read the run's object, or why not. A key that can't read
    /// everything makes its connection `limited`.
    async fn note_capability(
        &self,
        tx: &mut Tx,
        scan: &Scan,
        endings: &[Ending],
        capability: &Capability,
    ) -> Result<(), StoreError> {
        const LOCK: &str = "
            UPDATE connections SET status = status WHERE id = $1 RETURNING capabilities";
        // Only new credentials end `unauthorized`.
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
