//! One page, one transaction: the changed rows, the ids seen, the counters, the checkpoint and the
//! proof that the lease still holds commit together or not at all.

use std::collections::HashMap;

use chrono::TimeDelta;
use serde_json::{Value, json, value::RawValue};
use sqlx::{FromRow, types::Json};
use syncline_model::{Checkpoint, Object, Record, Records, Rejected};

use crate::{
    Store, StoreError,
    db::{Tx, run},
    records::{Table, Written},
    scans::{Scan, lease_lost},
    syncs::parse_object,
};

pub struct PageCommit<'a> {
    /// The number of the page, from 1.
    pub page: u32,
    pub records: &'a Records,
    pub rejected: &'a [Rejected],
    /// Where the scan goes on after this page.
    pub checkpoint: &'a Checkpoint,
    /// Requests that this page took, retries included.
    pub requests: i64,
    pub lease: TimeDelta,
}

/// What a page's transaction wrote of one object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageCommitted {
    pub object: Object,
    pub created: i64,
    pub updated: i64,
    pub unchanged: i64,
}

/// A run of the scan, locked for the transaction.
#[derive(FromRow)]
struct HeldRun {
    id: String,
    sync_id: String,
    object: String,
}

impl Store {
    pub async fn commit_page(
        &self,
        scan: &Scan,
        commit: &PageCommit<'_>,
    ) -> Result<Vec<PageCommitted>, StoreError> {
        let mut tx = self.db.begin().await?;
        let mut committed = Vec::new();
        for run in self.hold_runs(&mut tx, scan, commit).await? {
            let object = parse_object("sync_runs", &run.id, &run.object)?;
            let page = self
                .write_object(&mut tx, scan, &run, object, commit)
                .await?;
            self.write_seen(&mut tx, &run, commit, &page).await?;
            self.count_page(&mut tx, &run, commit, &page).await?;
            committed.push(PageCommitted {
                object,
                created: page.written.created,
                updated: page.written.updated,
                unchanged: page.written.unchanged,
            });
        }
        tx.commit().await?;
        Ok(committed)
    }

    /// Moves the checkpoint, which proves the lease and locks the runs until the end.
    async fn hold_runs(
        &self,
        tx: &mut Tx,
        scan: &Scan,
        commit: &PageCommit<'_>,
    ) -> Result<Vec<HeldRun>, StoreError> {
        const SQL: &str = "
            UPDATE sync_runs SET due_at = $3, checkpoint = $4
            WHERE scan_id = $1 AND fence = $2 AND state = 'running'
            RETURNING id, sync_id, object";
        if commit.page == 1 {
            self.let_runs_join(tx, scan).await?;
        }
        let lease_until = self.now() + commit.lease;
        let mut runs: Vec<HeldRun> = run!(tx, |c| sqlx::query_as(SQL)
            .bind(&scan.id)
            .bind(scan.lease.fence)
            .bind(lease_until)
            .bind(Json(commit.checkpoint))
            .fetch_all(c)
            .await)?;
        if runs.is_empty() {
            return Err(lease_lost(scan));
        }
        runs.sort_by(|a, b| a.object.cmp(&b.object));
        Ok(runs)
    }

    /// A run may join a scan until its first page commits, and locks the leading run to do so.
    /// Waiting for that lock in a statement of its own lets the next one see whoever joined.
    async fn let_runs_join(&self, tx: &mut Tx, scan: &Scan) -> Result<(), StoreError> {
        const SQL: &str = "UPDATE sync_runs SET due_at = due_at WHERE id = $1";
        run!(tx, |c| sqlx::query(SQL)
            .bind(&scan.id)
            .execute(c)
            .await
            .map(drop))?;
        Ok(())
    }

    /// Writes the page's records of one object.
    async fn write_object(
        &self,
        tx: &mut Tx,
        scan: &Scan,
        run: &HeldRun,
        object: Object,
        commit: &PageCommit<'_>,
    ) -> Result<ObjectPage, StoreError> {
        let rejected: Vec<_> = commit
            .rejected
            .iter()
            .filter(|rejected| rejected.object == object)
            .collect();
        let mut page = match (object, commit.records) {
            (Object::User, Records::Users(records)) => {
                self.write_page(tx, scan, run, records).await?
            }
            (Object::Mailbox, Records::Mailboxes(records)) => {
                self.write_page(tx, scan, run, records).await?
            }
            (Object::Sequence, Records::Sequences(records)) => {
                self.write_page(tx, scan, run, records).await?
            }
            (Object::Account, Records::Accounts(records)) => {
                self.write_page(tx, scan, run, records).await?
            }
            (Object::Contact, Records::Contacts { contacts, .. }) => {
                self.write_page(tx, scan, run, contacts).await?
            }
            (Object::SequenceState, Records::Contacts { states, .. }) => {
                self.write_page(tx, scan, run, states).await?
            }
            (object, _) => unreachable!(
                "a page of {} has no {}",
                scan.object.plural(),
                object.plural()
            ),
        };
        page.rejected = rejected
            .iter()
            .map(|rejected| json!({"id": rejected.id, "reason": rejected.reason}))
            .collect();
        Ok(page)
    }

    async fn write_page<T: Table>(
        &self,
        tx: &mut Tx,
        scan: &Scan,
        run: &HeldRun,
        records: &[Record<T>],
    ) -> Result<ObjectPage, StoreError> {
        let written = self
            .write_records(tx, &scan.connection, &run.sync_id, records)
            .await?;
        Ok(ObjectPage {
            ids: records.iter().map(|record| record.id.clone()).collect(),
            rejected: Vec::new(),
            written,
        })
    }

    /// A record that was kept out but has an id was seen all the same.
    async fn write_seen(
        &self,
        tx: &mut Tx,
        run: &HeldRun,
        commit: &PageCommit<'_>,
        page: &ObjectPage,
    ) -> Result<(), StoreError> {
        const SQL: &str = "
            INSERT INTO sync_run_pages (run_id, page, ids, rejected) VALUES ($1, $2, $3, $4)";
        let rejected_ids = page
            .rejected
            .iter()
            .filter_map(|rejected| rejected["id"].as_str());
        let ids: Vec<&str> = page
            .ids
            .iter()
            .map(String::as_str)
            .chain(rejected_ids)
            .collect();
        let rejected = (!page.rejected.is_empty()).then_some(Json(&page.rejected));
        run!(tx, |c| sqlx::query(SQL)
            .bind(&run.id)
            .bind(i64::from(commit.page))
            .bind(Json(&ids))
            .bind(rejected)
            .execute(c)
            .await
            .map(drop))?;
        Ok(())
    }

    async fn count_page(
        &self,
        tx: &mut Tx,
        run: &HeldRun,
        commit: &PageCommit<'_>,
        page: &ObjectPage,
    ) -> Result<(), StoreError> {
        const SQL: &str = "
            UPDATE sync_runs
            SET records_read = records_read + $2, records_created = records_created + $3,
                records_updated = records_updated + $4, records_unchanged = records_unchanged + $5,
                records_rejected = records_rejected + $6, requests_made = requests_made + $7
            WHERE id = $1";
        let count = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
        run!(tx, |c| sqlx::query(SQL)
            .bind(&run.id)
            .bind(count(page.ids.len()))
            .bind(page.written.created)
            .bind(page.written.updated)
            .bind(page.written.unchanged)
            .bind(count(page.rejected.len()))
            .bind(commit.requests)
            .execute(c)
            .await
            .map(drop))?;
        Ok(())
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

/// What one object's share of a page came to.
struct ObjectPage {
    ids: Vec<String>,
    rejected: Vec<Value>,
    written: Written,
}
