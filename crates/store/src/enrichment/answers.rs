//! What was asked for an application: each question once, however many jobs have it.

use std::collections::HashMap;

use chrono::TimeDelta;
use sqlx::{QueryBuilder, types::Json};
use sqlx_macros::FromRow;
use syncline_model::{
    StorePolicy, Time,
    enrichment::Enriched,
    mutation::{self, Mutation},
};

use super::EnrichmentJob;
use crate::{
    Store, StoreError,
    db::{Db, Tx, run},
    key_set::KeySet,
    timestamp::{Timestamp, at},
};

/// What is known of a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Known {
    /// Nobody has asked it, or too long ago.
    Nothing,
    /// It was paid for.
    Answered,
    /// Another batch asks it now.
    Asked,
    /// It was asked, and the answer was lost.
    Uncertain,
}

#[derive(FromRow)]
pub(super) struct AnswerRow {
    pub(super) id: String,
    question: String,
    state: String,
    asked_at: Timestamp,
    /// Of the batch that asked; `None`: it went with its connection.
    batch_state: Option<String>,
}

impl AnswerRow {
    pub(super) fn known(&self, job: &EnrichmentJob, policy: &StorePolicy, now: Time) -> Known {
        let reuse = TimeDelta::days(i64::from(job.reuse_days));
        let asked_at = self.asked_at.0;
        let is_recent = asked_at > now - reuse && policy.reuses_result(asked_at, now);
        match self.state.as_str() {
            "asked" if self.batch_state.is_some() => Known::Asked,
            "matched" if is_recent && !mutation::on(Mutation::ReuseIgnored) => Known::Answered,
            // However long ago: somebody who knows that it may be paid for has to decide.
            "asked" | "uncertain" if !job.retry_uncertain => Known::Uncertain,
            _ => Known::Nothing,
        }
    }
}

/// An answer to be stored.
pub(super) struct NewAnswer<'a> {
    pub(super) question: &'a str,
    pub(super) provider_id: Option<&'a str>,
    pub(super) enriched: Enriched,
    pub(super) raw_data: Option<&'a serde_json::value::RawValue>,
    pub(super) awaited: bool,
    pub(super) late_due: bool,
}

macro_rules! insert_asked {
    ($job:expr, $batch_id:expr, $now:expr, $rows:expr) => {{
        let mut sql = QueryBuilder::new(
            "INSERT INTO enrichment_answers (id, application_id, provider_name, question, state,
                job_id, batch_id, asked_at, awaited, late_due, superseded) ",
        );
        sql.push_values($rows, |mut values, (id, question): &(String, &str)| {
            values
                .push_bind(id)
                .push_bind(&$job.application_id)
                .push_bind($job.provider.as_str())
                .push_bind(*question)
                .push_bind("asked")
                .push_bind(&$job.id)
                .push_bind($batch_id)
                .push_bind(at($now))
                .push_bind(false)
                .push_bind(false)
                .push_bind(false);
        });
        sql.push(
            " ON CONFLICT (application_id, provider_name, question) WHERE NOT superseded
              DO NOTHING RETURNING question",
        );
        sql
    }};
}

macro_rules! insert_matched {
    ($job:expr, $batch_id:expr, $now:expr, $rows:expr) => {{
        let mut sql = QueryBuilder::new(
            "INSERT INTO enrichment_answers (id, application_id, provider_name, question, state,
                job_id, batch_id, asked_at, provider_id, enriched, raw_data, awaited,
                late_due, superseded) ",
        );
        sql.push_values(
            $rows,
            |mut values, (id, answer): &(String, NewAnswer<'_>)| {
                values
                    .push_bind(id)
                    .push_bind(&$job.application_id)
                    .push_bind($job.provider.as_str())
                    .push_bind(answer.question)
                    .push_bind("matched")
                    .push_bind(&$job.id)
                    .push_bind($batch_id)
                    .push_bind(at($now))
                    .push_bind(answer.provider_id)
                    .push_bind(Json(&answer.enriched))
                    .push_bind(answer.raw_data.map(Json))
                    .push_bind(answer.awaited)
                    .push_bind(answer.late_due)
                    .push_bind(false);
            },
        );
        sql
    }};
}

