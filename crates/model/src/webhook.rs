//! When a webhook delivery is retried, and when its endpoint is disabled.
//!
//! Pure arithmetic; the state is kept in the store. docs/guarantees.md promises this schedule.

use std::time::Duration;

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    Time,
    event::{
        APPROVAL_REQUESTED, CONNECTION_CREATED, CONNECTION_DELETED, ENRICHMENT_COMPLETE,
        RECORDS_CHANGED, SYNC_COMPLETE, SYNC_PAUSED, WEBHOOK_ENDPOINT_DISABLED,
    },
};

/// The events that an endpoint can subscribe to.
pub const EVENT_TYPES: [&str; 8] = [
    SYNC_COMPLETE,
    RECORDS_CHANGED,
    SYNC_PAUSED,
    CONNECTION_CREATED,
    CONNECTION_DELETED,
    APPROVAL_REQUESTED,
    ENRICHMENT_COMPLETE,
    WEBHOOK_ENDPOINT_DISABLED,
];

/// The retry schedule: the delays between the attempts of a delivery; the first attempt is made at once.
const RETRY_SCHEDULE: [Duration; 7] = [
    Duration::from_secs(5),
    Duration::from_mins(5),
    Duration::from_mins(30),
    Duration::from_hours(2),
    Duration::from_hours(5),
    Duration::from_hours(10),
    Duration::from_hours(10),
];

/// The longest delay that an endpoint can ask for with `Retry-After`.
const LONGEST_DELAY: Duration = Duration::from_hours(24);

/// An endpoint is disabled when nothing has been delivered to it for this long.
pub const GIVEN_UP_AFTER: TimeDelta = TimeDelta::days(5);

/// How long the previous secrets keep signing after a rotation.
pub const SECRETS_OVERLAP: TimeDelta = TimeDelta::hours(24);

/// The result of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    pub attempted_at: Time,
    pub duration: Duration,
    /// `None`: no answer.
    pub response_status: Option<u16>,
    /// The beginning of the answer's body.
    pub response_body: Option<String>,
    /// Why it failed; `None` for a success.
    pub error: Option<String>,
    /// The delay that the endpoint asked for.
    pub retry_after: Option<Duration>,
}

/// The state of a message at one endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = webhook_delivery_state)]
pub enum DeliveryState {
    /// It will be attempted.
    Pending,
    Delivered,
    /// The last attempt failed too.
    Failed,
}

impl DeliveryState {
    pub const ALL: [Self; 3] = [Self::Pending, Self::Delivered, Self::Failed];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Delivered => "delivered",
            Self::Failed => "failed",
        }
    }
}

/// Not the name of a delivery's state.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is none of pending, delivered, failed")]
pub struct UnknownDeliveryState(pub String);

impl TryFrom<String> for DeliveryState {
    type Error = UnknownDeliveryState;

    fn try_from(name: String) -> Result<Self, UnknownDeliveryState> {
        let found = Self::ALL.into_iter().find(|state| state.as_str() == name);
        found.ok_or(UnknownDeliveryState(name))
    }
}

/// What happens to the delivery next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    Delivered,
    /// Retried at this time.
    At(Time),
    /// The last attempt has failed.
    GivenUp,
}

impl Attempt {
    const GONE: u16 = 410;

    pub fn succeeded(&self) -> bool {
        self.error.is_none()
    }

    /// The endpoint answered that it no longer exists, so nothing more is sent to it.
    pub fn says_gone(&self) -> bool {
        self.response_status == Some(Self::GONE)
    }

    /// What happens next, if `made_before` attempts were made before this one.
    pub fn next(&self, made_before: usize) -> Next {
        if self.succeeded() {
            return Next::Delivered;
        }
        let Some(delay) = RETRY_SCHEDULE
            .get(made_before)
            .filter(|_| !self.says_gone())
        else {
            return Next::GivenUp;
        };
        let asked = self.retry_after.unwrap_or_default().min(LONGEST_DELAY);
        let delay = TimeDelta::from_std(asked.max(*delay)).unwrap_or(TimeDelta::MAX);
        Next::At(self.attempted_at + delay)
    }
}

/// Why an endpoint is disabled after a failed attempt, if it is: nothing has been delivered to it
/// since `failing_since`, this attempt included.
pub fn reason_to_disable(attempt: &Attempt, failing_since: Time) -> Option<String> {
    if attempt.says_gone() {
        return Some("it answered 410 Gone".to_owned());
    }
    let failing_for = attempt.attempted_at - failing_since;
    (failing_for >= GIVEN_UP_AFTER).then(|| {
        let days = GIVEN_UP_AFTER.num_days();
        let last = attempt.error.as_deref().unwrap_or("it failed");
        format!("every attempt has failed for {days} days; the last one: {last}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(status: Option<u16>) -> Attempt {
        Attempt {
            attempted_at: Time::from_timestamp_millis(0).unwrap(),
            duration: Duration::ZERO,
            response_status: status,
            response_body: None,
            error: Some("it failed".to_owned()),
            retry_after: None,
        }
    }

    fn seconds_until(next: Next) -> Option<i64> {
        match next {
            Next::At(time) => Some(time.timestamp()),
            _ => None,
        }
    }

    #[test]
    fn eight_attempts_are_made_at_the_promised_times() {
        let delays: Vec<_> = (0..8)
            .map(|made| seconds_until(failed(Some(500)).next(made)))
            .collect();
        let hours = 3600;
        let promised = [5, 300, 1800, 2 * hours, 5 * hours, 10 * hours, 10 * hours];
        assert_eq!(delays[..7], promised.map(Some));
        assert_eq!(failed(None).next(7), Next::GivenUp);
    }

    #[test]
    fn an_endpoint_may_put_off_an_attempt_but_neither_hasten_it_nor_put_it_off_for_ever() {
        let asking = |seconds| Attempt {
            retry_after: Some(Duration::from_secs(seconds)),
            ..failed(Some(429))
        };
        assert_eq!(seconds_until(asking(60).next(0)), Some(60));
        assert_eq!(seconds_until(asking(1).next(0)), Some(5));
        assert_eq!(seconds_until(asking(u64::MAX).next(0)), Some(24 * 3600));
    }

    #[test]
    fn an_endpoint_that_is_gone_is_not_tried_again_and_one_that_failed_for_five_days_neither() {
        let gone = failed(Some(410));
        assert_eq!(gone.next(0), Next::GivenUp);
        assert!(reason_to_disable(&gone, gone.attempted_at).is_some());
        let failed = failed(Some(500));
        let since = |days| failed.attempted_at - TimeDelta::days(days);
        assert_eq!(reason_to_disable(&failed, since(4)), None);
        assert!(reason_to_disable(&failed, since(5)).is_some());
    }
}
