//! Retries transactions that PostgreSQL aborted because of a deadlock or a serialization failure.
//! Every write that a caller asked for goes through it.

use std::{future::Future, time::Duration};

use crate::StoreError;

/// The delays before each retry.
const DATABASE_RETRY_DELAYS: [Duration; 3] = [
    Duration::from_millis(10),
    Duration::from_millis(40),
    Duration::from_millis(160),
];

/// `transaction` must begin a transaction, commit it, and have no other effect.
pub(crate) async fn with_retry<T, F>(transaction: impl Fn() -> F) -> Result<T, StoreError>
where
    F: Future<Output = Result<T, StoreError>>,
{
    for delay in DATABASE_RETRY_DELAYS {
        match transaction().await {
            Err(error) if error.is_retryable() => {
                tracing::debug!("a transaction is retried: {error}");
                tokio::time::sleep(delay).await;
            }
            done => return done,
        }
    }
    transaction().await
}
