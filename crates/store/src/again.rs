//! Transactions that PostgreSQL gives up for the sake of others are done again, whole. This is the one
//! place: what a caller's write does in a transaction goes through it.

use std::{future::Future, time::Duration};

use crate::StoreError;

/// How long each further try waits for whoever was in the way.
const PAUSES: [Duration; 3] = [
    Duration::from_millis(10),
    Duration::from_millis(40),
    Duration::from_millis(160),
];

/// `transaction` begins one and commits it, and does nothing else.
pub(crate) async fn again<T, F>(transaction: impl Fn() -> F) -> Result<T, StoreError>
where
    F: Future<Output = Result<T, StoreError>>,
{
    for pause in PAUSES {
        match transaction().await {
            Err(error) if error.was_given_up() => {
                tracing::debug!("a transaction is done again: {error}");
                tokio::time::sleep(pause).await;
            }
            done => return done,
        }
    }
    transaction().await
}
