//! What enrichment knows of a person: the entries of a customer's jobs, their answers, and what came
//! before an answer.

use sqlx::{AssertSqlSafe, types::Json};
use sqlx_macros::FromRow;

use super::{Erasure, person::Person};
use crate::{
    Connection, Store, StoreError,
    db::{Db, Tx, run},
    key_set::KeySet,
    retry::with_retry,
};

#[derive(FromRow)]
struct JobOfCustomer {
    id: String,
    is_active: bool,
}

#[derive(FromRow)]
struct Entry {
    position: i64,
    status: String,
    cells: Option<Json<Vec<String>>>,
    answer_id: Option<String>,
}

impl Store {
    /// Jobs that are at work are left alone and named: their answers are still to come.
    pub(super) async fn erase_results(
        &self,
        connection: &Connection,
        person: &Person,
        erasure: &mut Erasure,
    ) -> Result<(), StoreError> {
        const JOBS: &str = "
            SELECT id, state IN ('queued', 'running', 'waiting') AS is_active
            FROM enrichment_jobs WHERE connection_id = $1 ORDER BY id";
        let mut reader = self.db.read().await?;
        let jobs: Vec<JobOfCustomer> = run!(reader, |c| sqlx::query_as(JOBS)
            .bind(&connection.id)
            .fetch_all(c)
            .await)?;
        drop(reader);
        for job in jobs {
            let entries = with_retry(|| self.erase_entries(&job, person)).await?;
            if job.is_active && entries > 0 {
                erasure.jobs_at_work.push(job.id);
            } else {
                erasure.enrichment_items += entries;
            }
        }
        Ok(())
    }

    /// How many entries of the job are about the person. They are erased, unless the job is at work.
    async fn erase_entries(&self, job: &JobOfCustomer, person: &Person) -> Result<u64, StoreError> {
        let mut tx = self.db.begin().await?;
        let entries = self.entries_about(&mut tx, &job.id, person).await?;
        if job.is_active {
            tx.rollback().await?;
            return Ok(entries.len() as u64);
        }
        self.erase_early(&mut tx, &job.id, person).await?;
        for entry in &entries {
            self.erase_entry(&mut tx, &job.id, entry).await?;
        }
        tx.commit().await?;
        Ok(entries.len() as u64)
    }

    async fn entries_about(
        &self,
        tx: &mut Tx,
        job_id: &str,
        person: &Person,
    ) -> Result<Vec<Entry>, StoreError> {
        let sql = format!(
            "SELECT i.position, i.status, i.cells, i.answer_id
             FROM enrichment_items i LEFT JOIN enrichment_answers a ON a.id = i.answer_id
             WHERE i.job_id = $1 AND {} ORDER BY i.position",
            self.tells(&["i.lead", "i.cells", "i.ref", "a.enriched", "a.raw_data"])
        );
        Ok(run!(tx, |c| sqlx::query_as(AssertSqlSafe(sql))
            .bind(job_id)
            .bind(KeySet::new(&person.identities()))
            .fetch_all(c)
            .await)?)
    }

    async fn erase_early(
        &self,
        tx: &mut Tx,
        job_id: &str,
        person: &Person,
    ) -> Result<(), StoreError> {
        let sql = format!(
            "DELETE FROM enrichment_early
             WHERE batch_id IN (SELECT id FROM enrichment_batches WHERE job_id = $1) AND {}",
            self.tells(&["provider_id", "answer"])
        );
        Ok(run!(tx, |c| sqlx::query(AssertSqlSafe(sql))
            .bind(job_id)
            .bind(KeySet::new(&person.identities()))
            .execute(c)
            .await
            .map(drop))?)
    }

    /// The entry keeps its place in the list. Its answer is removed, unless another customer's list
    /// has it too.
    async fn erase_entry(
        &self,
        tx: &mut Tx,
        job_id: &str,
        entry: &Entry,
    ) -> Result<(), StoreError> {
        const ERASE: &str = "
            UPDATE enrichment_items
            SET ref = NULL, lead = $3, cells = $4, question = NULL, status = 'failed',
                answer_id = NULL, error = 'it was erased'
            WHERE job_id = $1 AND position = $2";
        const ANSWER: &str = "
            DELETE FROM enrichment_answers WHERE id = $1
              AND NOT EXISTS (SELECT 1 FROM enrichment_items i WHERE i.answer_id = $1)";
        let cells = entry.cells.as_ref();
        let cells = cells.map(|cells| Json(vec![String::new(); cells.len()]));
        run!(tx, |c| sqlx::query(ERASE)
            .bind(job_id)
            .bind(entry.position)
            .bind(Json(serde_json::json!({})))
            .bind(&cells)
            .execute(c)
            .await
            .map(drop))?;
        self.count_erased(tx, job_id, &entry.status).await?;
        run!(tx, |c| sqlx::query(ANSWER)
            .bind(&entry.answer_id)
            .execute(c)
            .await
            .map(drop))?;
        Ok(())
    }

    /// A condition: one of the columns has one of the keys in `$2`, which are in lower case.
    fn tells(&self, columns: &[&str]) -> String {
        let position = match &self.db {
            Db::Pg(_) => "strpos",
            Db::Lite { .. } => "instr",
        };
        let texts = columns
            .iter()
            .map(|column| format!("COALESCE(CAST({column} AS text), '')"));
        let text = texts.collect::<Vec<_>>().join(" || ' ' || ");
        format!("EXISTS (SELECT 1 FROM json_each($2) k WHERE {position}(lower({text}), k.key) > 0)")
    }
}
