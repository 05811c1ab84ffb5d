//! The end of a scan for the rows that it didn't see: deleted if that is proven, held if too many
//! at once, otherwise still missing.
//!
//! `model::sweep` decides what happens to a row. This file reads the evidence that `missing`
//! recorded and writes the results, in the transaction that ends the run.

use std::collections::{BTreeMap, HashSet};

use sqlx::AssertSqlSafe;
use sqlx_macros::FromRow;
use syncline_model::{
    FullRead, LookupOutcome, MissingRow, Object, SweepDecision, Time, Verdict,
    sweep::needs_approval,
};

use crate::{
    Store, StoreError,
    db::{Tx, run},
    endings::{Absence, Ending},
    history::HistoryEntry,
    key_set::KeySet,
    lookups::LOOKUP_TTL,
    records::INDEX_LAG,
    scans::{Scan, ScanRun, lease_lost},
    timestamp::at,
};

/// The results of a run's sweep.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Swept {
    pub(crate) deleted: i64,
    pub(crate) held: i64,
    pub(crate) missing: i64,
}

#[derive(FromRow)]
struct MissingColumns {
    record_id: String,
    complete_misses: i64,
    forbidden_misses: i64,
    lookup: Option<String>,
    lookup_reason: Option<String>,
    /// The provider has said that it is gone, possibly a while ago.
    was_gone: bool,
    /// The record that contains it is marked as deleted.
    carrier_deleted: bool,
    /// The deletion of the record that contains it waits for approval.
    carrier_held: bool,
}

impl Store {
    /// Marks rows as deleted that are proven to be gone, or holds them for approval.
    pub(crate) async fn sweep(
        &self,
        tx: &mut Tx,
        scan: &Scan,
        ending: &Ending,
        verdict: Verdict,
        _full: FullRead,
    ) -> Result<Swept, StoreError> {
        let run = &ending.run;
        let is_complete = verdict == Verdict::Complete;
        let empty_answer = ending.empty_answer && is_complete;
        let is_forbidden = ending.absence == Absence::ProvesGoneIfForbidden;
        self.count_misses(tx, scan, run, is_complete, is_forbidden)
            .await?;
        let missing = self.missing_rows(tx, scan, run).await?;
        if missing.is_empty() {
            return Ok(Swept::default());
        }
        let proof = Proof {
            absence: ending.absence,
            goes_with_carrier: run.is_carried(),
            some_are_hidden: missing
                .iter()
                .any(|row| row.lookup.as_deref() == Some("hidden")),
        };
        let (deletable, held_along) = deletable(&missing, proof, verdict, empty_answer);
        let left = count(missing.len());
        let live = self.live_rows(tx, scan, run.object).await?;
        let approval_candidates = approval_candidates(&missing, &deletable, proof, verdict);
        if needs_approval(count(approval_candidates.len()), live, empty_answer) {
            self.hold(tx, scan, run, &approval_candidates).await?;
            tracing::warn!(
                "run {} would delete {} of {live} {} and waits for approval: check \
                 the provider, then POST /mgmt/v2/sync-runs/{}/_apply_deletes, or wait for the \
                 records to come back",
                run.id,
                approval_candidates.len(),
                run.object.plural(),
                run.id
            );
            return Ok(Swept {
                deleted: 0,
                held: count(approval_candidates.len()) + held_along,
                missing: left,
            });
        }
        Ok(Swept {
            deleted: self.delete_proven(tx, scan, run, &deletable).await?,
            held: held_along,
            missing: left - count(deletable.len()),
        })
    }

