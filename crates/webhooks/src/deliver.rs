//! Delivers one endpoint's due messages, one after the other. When a failed one is retried is in
//! `model/webhook.rs`.

use std::{collections::HashMap, time::Duration};

use chrono::TimeDelta;
use reqwest::Url;
use syncline_model::{
    Time,
    webhook::{Attempt, Next},
};
use syncline_queue::Leases;
use syncline_store::{DueDelivery, LeasedEndpoint, StoreError};
use tokio::time::Instant;

use crate::{Webhooks, client::Answer, sign, worker_slots::WorkerSlot};

/// A failed attempt that took this long ends the turn, so that endpoints that answer get the
/// worker.
const SLOW: Duration = Duration::from_secs(1);

/// A leased endpoint, and the slot that it takes up for its application.
pub struct Turn {
    endpoint: LeasedEndpoint,
    _slot: WorkerSlot,
}

impl Leases for Webhooks {
    type Job = Turn;
    type Error = StoreError;

    async fn lease_due(&self, limit: i64) -> Result<Vec<Turn>, StoreError> {
        self.store.reachable().await;
        let mut free = usize::try_from(limit).unwrap_or(usize::MAX);
        let mut slots = HashMap::new();
        for due in self.store.due_endpoints(self.lease(), limit).await? {
            if let Some(slot) = self.slots.take(&due, free) {
                slots.insert(due.id, slot);
                free -= 1;
            }
        }
        let ids: Vec<&str> = slots.keys().map(String::as_str).collect();
        let owner = &self.config.worker_name;
        let leased = self
            .store
            .lease_endpoints(&ids, owner, self.lease())
            .await?;
        Ok(leased
            .into_iter()
            .filter_map(|endpoint| {
                let slot = slots.remove(&endpoint.id)?;
                Some(Turn {
                    endpoint,
                    _slot: slot,
                })
            })
            .collect())
    }

    /// If the lease is not released, the endpoint is due again when it expires; a message that was
    /// sent but not recorded is then sent again, with the same id.
    async fn work_on(&self, turn: Turn) {
        let endpoint = &turn.endpoint;
        if let Err(error) = self.deliver_due(endpoint).await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                endpoint.id,
                "deliveries to webhook endpoint {} stopped; they are retried when its lease expires: \
                 {error}",
                endpoint.id
            );
        }
        drop(turn);
        // Another endpoint may have waited for the slot, and this one for its next turn.
        self.wake.notify_one();
    }
}

impl Webhooks {
    /// Delivers everything that is due, without workers, and returns the number of attempts.
    pub async fn work_off(&self) -> Result<usize, StoreError> {
        let mut made = 0;
        loop {
            let leased = self.lease_due(1).await?;
            if leased.is_empty() {
                return Ok(made);
            }
            for turn in leased {
                made += self.deliver_due(&turn.endpoint).await?;
            }
        }
    }

    async fn deliver_due(&self, endpoint: &LeasedEndpoint) -> Result<usize, StoreError> {
        let turn = Instant::now() + self.config.turn;
        let mut made = 0;
        let mut failed = Failed::default();
        while let Some(delivery) = self.store.next_delivery(endpoint).await? {
            let attempt = self.attempt(&delivery).await;
            made += 1;
            report(endpoint, &delivery, &attempt);
            failed.note(&delivery, &attempt);
            let leased_until = self.clock.now() + self.lease();
            let ours = self
                .store
                .record_attempt(endpoint, &delivery, &attempt, leased_until)
                .await?;
            if !ours {
                return Ok(made);
            }
            let hung = !attempt.succeeded() && attempt.duration >= SLOW;
            if hung || self.shutdown.is_cancelled() || Instant::now() >= turn {
                break;
            }
        }
        failed.report(endpoint);
        self.store.release_endpoint(endpoint).await?;
        Ok(made)
    }

    async fn attempt(&self, delivery: &DueDelivery) -> Attempt {
        let attempted_at = self.clock.now();
        let began = Instant::now();
        let answered = self.send(delivery, attempted_at).await;
        let duration = began.elapsed();
        match answered {
            Ok(answer) => Attempt {
                attempted_at,
                duration,
                error: failure_of(answer.status),
                response_status: Some(answer.status),
                response_body: Some(answer.body),
                retry_after: answer.retry_after,
            },
            Err(error) => Attempt {
                attempted_at,
                duration,
                response_status: None,
                response_body: None,
                error: Some(error),
                retry_after: None,
            },
        }
    }

    async fn send(&self, delivery: &DueDelivery, at: Time) -> Result<Answer, String> {
        let url = delivery
            .url
            .parse::<Url>()
            .map_err(|error| format!("the URL is invalid: {error}"))?;
        let body = delivery.payload.to_string();
        let headers = sign::headers(&delivery.message_id, at, &body, &delivery.secrets)
            .map_err(|error| error.to_string())?;
        self.targets.post(url, headers, body).await
    }

    fn lease(&self) -> TimeDelta {
        TimeDelta::from_std(self.config.lease_duration).unwrap_or(TimeDelta::MAX)
    }
}

/// The failures in an endpoint's turn: logged as one line, however many messages wait for it.
#[derive(Default)]
struct Failed {
    attempts: usize,
    /// The first failure: the event, the error, and what happens next.
    first: Option<(String, String, Next)>,
}

impl Failed {
    fn note(&mut self, delivery: &DueDelivery, attempt: &Attempt) {
        let Some(error) = &attempt.error else { return };
        self.attempts += 1;
        let next = attempt.next(delivery.attempts_made);
        self.first
            .get_or_insert_with(|| (delivery.event_type.clone(), error.clone(), next));
    }

    fn report(&self, endpoint: &LeasedEndpoint) {
        let Some((event, error, next)) = &self.first else {
            return;
        };
        let next = match next {
            Next::At(time) => format!("will be retried at {}", time.format("%FT%TZ")),
            _ => "will not be retried, but can be replayed".to_owned(),
        };
        let others = match self.attempts - 1 {
            0 => String::new(),
            others => format!("; {others} more failed too"),
        };
        tracing::warn!(
            endpoint.id,
            attempts = self.attempts,
            "{event} to webhook endpoint {} failed and {next}: {error}{others}",
            endpoint.id
        );
    }
}

/// Describes the metrics, and starts counters at 0.
pub fn describe_metrics() {
    metrics::describe_counter!(
        "syncline_webhook_attempts_total",
        "Webhook messages that were sent, by result (delivered or failed)."
    );
    for result in ["delivered", "failed"] {
        metrics::counter!("syncline_webhook_attempts_total", "result" => result).increment(0);
    }
}

/// Why an answer with this status is a failure.
fn failure_of(status: u16) -> Option<String> {
    match status {
        200..=299 => None,
        300..=399 => Some(format!("it answered {status}: redirects are not followed")),
        _ => Some(format!("it answered {status}")),
    }
}

fn report(endpoint: &LeasedEndpoint, delivery: &DueDelivery, attempt: &Attempt) {
    let result = if attempt.succeeded() {
        "delivered"
    } else {
        "failed"
    };
    metrics::counter!("syncline_webhook_attempts_total", "result" => result).increment(1);
    tracing::debug!(
        endpoint.id,
        message.id = delivery.message_id,
        attempt = delivery.attempts_made + 1,
        error = attempt.error,
        "webhook {} {result}",
        delivery.event_type
    );
}
