//! Where callers' and providers' words are kept: answers for idempotency keys, calls that wait for
//! approval, and the audit log.

use secrecy::ExposeSecret;
use sqlx_macros::FromRow;

use super::person::Person;
use crate::{
    Connection, Store, StoreError, StoredResponse, Tenant,
    approvals::{INPUT, RESULT},
    db::run,
    retry::with_retry,
    tenant::{Scoped, scoped},
};

/// Rows that are read at once.
const ROWS: i64 = 200;
/// What an entry of the audit log says in the place of its words. The triggers of the table let
/// nothing else take their place.
const ERASED: &str = "[erased]";

#[derive(FromRow)]
struct KeptAnswer {
    idempotency_key: String,
    body: String,
}

#[derive(FromRow)]
struct KeptCall {
    id: String,
    input: String,
    result: Option<String>,
}

#[derive(FromRow)]
struct Words {
    id: String,
    message: String,
    provider_request: Option<String>,
}

impl Store {
    /// A request whose answer is erased is not made again when it is repeated.
    pub(super) async fn erase_answers(
        &self,
        connection: &Connection,
        person: &Person,
        erased: &StoredResponse,
    ) -> Result<u64, StoreError> {
        const READ: &str = "
            SELECT idempotency_key, body FROM idempotency_keys
            WHERE connection_id = $1 AND idempotency_key > $2 AND body IS NOT NULL
            ORDER BY idempotency_key LIMIT $3";
        const ERASE: &str = "
            UPDATE idempotency_keys SET status = $3, body = $4
            WHERE connection_id = $1 AND idempotency_key = $2";
        let (mut after, mut count) = (String::new(), 0);
        loop {
            let mut reader = self.db.read().await?;
            let answers: Vec<KeptAnswer> = run!(reader, |c| sqlx::query_as(READ)
                .bind(&connection.id)
                .bind(&after)
                .bind(ROWS)
                .fetch_all(c)
                .await)?;
            drop(reader);
            let Some(last) = answers.last() else {
                return Ok(count);
            };
            after.clone_from(&last.idempotency_key);
            for answer in answers.iter().filter(|it| person.is_in(&it.body)) {
                let mut tx = self.db.begin().await?;
                run!(tx, |c| sqlx::query(ERASE)
                    .bind(&connection.id)
                    .bind(&answer.idempotency_key)
                    .bind(i64::from(erased.status))
                    .bind(&erased.body)
                    .execute(c)
                    .await
                    .map(drop))?;
                tx.commit().await?;
                count += 1;
            }
        }
    }
}

impl Tenant {
    /// What was asked for and what came of it. A call that still waits is never made.
    pub(super) async fn erase_approvals(
        &self,
        customer_id: &str,
        person: &Person,
    ) -> Result<u64, StoreError> {
        const READ: Scoped = scoped(
            "SELECT id, input, result FROM approvals
             WHERE application_id = $1 AND customer_id = $2 AND id > $3 ORDER BY id LIMIT $4",
        );
        const ERASE: Scoped = scoped(
            "UPDATE approvals
             SET input = $3, result = NULL, call_digest = id,
                 status = CASE WHEN status IN ('pending', 'approved') THEN 'expired'
                               ELSE status END
             WHERE application_id = $1 AND id = $2",
        );
        let store = self.store();
        let (mut after, mut count) = (String::new(), 0);
        loop {
            let mut reader = self.read().await?;
            let calls: Vec<KeptCall> = run!(reader, query_as(READ), |q, c| q
                .bind(customer_id)
                .bind(&after)
                .bind(ROWS)
                .fetch_all(c)
                .await)?;
            drop(reader);
            let Some(last) = calls.last() else {
                return Ok(count);
            };
            after.clone_from(&last.id);
            for call in &calls {
                let input = store.unseal(&INPUT, &call.id, &call.input);
                let result = call.result.as_deref();
                let result = result.map(|result| store.unseal(&RESULT, &call.id, result));
                let opened = [Some(input), result].into_iter().flatten().flatten();
                let mut texts = opened.map(|text| text.expose_secret().to_owned());
                if !texts.any(|text| person.is_in(&text)) {
                    continue;
                }
                let nothing = store.seal(&INPUT, &call.id, &"{}".to_owned().into());
                let mut tx = self.begin().await?;
                run!(tx, query(ERASE), |q, c| q
                    .bind(&call.id)
                    .bind(&nothing)
                    .execute(c)
                    .await
                    .map(drop))?;
                tx.commit().await?;
                count += 1;
            }
        }
    }

    /// Who did what to whom and when stays; the words in which it tells of the person go.
    pub(super) async fn erase_audit_log(
        &self,
        customer_id: &str,
        person: &Person,
    ) -> Result<u64, StoreError> {
        const READ: Scoped = scoped(
            "SELECT id, message, provider_request FROM audit_log
             WHERE application_id = $1 AND customer_id = $2 AND id > $3 ORDER BY id LIMIT $4",
        );
        const ERASE: Scoped = scoped(
            "UPDATE audit_log SET message = $3,
                provider_request = CASE WHEN provider_request IS NULL THEN NULL ELSE $3 END
             WHERE application_id = $1 AND id = $2",
        );
        let (mut after, mut count) = (String::new(), 0);
        loop {
            let mut reader = self.read().await?;
            let entries: Vec<Words> = run!(reader, query_as(READ), |q, c| q
                .bind(customer_id)
                .bind(&after)
                .bind(ROWS)
                .fetch_all(c)
                .await)?;
            drop(reader);
            let Some(last) = entries.last() else {
                return Ok(count);
            };
            after.clone_from(&last.id);
            let tells = |words: &&Words| {
                let request = words.provider_request.as_deref().unwrap_or_default();
                person.is_in(&words.message) || person.is_in(request)
            };
            for entry in entries.iter().filter(tells) {
                with_retry(|| async {
                    let mut tx = self.begin().await?;
                    run!(tx, query(ERASE), |q, c| q
                        .bind(&entry.id)
                        .bind(ERASED)
                        .execute(c)
                        .await
                        .map(drop))?;
                    Ok(tx.commit().await?)
                })
                .await?;
                count += 1;
            }
        }
    }
}
