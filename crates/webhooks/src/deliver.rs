//! One endpoint's turn: what is due there is sent, one message after the other.

use chrono::TimeDelta;
use reqwest::Url;
use syncline_model::{Time, webhook::Attempt};
use syncline_queue::Leases;
use syncline_store::{DueDelivery, LeasedEndpoint, StoreError};
use tokio::time::Instant;

use crate::{Webhooks, client::Answer, sign};

impl Leases for Webhooks {
    type Job = LeasedEndpoint;
    type Error = StoreError;

    async fn lease_due(&self, limit: i64) -> Result<Vec<LeasedEndpoint>, StoreError> {
        self.store.reachable().await;
        let owner = &self.config.worker_name;
        self.store.lease_endpoints(owner, self.lease(), limit).await
    }

    /// An endpoint whose lease is not given back is due again when it expires; what was sent and not
    /// written down is then sent again, under the same id.
    async fn work_on(&self, endpoint: LeasedEndpoint) {
        if let Err(error) = self.deliver_due(&endpoint).await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                endpoint.id,
                "the deliveries to webhook endpoint {} go on later",
                endpoint.id
            );
        }
    }
}

impl Webhooks {
    /// Delivers everything that is due, and tells how many attempts were made: the whole delivery
    /// without its workers.
    pub async fn work_off(&self) -> Result<usize, StoreError> {
        let mut made = 0;
        loop {
            let leased = self.lease_due(1).await?;
            if leased.is_empty() {
                return Ok(made);
            }
            for endpoint in leased {
                made += self.deliver_due(&endpoint).await?;
            }
        }
    }

    async fn deliver_due(&self, endpoint: &LeasedEndpoint) -> Result<usize, StoreError> {
        let turn = Instant::now() + self.config.turn;
        let mut made = 0;
        while let Some(delivery) = self.store.next_delivery(endpoint).await? {
            let attempt = self.attempt(&delivery).await;
            made += 1;
            report(endpoint, &delivery, &attempt);
            let leased_until = self.clock.now() + self.lease();
            let ours = self
                .store
                .record_attempt(endpoint, &delivery, &attempt, leased_until)
                .await?;
            if !ours {
                return Ok(made);
            }
            if self.stopping.is_cancelled() || Instant::now() >= turn {
                break;
            }
        }
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
            .map_err(|error| format!("the URL is wrong: {error}"))?;
        let body = delivery.payload.to_string();
        let headers = sign::headers(&delivery.message_id, at, &body, &delivery.secrets)
            .map_err(|error| error.to_string())?;
        self.targets.post(url, headers, body).await
    }

    fn lease(&self) -> TimeDelta {
        TimeDelta::from_std(self.config.lease).unwrap_or(TimeDelta::MAX)
    }
}

/// Why an answer of this status is no success.
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