impl Store {
    /// What is known of these questions.
    pub(super) async fn known_answers(
        &self,
        tx: &mut Tx,
        job: &EnrichmentJob,
        questions: &[&str],
    ) -> Result<HashMap<String, AnswerRow>, StoreError> {
        // One look-up each, whatever the planner thinks of the number of keys.
        const ON_POSTGRES: &str = "
            SELECT found.* FROM json_each($3) asked CROSS JOIN LATERAL (
                SELECT id, question, state, asked_at,
                    (SELECT b.state FROM enrichment_batches b WHERE b.id = batch_id) AS batch_state
                FROM enrichment_answers
                WHERE application_id = $1 AND provider_name = $2 AND NOT superseded
                  AND question = asked.key OFFSET 0) found";
        const ON_SQLITE: &str = "
            SELECT a.id, a.question, a.state, a.asked_at,
                (SELECT b.state FROM enrichment_batches b WHERE b.id = a.batch_id) AS batch_state
            FROM json_each($3) asked CROSS JOIN enrichment_answers a
            WHERE a.application_id = $1 AND a.provider_name = $2 AND NOT a.superseded
              AND a.question = asked.key";
        let sql = match self.db {
            Db::Pg(_) => ON_POSTGRES,
            Db::Lite { .. } => ON_SQLITE,
        };
        let rows: Vec<AnswerRow> = run!(tx, |c| sqlx::query_as(sql)
            .bind(&job.application_id)
            .bind(job.provider.as_str())
            .bind(KeySet::new(questions))
            .fetch_all(c)
            .await)?;
        let by_question = |row: AnswerRow| (row.question.clone(), row);
        Ok(rows.into_iter().map(by_question).collect())
    }

    /// Notes that these answers are too old, or lost: the question is asked again.
    pub(super) async fn supersede_answers(
        &self,
        tx: &mut Tx,
        ids: &[&str],
    ) -> Result<(), StoreError> {
        const SQL: &str = "
            UPDATE enrichment_answers SET superseded = TRUE
            WHERE NOT superseded AND id IN (SELECT key FROM json_each($1))";
        if ids.is_empty() {
            return Ok(());
        }
        Ok(run!(tx, |c| sqlx::query(SQL)
            .bind(KeySet::new(ids))
            .execute(c)
            .await
            .map(drop))?)
    }

    /// Notes that a batch asks these questions, and returns those that no other batch began to ask at
    /// the same time.
    pub(super) async fn begin_asking(
        &self,
        tx: &mut Tx,
        job: &EnrichmentJob,
        batch_id: &str,
        questions: &[&str],
    ) -> Result<Vec<String>, StoreError> {
        // In one order, so that two jobs with the same questions don't wait for each other.
        let mut sorted = questions.to_vec();
        sorted.sort_unstable();
        let now = self.now();
        let rows = sorted.into_iter().map(|it| (self.new_id(), it));
        let rows: Vec<(String, &str)> = rows.collect();
        Ok(run!(tx, |c| insert_asked!(job, batch_id, now, &rows)
            .build_query_scalar()
            .fetch_all(c)
            .await)?)
    }

    /// Replaces what a batch asked by the answers that came. What was not found is forgotten.
    pub(super) async fn write_answers(
        &self,
        tx: &mut Tx,
        job: &EnrichmentJob,
        batch_id: &str,
        answers: Vec<NewAnswer<'_>>,
    ) -> Result<(), StoreError> {
        self.forget_questions(tx, batch_id).await?;
        if answers.is_empty() {
            return Ok(());
        }
        let questions: Vec<&str> = answers.iter().map(|it| it.question).collect();
        let newer = self.known_answers(tx, job, &questions).await?;
        let newer: Vec<&str> = newer.values().map(|it| it.id.as_str()).collect();
        self.supersede_answers(tx, &newer).await?;
        let now = self.now();
        let rows = answers.into_iter().map(|it| (self.new_id(), it));
        let rows: Vec<(String, NewAnswer<'_>)> = rows.collect();
        Ok(run!(tx, |c| insert_matched!(job, batch_id, now, &rows)
            .build()
            .execute(c)
            .await
            .map(drop))?)
    }

    /// Questions of a batch that has no answers to them.
    pub(super) async fn forget_questions(
        &self,
        tx: &mut Tx,
        batch_id: &str,
    ) -> Result<(), StoreError> {
        const SQL: &str =
            "DELETE FROM enrichment_answers WHERE batch_id = $1 AND state <> 'matched'";
        Ok(run!(tx, |c| sqlx::query(SQL)
            .bind(batch_id)
            .execute(c)
            .await
            .map(drop))?)
    }

    /// The answers to a batch's questions are lost.
    pub(super) async fn lose_answers(&self, tx: &mut Tx, batch_id: &str) -> Result<(), StoreError> {
        const SQL: &str = "
            UPDATE enrichment_answers SET state = 'uncertain' WHERE batch_id = $1 AND state = 'asked'";
        Ok(run!(tx, |c| sqlx::query(SQL)
            .bind(batch_id)
            .execute(c)
            .await
            .map(drop))?)
    }
}
