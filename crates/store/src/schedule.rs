//! The tick's half of the queue: syncs whose time has come get a run.
//!
//! Nothing here depends on who calls it or how often. A sync is due when it was triggered, or when
//! it isn't paused and its time has come, and no run of it is active.

use chrono::TimeDelta;
use sqlx::types::Json;
use sqlx_macros::FromRow;
use syncline_model::{Checkpoint, Object, Time};

use crate::{
    Store, StoreError,
    db::{Tx, run},
    syncs::{FORBIDDEN_CAUSE, parse_object},
};

#[derive(FromRow)]
struct Due {
    connection_id: String,
    object: String,
}

/// A sync of the group that a due sync belongs to, locked for the transaction.
#[derive(FromRow)]
struct Candidate {
    id: String,
    object: String,
    period_ms: i64,
    paused: bool,
    paused_cause: Option<String>,
    next_run_at: Time,
    triggered_at: Option<Time>,
    full_refresh: bool,
    has_active_run: bool,
}

/// A scan that failed on its way for a reason that passes.
#[derive(FromRow)]
struct UnfinishedScan {
    scan_id: String,
    checkpoint: Json<Checkpoint>,
}

/// How old the first page before a checkpoint may be to go on from there.
const SOUND_FOR: TimeDelta = TimeDelta::hours(24);

impl Candidate {
    fn is_due(&self, now: Time) -> bool {
        self.triggered_at.is_some() || (self.may_run(now) && self.next_run_at <= now)
    }

    /// Whether it gets a run from a scan that starts now.
    fn takes_part(&self, now: Time) -> bool {
        self.triggered_at.is_some() || self.may_run(now)
    }

    /// One that its credentials may not read tries again when its time comes.
    fn may_run(&self, now: Time) -> bool {
        let probes = self.paused_cause.as_deref() == Some(FORBIDDEN_CAUSE);
        !self.paused || (probes && self.next_run_at <= now)
    }
}

/// A scan of the group that has not ended.
#[derive(FromRow)]
struct ActiveScan {
    scan_id: String,
    state: String,
    due_at: Time,
    waiting_reason: Option<String>,
    lease_owner: Option<String>,
    fence: i64,
    checkpoint: Json<Checkpoint>,
    started_at: Option<Time>,
    foreground: bool,
}

impl ActiveScan {
    /// One that nobody has leased yet.
    fn new(scan_id: String, due_at: Time, foreground: bool) -> Self {
        Self {
            foreground,
            scan_id,
            state: "queued".to_owned(),
            due_at,
            waiting_reason: None,
            lease_owner: None,
            fence: 0,
            checkpoint: Json(Checkpoint::default()),
            started_at: None,
        }
    }
}

