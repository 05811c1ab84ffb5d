//! What runs have seen: the ids on each page, and how long they are kept.

use std::collections::{BTreeMap, HashSet};

use chrono::TimeDelta;
use serde::Serialize;
use serde_json::Value;
use sqlx::types::Json;
use syncline_model::{Object, SeenCount};

use crate::{
    Store, StoreError,
    carriers::Carriers,
    db::{Tx, run},
    key_set::KeySet,
    pages::{LockedRun, ObjectChanges, PageCommit},
    scans::{Scan, ScanRun},
    timestamp::at,
};

/// How long pages of earlier runs are kept while no later run has seen everything.
const PAGES_KEPT_FOR: TimeDelta = TimeDelta::days(7);

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

/// The ids on each page of a pass.
#[derive(Debug)]
pub struct PagesRead {
    /// The key under which they are digests ([`digested_id`](crate::digested_id)), if they are.
    pub key: Option<String>,
    pub pages: Vec<Vec<String>>,
}

/// The pass, the ids on a page, the rejected records, and the ids of the records that contained the
/// page's own.
type SeenPage = (
    i64,
    Json<Vec<String>>,
    Option<Json<Vec<Value>>>,
    Option<Json<Carriers>>,
);

/// What is written of a page for one run. Nothing is `null`: on SQLite that would be JSON.
#[derive(Serialize)]
struct SeenIds<'a> {
    ids: Vec<&'a str>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    rejected: &'a [Value],
    #[serde(skip_serializing_if = "Option::is_none")]
    carriers: Option<Carriers>,
}

impl<'a> SeenIds<'a> {
    fn of(share: &'a ObjectChanges, carriers: Option<Carriers>) -> Self {
        let ids = share.ids.iter().map(String::as_str);
        let rejected = share.rejected.iter();
        Self {
            ids: ids
                .chain(rejected.filter_map(|rejected| rejected["id"].as_str()))
                .collect(),
            rejected: &share.rejected,
            carriers,
        }
    }
}

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
    /// Writes the ids on a page, for each of the scan's runs. A rejected record that has an id counts
    /// as seen.
    pub(crate) async fn write_seen(
        &self,
        tx: &mut Tx,
        scan: &Scan,
        commit: &PageCommit<'_>,
        runs: &[LockedRun],
        shares: &[ObjectChanges],
    ) -> Result<(), StoreError> {
        const SQL: &str = "
            INSERT INTO sync_run_pages (run_id, pass, page, ids, rejected, carriers)
            SELECT key, $2, $3, value -> 'ids', value -> 'rejected', value -> 'carriers'
            FROM json_each($1)";
        let mut seen = BTreeMap::new();
        for run in runs {
            let of_run = |share: &&ObjectChanges| share.object.as_str() == run.object;
            let Some(share) = shares.iter().find(of_run) else {
                continue;
            };
            let carriers = match carriers(shares, runs, scan.object, share.object) {
                Some(ids) => Some(self.digested(tx, run, ids).await?),
                None => None,
            };
            seen.insert(run.id.as_str(), SeenIds::of(share, carriers));
        }
        run!(tx, |c| sqlx::query(SQL)
            .bind(KeySet::with_values(&seen))
            .bind(i64::from(commit.pass))
            .bind(i64::from(commit.page))
            .execute(c)
            .await
            .map(drop))?;
        Ok(())
    }

    /// Digests of their ids: the carriers are not synced, and nothing else is stored of them. All
    /// pages of a run have the same key, also those that it took over from a failed one.
    async fn digested(
        &self,
        tx: &mut Tx,
        run: &LockedRun,
        ids: &[String],
    ) -> Result<Carriers, StoreError> {
        const FIRST: &str = "
            SELECT carriers FROM sync_run_pages
            WHERE run_id = $1 AND carriers IS NOT NULL ORDER BY pass, page LIMIT 1";
        let first: Option<Json<Carriers>> = run!(tx, |c| sqlx::query_scalar(FIRST)
            .bind(&run.id)
            .fetch_optional(c)
            .await)?;
        let key = first.as_ref().and_then(|it| it.0.key());
        Ok(Carriers::Ids(ids.to_vec()).digested(key.unwrap_or(&run.id)))
    }

    /// The ids on each page of the scan's newest pass, with the key under which they are digests, if
    /// they are.
    pub async fn pages_read(&self, scan: &Scan) -> Result<PagesRead, StoreError> {
        // If the scanned object has no run of its own, its records are stored as the carriers of
        // those that it contained.
        const SQL: &str = "
            SELECT CASE r.object WHEN $3 THEN p.ids ELSE p.carriers END
            FROM sync_runs r JOIN sync_run_pages p ON p.run_id = r.id
            WHERE r.scan_id = $1 AND p.pass = $2 AND (r.object = $3 OR p.carriers IS NOT NULL)
            ORDER BY p.page";
        let mut reader = self.db.read().await?;
        let pages: Vec<Json<Carriers>> = run!(reader, |c| sqlx::query_scalar(SQL)
            .bind(&scan.id)
            .bind(i64::from(scan.checkpoint.pass))
            .bind(scan.object.as_str())
            .fetch_all(c)
            .await)?;
        Ok(PagesRead {
            key: pages.iter().find_map(|it| it.0.key().map(str::to_owned)),
            pages: pages.into_iter().map(|it| it.0.into_stored()).collect(),
        })
    }

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
                carriers.add(carried_by.as_ref().map_or(&[], |it| it.0.stored()));
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

    /// Once a run has seen everything, the pages of earlier runs are of no use, except for their
    /// rejected records. A capped run keeps them for a while: they can show when a record beyond
    /// the limit was last seen.
    pub(crate) async fn delete_older_pages(
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
}

/// The records that contained an object's own, if no other run of the scan stores them.
fn carriers<'s>(
    shares: &'s [ObjectChanges],
    runs: &[LockedRun],
    carrier: Object,
    object: Object,
) -> Option<&'s [String]> {
    let kept = carrier == object || runs.iter().any(|run| run.object == carrier.as_str());
    let share = shares.iter().find(|share| share.object == carrier)?;
    (!kept).then_some(&share.ids)
}