    /// Marks rows as deleted that are proven to be gone so far, before a scan waits: the lookups'
    /// results would expire meanwhile. Does nothing if the rows still to be looked up could make it
    /// too many at once.
    pub async fn sweep_so_far(&self, scan: &Scan, runs: &[ScanRun]) -> Result<(), StoreError> {
        const COUNT: &str = "
            UPDATE sync_runs SET records_deleted = records_deleted + $3
            WHERE id = $1 AND fence = $2 AND state = 'running'";
        let mut tx = self.db.begin().await?;
        self.lock_runs(&mut tx, scan).await?;
        for run in runs {
            let missing = self.missing_rows(&mut tx, scan, run).await?;
            let is_proven = |row: &&MissingColumns| {
                row.carrier_deleted || (!row.carrier_held && row.lookup.as_deref() == Some("gone"))
            };
            let proven: Vec<(&MissingColumns, String)> = missing
                .iter()
                .filter(is_proven)
                .map(|row| (row, row.stated_reason()))
                .collect();
            let hidden = |row: &&MissingColumns| row.lookup.as_deref() == Some("hidden");
            let at_stake = missing.len() - missing.iter().filter(hidden).count();
            if proven.is_empty() {
                continue;
            }
            let live = self.live_rows(&mut tx, scan, run.object).await?;
            if needs_approval(count(at_stake), live, false) {
                continue;
            }
            let deleted = self.delete_proven(&mut tx, scan, run, &proven).await?;
            let counted = run!(tx, |c| sqlx::query(COUNT)
                .bind(&run.id)
                .bind(scan.lease.fence)
                .bind(deleted)
                .execute(c)
                .await?
                .rows_affected());
            if counted == 0 {
                return Err(lease_lost(scan));
            }
        }
        Ok(tx.commit().await?)
    }

    /// Locks the scan's runs, which are locked before the feed, and proves the lease.
    async fn lock_runs(&self, tx: &mut Tx, scan: &Scan) -> Result<(), StoreError> {
        const SQL: &str = "
            UPDATE sync_runs SET due_at = due_at
            WHERE scan_id = $1 AND fence = $2 AND state = 'running'";
        let locked = run!(tx, |c| sqlx::query(SQL)
            .bind(&scan.id)
            .bind(scan.lease.fence)
            .execute(c)
            .await?
            .rows_affected());
        if locked == 0 {
            return Err(lease_lost(scan));
        }
        Ok(())
    }

    async fn delete_proven(
        &self,
        tx: &mut Tx,
        scan: &Scan,
        run: &ScanRun,
        deletable: &[(&MissingColumns, String)],
    ) -> Result<i64, StoreError> {
        let mut by_reason: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (row, reason) in deletable {
            by_reason.entry(reason).or_default().push(&row.record_id);
        }
        if by_reason.is_empty() {
            return Ok(0);
        }
        let stamp = self.take_stamp(tx, &scan.connection.connection_id).await?;
        let mut deleted = 0;
        for (reason, ids) in by_reason {
            deleted += self
                .delete_rows(tx, scan, run, (stamp, reason), &ids)
                .await?;
        }
        Ok(deleted)
    }

    /// Completes the numbers of misses in a row, which the beginning of the sweep has counted. If
    /// lookups found missing records, the pass was disturbed: its misses don't count as complete.
    async fn count_misses(
        &self,
        tx: &mut Tx,
        scan: &Scan,
        run: &ScanRun,
        is_complete: bool,
        lookups_forbidden: bool,
    ) -> Result<(), StoreError> {
        const SQL: &str = "
            UPDATE missing_records
            SET complete_misses = CASE WHEN $4 THEN complete_misses ELSE 0 END,
                forbidden_misses = CASE WHEN $5 THEN forbidden_misses + 1 ELSE 0 END
            WHERE connection_id = $1 AND object = $2 AND last_missed_by = $3
              AND ($5 OR forbidden_misses > 0 OR (complete_misses > 0 AND NOT $4))";
        run!(tx, |c| sqlx::query(SQL)
            .bind(&scan.connection.connection_id)
            .bind(run.object.as_str())
            .bind(&run.id)
            .bind(is_complete)
            .bind(is_complete && lookups_forbidden)
            .execute(c)
            .await
            .map(drop))?;
        Ok(())
    }