impl Store {
    /// Writes the runs of at most `limit` due syncs, of one connection where it is named, and tells
    /// how many runs there are now more.
    ///
    /// While a run waits for records to read, no other of its account starts: it could only wait as
    /// well, and the first to come would not be the first served. That goes until it is leased
    /// again, unless it is another connection's than the named one: nobody may be there to lease it.
    /// A connection that waits for less than others may read holds up only those like it.
    pub async fn start_due_runs(
        &self,
        limit: i64,
        connection_id: Option<&str>,
    ) -> Result<usize, StoreError> {
        const SQL: &str = "
            SELECT s.connection_id, s.object FROM syncs s
            WHERE (s.triggered_at IS NOT NULL
                   OR ((NOT s.paused OR s.paused_cause = 'forbidden') AND s.next_run_at <= $1))
              AND (CAST($3 AS text) IS NULL OR s.connection_id = $3)
              AND NOT EXISTS (
                SELECT 1 FROM sync_runs r
                WHERE r.sync_id = s.id AND r.state IN ('queued', 'running', 'waiting'))
              AND NOT EXISTS (
                SELECT 1 FROM connections c
                JOIN connections sharing ON sharing.account_id = c.account_id
                JOIN sync_runs w ON w.connection_id = sharing.id
                WHERE c.id = s.connection_id AND w.state = 'waiting'
                  AND COALESCE(CAST(sharing.limits AS text), '')
                    = COALESCE(CAST(c.limits AS text), '')
                  AND (w.due_at > $1 OR CAST($3 AS text) IS NULL OR w.connection_id = $3)
                  AND w.waiting_reason IN ('records_per_hour', 'records_per_day')
                  AND NOT (w.connection_id = s.connection_id
                           AND w.object IN ('contact', 'sequence_state')
                           AND s.object IN ('contact', 'sequence_state')))
            ORDER BY s.next_run_at, s.id LIMIT $2";
        let now = self.now();
        let mut reader = self.db.read().await?;
        let due: Vec<Due> = run!(reader, |c| sqlx::query_as(SQL)
            .bind(now)
            .bind(limit)
            .bind(connection_id)
            .fetch_all(c)
            .await)?;
        drop(reader);
        let mut started = 0;
        for sync in due {
            match self.start_due(&sync).await {
                Ok(runs) => started += runs,
                // One sync's trouble must not keep the others from starting.
                Err(error) => tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "the {} sync of connection {} could not be started",
                    sync.object,
                    sync.connection_id
                ),
            }
        }
        Ok(started)
    }

    async fn start_due(&self, sync: &Due) -> Result<usize, StoreError> {
        let object = parse_object("syncs", &sync.connection_id, &sync.object)?;
        self.start_scan(&sync.connection_id, object).await
    }

    /// Starts one scan for the due sync and for those that are read from the same pages, or joins
    /// the one that has not committed its first page yet.
    ///
    /// Locks in the order of a page's transaction: the leading run, then the syncs.
    async fn start_scan(&self, connection_id: &str, object: Object) -> Result<usize, StoreError> {
        let mut tx = self.db.begin().await?;
        let now = self.now();
        let active = self
            .lock_active_scan(&mut tx, connection_id, object)
            .await?;
        if active
            .as_ref()
            .is_some_and(|scan| scan.checkpoint.next_page > 1 || scan.checkpoint.pass > 1)
        {
            tx.rollback().await?;
            return Ok(0);
        }
        let joins = active.is_some();
        let group = self.lock_group(&mut tx, connection_id, object).await?;
        let due = |candidate: &Candidate| !candidate.has_active_run && candidate.is_due(now);
        // Another process may have started a scan before the syncs were locked: the next tick
        // finds it.
        let overtaken = !joins && group.iter().any(|candidate| candidate.has_active_run);
        if overtaken || !group.iter().any(due) {
            // The scan may be claimed at once: its leading run must not stay locked.
            tx.rollback().await?;
            return Ok(0);
        }
        let mut scan = active.unwrap_or_else(|| ActiveScan::new(self.new_id(), now, false));
        let starting: Vec<Candidate> = group
            .into_iter()
            .filter(|candidate| candidate.takes_part(now) && !candidate.has_active_run)
            .collect();
        if joins {
            for candidate in &starting {
                let run_id = self.new_id();
                self.insert_run(&mut tx, &run_id, connection_id, candidate, &scan)
                    .await?;
            }
        } else {
            self.insert_scan(&mut tx, connection_id, &mut scan, &starting)
                .await?;
        }
        for candidate in &starting {
            self.schedule_next(&mut tx, candidate, now).await?;
        }
        tx.commit().await?;
        Ok(starting.len())
    }

    /// Starts one scan for those of the wanted objects that are read from the same pages, whatever
    /// their schedule says and without a change to it: the command that asks for it reads it itself.
    /// Gives back the runs' ids; none while a run of one of them is active.
    pub async fn start_foreground_scan(
        &self,
        connection_id: &str,
        wanted: &[Object],
    ) -> Result<Vec<String>, StoreError> {
        let Some(object) = wanted.first().copied() else {
            return Ok(Vec::new());
        };
        let mut tx = self.db.begin().await?;
        let active = self
            .lock_active_scan(&mut tx, connection_id, object)
            .await?;
        let group = self.lock_group(&mut tx, connection_id, object).await?;
        let is_wanted = |it: &Candidate| wanted.iter().any(|object| object.as_str() == it.object);
        let starting: Vec<Candidate> = group.into_iter().filter(is_wanted).collect();
        if starting.is_empty() {
            return Err(StoreError::Missing("the sync"));
        }
        if active.is_some() || starting.iter().any(|candidate| candidate.has_active_run) {
            tx.rollback().await?;
            return Ok(Vec::new());
        }
        let mut scan = ActiveScan::new(self.new_id(), self.now(), true);
        let runs = self
            .insert_scan(&mut tx, connection_id, &mut scan, &starting)
            .await?;
        tx.commit().await?;
        Ok(runs)
    }

    /// Writes the runs of a new scan. It goes on where one that failed on its way stopped, if that
    /// served the same syncs.
    async fn insert_scan(
        &self,
        tx: &mut Tx,
        connection_id: &str,
        scan: &mut ActiveScan,
        starting: &[Candidate],
    ) -> Result<Vec<String>, StoreError> {
        let unfinished = self.unfinished_scan(tx, starting).await?;
        if let Some(unfinished) = &unfinished {
            scan.checkpoint = unfinished.checkpoint.clone();
        }
        let mut runs: Vec<String> = Vec::new();
        for candidate in starting {
            // The run that leads a scan lends it its id: claiming the leader claims the scan.
            let run_id = if runs.is_empty() {
                scan.scan_id.clone()
            } else {
                self.new_id()
            };
            self.insert_run(tx, &run_id, connection_id, candidate, scan)
                .await?;
            if let Some(unfinished) = &unfinished {
                self.take_over_pages(tx, &unfinished.scan_id, &candidate.id, &run_id)
                    .await?;
            }
            runs.push(run_id);
        }
        Ok(runs)
    }

    async fn lock_group(
        &self,
        tx: &mut Tx,
        connection_id: &str,
        object: Object,
    ) -> Result<Vec<Candidate>, StoreError> {
        // Writing nothing new locks the rows on both databases.
        const SQL: &str = "
            UPDATE syncs SET paused = paused
            WHERE connection_id = $1 AND object IN ($2, $3)
            RETURNING id, object, period_ms, paused, paused_cause, next_run_at, triggered_at,
                full_refresh,
                EXISTS (
                    SELECT 1 FROM sync_runs r WHERE r.sync_id = syncs.id
                      AND r.state IN ('queued', 'running', 'waiting')) AS has_active_run";
        let (first, second) = scan_group(object);
        let mut group: Vec<Candidate> = run!(tx, |c| sqlx::query_as(SQL)
            .bind(connection_id)
            .bind(first.as_str())
            .bind(second.as_str())
            .fetch_all(c)
            .await)?;
        group.sort_by(|a, b| a.object.cmp(&b.object));
        Ok(group)
    }

    /// The group's active scan, with its leading run locked: a page of it commits before this or
    /// after the transaction, and then sees the runs that joined.
    async fn lock_active_scan(
        &self,
        tx: &mut Tx,
        connection_id: &str,
        object: Object,
    ) -> Result<Option<ActiveScan>, StoreError> {
        const SQL: &str = "
            UPDATE sync_runs SET due_at = due_at
            WHERE connection_id = $1 AND object IN ($2, $3) AND id = scan_id
              AND state IN ('queued', 'running', 'waiting')
            RETURNING scan_id, state, due_at, waiting_reason, lease_owner, fence, checkpoint,
                started_at, foreground";
        let (first, second) = scan_group(object);
        Ok(run!(tx, |c| sqlx::query_as(SQL)
            .bind(connection_id)
            .bind(first.as_str())
            .bind(second.as_str())
            .fetch_optional(c)
            .await)?)
    }

    /// The scan that all of these syncs took part in last, if it failed on its way and its
    /// checkpoint is still sound: what it read before is less than a day old, the credentials are
    /// the same, and nobody asked to begin anew.
    async fn unfinished_scan(
        &self,
        tx: &mut Tx,
        starting: &[Candidate],
    ) -> Result<Option<UnfinishedScan>, StoreError> {
        const SQL: &str = "
            SELECT scan_id, checkpoint FROM sync_runs
            WHERE id = (SELECT max(id) FROM sync_runs WHERE sync_id = $1)
              AND resumable AND state = 'failed'";
        let mut found: Option<UnfinishedScan> = None;
        for candidate in starting {
            let last: Option<UnfinishedScan> = run!(tx, |c| sqlx::query_as(SQL)
                .bind(&candidate.id)
                .fetch_optional(c)
                .await)?;
            let Some(last) = last.filter(|_| !candidate.full_refresh) else {
                return Ok(None);
            };
            if found
                .as_ref()
                .is_some_and(|known| known.scan_id != last.scan_id)
            {
                return Ok(None);
            }
            found = Some(last);
        }
        let since = self.now() - SOUND_FOR;
        Ok(found.filter(|scan| {
            let began = scan.checkpoint.began_at;
            scan.checkpoint.next_page > 1 && began.is_some_and(|began| began > since)
        }))
    }

    /// What the failed run saw, its successor has seen.
    async fn take_over_pages(
        &self,
        tx: &mut Tx,
        failed_scan: &str,
        sync_id: &str,
        run_id: &str,
    ) -> Result<(), StoreError> {
        const SQL: &str = "
            INSERT INTO sync_run_pages (run_id, pass, page, ids, rejected, carriers)
            SELECT $1, p.pass, p.page, p.ids, p.rejected, p.carriers
            FROM sync_run_pages p JOIN sync_runs r ON r.id = p.run_id
            WHERE r.scan_id = $2 AND r.sync_id = $3";
        run!(tx, |c| sqlx::query(SQL)
            .bind(run_id)
            .bind(failed_scan)
            .bind(sync_id)
            .execute(c)
            .await
            .map(drop))?;
        Ok(())
    }

    async fn insert_run(
        &self,
        tx: &mut Tx,
        run_id: &str,
        connection_id: &str,
        sync: &Candidate,
        scan: &ActiveScan,
    ) -> Result<(), StoreError> {
        const SQL: &str = "
            INSERT INTO sync_runs
                (id, scan_id, application_id, customer_id, provider_name, connection_id, sync_id,
                 object, state, due_at, lease_owner, fence, full_refresh, checkpoint, records_read,
                 records_created, records_updated, records_unchanged, records_deleted,
                 records_rejected, requests_made, scan_rank, created_at, started_at,
                 waiting_reason, foreground)
            SELECT $1, $2, c.application_id, c.customer_id, c.provider_name, c.id, $4, $5, $6, $7,
                   $8, $9, $10, $11, 0, 0, 0, 0, 0, 0, 0, $12, $13, $14, $15, $16
            FROM connections c WHERE c.id = $3";
        let now = self.now();
        let rank = parse_object("syncs", &sync.id, &sync.object)?.scan_rank();
        run!(tx, |c| sqlx::query(SQL)
            .bind(run_id)
            .bind(&scan.scan_id)
            .bind(connection_id)
            .bind(&sync.id)
            .bind(&sync.object)
            .bind(&scan.state)
            .bind(scan.due_at)
            .bind(&scan.lease_owner)
            .bind(scan.fence)
            .bind(sync.full_refresh)
            .bind(&scan.checkpoint)
            .bind(rank)
            .bind(now)
            .bind(scan.started_at)
            .bind(&scan.waiting_reason)
            .bind(scan.foreground)
            .execute(c)
            .await
            .map(drop))?;
        Ok(())
    }

    /// A trigger doesn't move the sync's rhythm; periods that were missed are left out.
    async fn schedule_next(
        &self,
        tx: &mut Tx,
        sync: &Candidate,
        now: Time,
    ) -> Result<(), StoreError> {
        const SQL: &str = "
            UPDATE syncs SET next_run_at = $2, triggered_at = NULL, full_refresh = false
            WHERE id = $1";
        let period = TimeDelta::milliseconds(sync.period_ms);
        let in_rhythm = sync.next_run_at + period;
        let next = if sync.triggered_at.is_some() && sync.next_run_at > now {
            sync.next_run_at
        } else if in_rhythm > now && sync.next_run_at <= now {
            in_rhythm
        } else {
            // Periods were missed, or a sync that is read from the same pages was due: the two
            // keep step from now on.
            now + period
        };
        run!(tx, |c| sqlx::query(SQL)
            .bind(&sync.id)
            .bind(next)
            .execute(c)
            .await
            .map(drop))?;
        Ok(())
    }
}

/// The objects that are read from the same pages; the same one twice where it stands alone.
fn scan_group(object: Object) -> (Object, Object) {
    match object.scanned_as() {
        Object::Contact => (Object::Contact, Object::SequenceState),
        other => (other, other),
    }
}
