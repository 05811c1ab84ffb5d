//! One page, one transaction: the changed rows, the ids seen, the counters, the checkpoint and the
//! check of the lease commit together or not at all.
//!
//! The ids seen are one JSON array per page and object, not a row per id: one insert a page, and never
//! a write to a row that didn't change.

use std::collections::{BTreeMap, HashMap};

use chrono::TimeDelta;
use serde_json::{Value, json, value::RawValue};
use sqlx::types::Json;
use sqlx_macros::FromRow;
use syncline_model::{
    Checkpoint, LimitOverrides, Object, Record, Records, Rejected, Time,
    mutation::{self, Mutation},
};

use crate::{
    Store, StoreError,
    budgets::{PermitDecision, PermitRequest, Spending},
    db::{Tx, run},
    records::{Changes, Differences, Fingerprints, Origin, RefusedRecords, Way, Writing},
    scans::{Scan, lease_lost},
    syncs::parse_object,
    timestamp::at,
};

pub struct PageCommit<'a> {
    /// The pass that it belongs to, and its number in it, both from 1.
    pub pass: u32,
    pub page: u32,
    /// When it was requested.
    pub asked_at: Time,
    pub records: &'a Records,
    pub rejected: &'a [Rejected],
    /// Where the scan continues after this page.
    pub checkpoint: &'a Checkpoint,
    /// Requests that this page took, retries included.
    pub requests: i64,
    pub lease: TimeDelta,
    /// What the page's request cost.
    pub spending: &'a Spending<'a>,
    /// The request for the next page, if there is one, under the connection's current limits: it is
    /// reserved in the same transaction.
    pub next: &'a (dyn Fn(LimitOverrides) -> Option<PermitRequest<'a>> + Send + Sync),
}

/// The result of a page's transaction.
#[derive(Debug)]
pub struct PageCommitted {
    pub written: Vec<Written>,
    /// The connection's current limits, where they differ from the configuration.
    pub limits: LimitOverrides,
    pub next: Option<PermitDecision>,
}

/// What was written of one object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    pub object: Object,
    pub created: i64,
    pub updated: i64,
    pub unchanged: i64,
}

/// One object's part of a page, compared with the stored rows.
pub(crate) struct ObjectChanges {
    pub(crate) object: Object,
    pub(crate) ids: Vec<String>,
    /// `[{"id", "reason"}]`.
    pub(crate) rejected: Vec<Value>,
    pub(crate) changes: Changes,
    /// The names of fields that could not be read, with the number of records.
    pub(crate) unread: BTreeMap<String, i64>,
}

/// A run of the scan, locked for the transaction.
#[derive(FromRow)]
pub(crate) struct LockedRun {
    pub(crate) id: String,
    pub(crate) object: String,
    pub(crate) fields_unread: Json<BTreeMap<String, i64>>,
    pub(crate) limits: Option<Json<LimitOverrides>>,
}

/// Calls a generic method with an object's records of the page.
macro_rules! with_records {
    ($object:expr, $records:expr, |$own:ident| $call:expr) => {
        match ($object, $records) {
            (Object::User, Records::Users($own)) => $call,
            (Object::Mailbox, Records::Mailboxes($own)) => $call,
            (Object::Sequence, Records::Sequences($own)) => $call,
            (Object::Account, Records::Accounts($own)) => $call,
            (Object::Contact, Records::Contacts { contacts: $own, .. }) => $call,
            (
                Object::SequenceState,
                Records::Contacts { states: $own, .. } | Records::SequenceStates($own),
            ) => $call,
            (object, _) => unreachable!("the page has no {}", object.plural()),
        }
    };
}

impl Store {
    /// Writes a page. If the database refuses a record, only that record is rejected. The page is
    /// tried in the cheapest way first, which nearly always works: it fails at a refused record, and
    /// at one that a caller stored after the page was compared.
    pub async fn commit_page(
        &self,
        scan: &Scan,
        commit: &PageCommit<'_>,
    ) -> Result<PageCommitted, StoreError> {
        match self.try_page(scan, commit, Way::Copy).await {
            Err(error) if error.refuses_data() || error.stops_copy() => {
                self.try_page(scan, commit, Way::UpsertAllButRefused).await
            }
            other => other,
        }
    }

