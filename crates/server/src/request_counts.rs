//! How many requests callers sent, by account, endpoint and caller: counted in memory and added to the
//! database within a second. They are for reports. What a killed process had not written yet is missing
//! there; limits are kept by `request_gate`.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use chrono::DurationRound;
use syncline_model::Time;
use syncline_store::RequestCount;

use crate::AppState;

const WRITE_AFTER: Duration = Duration::from_secs(1);

/// Requests by account and hour, and then by endpoint and caller.
type Counts = HashMap<(String, Time), HashMap<(String, String), i64>>;

#[derive(Default)]
pub(crate) struct RequestCounts(Mutex<Counts>);

impl RequestCounts {
    pub(crate) fn count(
        &self,
        state: &AppState,
        account_id: &str,
        (endpoint, sent_by): (&str, &str),
        requests: i64,
    ) {
        let now = state.clock.now();
        let hour = now
            .duration_trunc(chrono::TimeDelta::hours(1))
            .unwrap_or(now);
        let is_first = {
            let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let is_first = counts.is_empty();
            let of_account = counts.entry((account_id.to_owned(), hour)).or_default();
            let key = (endpoint.to_owned(), sent_by.to_owned());
            *of_account.entry(key).or_default() += requests;
            is_first
        };
        if is_first {
            let (tasks, state) = (state.tasks.clone(), state.clone());
            tasks.spawn(async move {
                tokio::time::sleep(WRITE_AFTER).await;
                state.request_gate.write_sent(&state).await;
            });
        }
    }

    pub(crate) async fn write(&self, state: &AppState) {
        let counts = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        for ((account_id, hour), counts) in counts {
            let counts: Vec<RequestCount> = counts
                .into_iter()
                .map(|((endpoint, sent_by), requests)| RequestCount {
                    endpoint,
                    sent_by,
                    requests,
                })
                .collect();
            let written = state.store.count_requests(&account_id, hour, &counts);
            if let Err(error) = written.await {
                tracing::warn!("could not store how many requests callers sent: {error}");
            }
        }
    }
}