    async fn missing_rows(
        &self,
        tx: &mut Tx,
        scan: &Scan,
        run: &ScanRun,
    ) -> Result<Vec<MissingColumns>, StoreError> {
        // Only rows that this run missed: it may not have reached the others.
        macro_rules! lookup {
            () => {
                // "Gone" counts only if this run was told so, recently. Times written by a clock
                // that was ahead are unknown and don't count.
                "CASE WHEN m.lookup = 'gone'
                           AND (m.looked_up_by <> $3 OR m.looked_up_at < $4 OR m.looked_up_at > $5)
                      THEN NULL ELSE m.lookup END AS lookup, m.lookup_reason,
                 COALESCE(m.lookup = 'gone', false) AS was_gone,"
            };
        }
        const ALONE: &str = concat!(
            "SELECT m.record_id, m.complete_misses, m.forbidden_misses, ",
            lookup!(),
            "
                   false AS carrier_deleted, false AS carrier_held
            FROM missing_records m
            WHERE m.connection_id = $1 AND m.object = $2 AND m.last_missed_by = $3
            ORDER BY m.record_id"
        );
        const CARRIED: &str = concat!(
            "SELECT m.record_id, m.complete_misses, m.forbidden_misses, ",
            lookup!(),
            "
                   COALESCE(carrier.is_deleted, false) AS carrier_deleted,
                   EXISTS (
                      SELECT 1 FROM missing_records h
                      WHERE h.connection_id = $1 AND h.object = 'contact'
                        AND h.record_id = own.contact_id AND h.held_since IS NOT NULL)
                   AS carrier_held
            FROM missing_records m
            JOIN engagement_sequence_states own
              ON own.application_id = $6 AND own.customer_id = $7 AND own.provider_name = $8
             AND own.id = m.record_id
            LEFT JOIN engagement_contacts carrier
              ON carrier.application_id = $6 AND carrier.customer_id = $7
             AND carrier.provider_name = $8 AND carrier.id = own.contact_id
            WHERE m.connection_id = $1 AND m.object = $2 AND m.last_missed_by = $3
            ORDER BY m.record_id"
        );
        let connection = &scan.connection;
        let sql = if run.is_carried() { CARRIED } else { ALONE };
        let now = self.now();
        Ok(run!(tx, |c| {
            let query = sqlx::query_as(sql)
                .bind(&connection.connection_id)
                .bind(run.object.as_str())
                .bind(&run.id)
                .bind(at(now - LOOKUP_TTL))
                .bind(at(self.latest_stamp()));
            if sql == CARRIED {
                query
                    .bind(&connection.application_id)
                    .bind(&connection.customer_id)
                    .bind(connection.provider.as_str())
                    .fetch_all(c)
                    .await
            } else {
                query.fetch_all(c).await
            }
        })?)
    }

    async fn live_rows(&self, tx: &mut Tx, scan: &Scan, object: Object) -> Result<i64, StoreError> {
        let sql = format!(
            "SELECT count(*) FROM {}
             WHERE customer_id = $1 AND connection_id = $2 AND NOT is_deleted",
            object.table()
        );
        Ok(run!(tx, |c| sqlx::query_scalar(AssertSqlSafe(sql))
            .bind(&scan.connection.customer_id)
            .bind(&scan.connection.connection_id)
            .fetch_one(c)
            .await)?)
    }

    async fn hold(
        &self,
        tx: &mut Tx,
        scan: &Scan,
        run: &ScanRun,
        ids: &[&str],
    ) -> Result<(), StoreError> {
        const SQL: &str = "
            UPDATE missing_records SET held_since = $4
            WHERE connection_id = $1 AND object = $2 AND held_since IS NULL
              AND record_id IN (SELECT key FROM json_each($3))
            RETURNING record_id";
        let held: Vec<String> = run!(tx, |c| sqlx::query_scalar(SQL)
            .bind(&scan.connection.connection_id)
            .bind(run.object.as_str())
            .bind(KeySet::new(ids))
            .bind(&run.id)
            .fetch_all(c)
            .await)?;
        let held: Vec<&str> = held.iter().map(String::as_str).collect();
        let entry = HistoryEntry::new("held", "too many deletions at once, waiting for approval");
        self.write_history(tx, &scan.connection, run.object, &run.id, &held, &entry)
            .await
    }