    /// Compares, checks the lease while it updates the counters, and writes what changed.
    async fn try_page(
        &self,
        scan: &Scan,
        commit: &PageCommit<'_>,
        way: Way,
    ) -> Result<PageCommitted, StoreError> {
        let mut tx = self.db.begin().await?;
        if commit.page == 1 && commit.pass == 1 {
            self.lock_leader(&mut tx, scan).await?;
        }
        let policies = self.lock_policies(&mut tx, scan).await?;
        let stored = &*policies.stored(commit.records, self.now());
        let objects = objects_of(commit.records);
        let compared: Vec<_> = objects
            .iter()
            .map(|object| with_records!(*object, stored, |records| Fingerprints::of(records)))
            .collect();
        let differences = self
            .differences(&mut tx, &scan.connection, &compared)
            .await?;
        let mut shares: Vec<_> = objects
            .iter()
            .zip(&differences)
            .map(|(object, differences)| share(*object, commit, stored, differences))
            .collect();
        let runs = self
            .update_runs_under_fence(&mut tx, scan, commit, &shares)
            .await?;
        if mutation::on(Mutation::CheckpointBeforeRows) {
            tx.commit().await?;
            tx = self.db.begin().await?;
        }
        let limits = limits_of(&runs);
        let next = (commit.next)(limits);
        let mut written = Vec::new();
        for run in &runs {
            let object = parse_object("sync_runs", &run.id, &run.object)?;
            let index = shares.iter().position(|share| share.object == object);
            let Some(index) = index else { continue };
            let writing = Writing {
                run_id: Some(&run.id),
                origin: origin_of(commit),
                way,
            };
            let (_, kept_out) = with_records!(object, stored, |records| {
                self.write_changes(
                    &mut tx,
                    &scan.connection,
                    writing,
                    records,
                    &shares[index].changes,
                )
                .await?
            });
            self.note_refused(&mut tx, run, &mut shares[index], kept_out)
                .await?;
            let share = &shares[index];
            self.note_unread(&mut tx, run, commit, share).await?;
            written.push(Written {
                object,
                created: share.changes.created,
                updated: share.changes.updated,
                unchanged: share.changes.unchanged,
            });
        }
        self.write_seen(&mut tx, scan, commit, &runs, &shares)
            .await?;
        if mutation::on(Mutation::SettleOutsideTransaction) {
            let nothing = Spending {
                records: Some(0),
                ..commit.spending.clone()
            };
            let next = self.settle_in(&mut tx, &nothing, next.as_ref()).await?;
            tx.commit().await?;
            self.settle(commit.spending).await?;
            return Ok(PageCommitted {
                written,
                limits,
                next,
            });
        }
        let next = self
            .settle_in(&mut tx, commit.spending, next.as_ref())
            .await?;
        tx.commit().await?;
        Ok(PageCommitted {
            written,
            limits,
            next,
        })
    }

    /// Corrects the counters, which counted the refused records as written.
    async fn note_refused(
        &self,
        tx: &mut Tx,
        run: &LockedRun,
        share: &mut ObjectChanges,
        kept_out: RefusedRecords,
    ) -> Result<(), StoreError> {
        const SQL: &str = "
            UPDATE sync_runs
            SET records_read = records_read - $2, records_rejected = records_rejected + $2,
                records_created = records_created - $3, records_updated = records_updated - $4
            WHERE id = $1";
        let all = len(&kept_out.records);
        if all == 0 {
            return Ok(());
        }
        let updated = all - kept_out.new;
        share.changes.created -= kept_out.new;
        share.changes.updated -= updated;
        for (id, reason) in kept_out.records {
            tracing::warn!(
                run.id,
                record.id = id,
                "a {} was rejected: {reason}",
                share.object
            );
            share.ids.retain(|seen| *seen != id);
            share.rejected.push(json!({"id": id, "reason": reason}));
        }
        run!(tx, |c| sqlx::query(SQL)
            .bind(&run.id)
            .bind(all)
            .bind(kept_out.new)
            .bind(updated)
            .execute(c)
            .await
            .map(drop))?;
        Ok(())
    }

    /// Each pass counts from zero: a later pass sees the same fields again, and may have pages that
    /// the earlier one didn't reach.
    async fn note_unread(
        &self,
        tx: &mut Tx,
        run: &LockedRun,
        commit: &PageCommit<'_>,
        share: &ObjectChanges,
    ) -> Result<(), StoreError> {
        const SQL: &str = "UPDATE sync_runs SET fields_unread = $2 WHERE id = $1";
        let mut all = if commit.page == 1 {
            BTreeMap::new()
        } else {
            run.fields_unread.0.clone()
        };
        for (name, records) in &share.unread {
            *all.entry(name.clone()).or_default() += records;
        }
        if all == run.fields_unread.0 {
            return Ok(());
        }
        run!(tx, |c| sqlx::query(SQL)
            .bind(&run.id)
            .bind(Json(&all))
            .execute(c)
            .await
            .map(drop))?;
        Ok(())
    }

    /// A run may join a scan until its first page commits, and locks the leading run to do so.
    /// Locking that row in a separate statement lets the next one see all runs that joined.
    pub(crate) async fn lock_leader(&self, tx: &mut Tx, scan: &Scan) -> Result<(), StoreError> {
        const SQL: &str = "UPDATE sync_runs SET due_at = due_at WHERE id = $1";
        run!(tx, |c| sqlx::query(SQL)
            .bind(&scan.id)
            .execute(c)
            .await
            .map(drop))?;
        Ok(())
    }