    async fn delete_rows(
        &self,
        tx: &mut Tx,
        scan: &Scan,
        run: &ScanRun,
        (stamp, reason): (Time, &str),
        ids: &[&str],
    ) -> Result<i64, StoreError> {
        let written = self.now() - INDEX_LAG;
        let marked = self
            .mark_deleted(
                tx,
                &scan.connection,
                (run.object, stamp),
                ids,
                Some(written),
            )
            .await?;
        let marked: Vec<&str> = marked.iter().map(String::as_str).collect();
        let entry = HistoryEntry::new("deleted", reason);
        self.write_history(tx, &scan.connection, run.object, &run.id, &marked, &entry)
            .await?;
        Ok(i64::try_from(marked.len()).unwrap_or(i64::MAX))
    }
}

/// When two reads without a row prove that it is gone.
#[derive(Clone, Copy)]
struct Proof {
    absence: Absence,
    /// The records are part of others, which have their own lookups.
    goes_with_carrier: bool,
    /// The provider hides some records from the key.
    some_are_hidden: bool,
}

impl Proof {
    /// Only a lookup can decide about the row, and there is none yet.
    fn needs_lookup(self, row: &MissingColumns) -> bool {
        let proves_nothing = self.absence == Absence::ProvesNothing;
        (self.some_are_hidden || proves_nothing) && row.lookup.is_none()
    }

    fn misses(self, row: &MissingColumns) -> i64 {
        match self.absence {
            Absence::ProvesGoneIfForbidden => row.forbidden_misses,
            Absence::ProvesGone | Absence::ProvesNothing => row.complete_misses,
        }
    }
}

/// The rows that a run may delete, with the reasons, and how many more are held together with the
/// records that contain them.
fn deletable(
    missing: &[MissingColumns],
    proof: Proof,
    verdict: Verdict,
    empty_answer: bool,
) -> (Vec<(&MissingColumns, String)>, i64) {
    let mut held_along = 0;
    let mut deletable = Vec::new();
    for row in missing {
        let reason = if row.carrier_deleted {
            Some(row.stated_reason())
        } else if row.carrier_held {
            held_along += 1;
            None
        } else if empty_answer {
            Some("the provider returned no records".to_owned())
        } else if proof.needs_lookup(row) {
            None
        } else {
            row.reason_to_delete(verdict, proof.misses(row))
        };
        deletable.extend(reason.map(|reason| (row, reason)));
    }
    (deletable, held_along)
}

/// The rows that this run or the next one like it would delete. They are held together, so that a
/// person sees all of them at once instead of in parts.
fn approval_candidates<'m>(
    missing: &'m [MissingColumns],
    deletable: &[(&'m MissingColumns, String)],
    proof: Proof,
    verdict: Verdict,
) -> Vec<&'m str> {
    let may_follow =
        verdict == Verdict::Complete && !proof.some_are_hidden && !proof.goes_with_carrier;
    let is_doomed: HashSet<&str> = deletable
        .iter()
        .map(|(row, _)| row.record_id.as_str())
        .collect();
    missing
        .iter()
        .filter(|row| {
            is_doomed.contains(row.record_id.as_str())
                || (row.is_undecided() && (row.was_gone || may_follow))
        })
        .map(|row| row.record_id.as_str())
        .collect()
}

fn count(n: usize) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

impl MissingColumns {
    /// Another read without it may prove that it is gone.
    fn is_undecided(&self) -> bool {
        matches!(self.lookup.as_deref(), None | Some("another"))
    }

    /// The reason for its deletion that doesn't depend on the run's verdict.
    fn stated_reason(&self) -> String {
        if self.carrier_deleted {
            return "its contact was deleted".to_owned();
        }
        self.lookup_reason.clone().unwrap_or_default()
    }

    fn reason_to_delete(&self, verdict: Verdict, misses: i64) -> Option<String> {
        let lookup = self.lookup.as_deref();
        let row = MissingRow {
            complete_misses: misses,
            lookup: lookup.and_then(|word| LookupOutcome::parse(word, self.lookup_reason.clone())),
        };
        match row.fate(verdict) {
            SweepDecision::Delete(reason) => Some(reason),
            SweepDecision::Keep => None,
        }
    }
}