    /// Moves the checkpoint and updates the counters, checked against the scan's fence: that proves
    /// the lease and locks the runs until the end. One statement for both runs of a contact page.
    /// The lease is extended only after a third of it: it is indexed, and a page that doesn't
    /// change it updates no index.
    async fn update_runs_under_fence(
        &self,
        tx: &mut Tx,
        scan: &Scan,
        commit: &PageCommit<'_>,
        shares: &[ObjectChanges],
    ) -> Result<Vec<LockedRun>, StoreError> {
        macro_rules! sql {
            ($fence:literal) => {
                concat!(
                    "UPDATE sync_runs
            SET due_at = CASE WHEN due_at < $11 THEN $3 ELSE due_at END, checkpoint = $4, requests_made = requests_made + $5,
                records_read = records_read + COALESCE(CAST($6 ->> object AS bigint), 0),
                records_created = records_created + COALESCE(CAST($7 ->> object AS bigint), 0),
                records_updated = records_updated + COALESCE(CAST($8 ->> object AS bigint), 0),
                records_unchanged = records_unchanged + COALESCE(CAST($9 ->> object AS bigint), 0),
                records_rejected = records_rejected + COALESCE(CAST($10 ->> object AS bigint), 0)
            WHERE scan_id = $1 AND ",
                    $fence,
                    " AND state = 'running'
            RETURNING id, object, fields_unread,
                (SELECT c.limits FROM connections c WHERE c.id = sync_runs.connection_id) AS limits"
                )
            };
        }
        let sql = if mutation::on(Mutation::LeaseNotChecked) {
            sql!("fence >= $2")
        } else {
            sql!("fence = $2")
        };
        let now = self.now();
        let by_object = |count: fn(&ObjectChanges) -> i64| {
            let counts = shares
                .iter()
                .map(|share| (share.object.as_str(), count(share)));
            Json(counts.collect::<BTreeMap<_, _>>())
        };
        let mut runs: Vec<LockedRun> = run!(tx, |c| {
            let mut query = sqlx::query_as(sql)
                .bind(&scan.id)
                .bind(scan.lease.fence)
                .bind(at(now + commit.lease))
                .bind(Json(commit.checkpoint))
                .bind(commit.requests);
            for count in [
                (|share| len(&share.ids)) as fn(&ObjectChanges) -> i64,
                |share| share.changes.created,
                |share| share.changes.updated,
                |share| share.changes.unchanged,
                |share| len(&share.rejected),
            ] {
                query = query.bind(by_object(count));
            }
            query = query.bind(at(now + commit.lease * 2 / 3));
            query.fetch_all(c).await
        })?;
        if runs.is_empty() {
            return Err(lease_lost(scan));
        }
        runs.sort_by(|a, b| a.object.cmp(&b.object));
        Ok(runs)
    }

    /// The stored provider JSON of some of a connection's records, by id.
    pub async fn raw_data(
        &self,
        scan: &Scan,
        object: Object,
        ids: &[String],
    ) -> Result<HashMap<String, Box<RawValue>>, StoreError> {
        self.raw_data_of(&scan.connection, object, ids).await
    }
}

/// The limits that their connection sets.
fn limits_of(runs: &[LockedRun]) -> LimitOverrides {
    let limits = runs.first().and_then(|run| run.limits.as_ref());
    limits.map(|limits| limits.0).unwrap_or_default()
}

fn origin_of(commit: &PageCommit<'_>) -> Origin {
    Origin::Page {
        asked_at: commit.asked_at,
    }
}

/// The objects that a page has records of.
pub(crate) fn objects_of(records: &Records) -> &'static [Object] {
    match records {
        Records::Users(_) => &[Object::User],
        Records::Mailboxes(_) => &[Object::Mailbox],
        Records::Sequences(_) => &[Object::Sequence],
        Records::Accounts(_) => &[Object::Account],
        Records::Contacts { .. } => &[Object::Contact, Object::SequenceState],
        Records::SequenceStates(_) => &[Object::SequenceState],
    }
}

/// A record of which nothing is stored was read all the same, and counts as unchanged.
fn share(
    object: Object,
    commit: &PageCommit<'_>,
    stored: &Records,
    differences: &Differences,
) -> ObjectChanges {
    let origin = origin_of(commit);
    let ids = with_records!(object, commit.records, |records| ids_of(records));
    let (num_stored, mut changes) = with_records!(object, stored, |records| (
        len(records),
        Changes::of(records, differences, origin)
    ));
    changes.unchanged += len(&ids) - num_stored;
    let rejected = commit
        .rejected
        .iter()
        .filter(|rejected| rejected.object == object)
        .map(|rejected| json!({"id": rejected.id, "reason": rejected.reason}))
        .collect();
    let unread = with_records!(object, commit.records, |records| unread_of(records));
    ObjectChanges {
        object,
        ids,
        rejected,
        changes,
        unread,
    }
}

fn unread_of<T>(records: &[Record<T>]) -> BTreeMap<String, i64> {
    let mut unread = BTreeMap::new();
    for name in records.iter().flat_map(|record| &record.unread) {
        *unread.entry(name.clone()).or_default() += 1;
    }
    unread
}

fn ids_of<T>(records: &[Record<T>]) -> Vec<String> {
    records.iter().map(|record| record.id.clone()).collect()
}

fn len<T>(list: &[T]) -> i64 {
    i64::try_from(list.len()).unwrap_or(i64::MAX)
}
