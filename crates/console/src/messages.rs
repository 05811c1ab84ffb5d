//! Webhook messages as the API tells them: what was sent, to whom, and what the receivers answered.

use chrono::TimeDelta;
use serde::Deserialize;
use serde_json::Value;
use syncline_model::Time;

use crate::{
    parts::{Bars, State, start_of_charts},
    resources::Listed,
    words::{Span, When},
};

#[derive(Deserialize)]
pub(crate) struct Message {
    pub(crate) id: String,
    pub(crate) event_type: String,
    pub(crate) payload: Value,
    pub(crate) created_at: Time,
    pub(crate) deliveries: Vec<Delivery>,
    pub(crate) attempts: Vec<Attempt>,
}

#[derive(Deserialize)]
pub(crate) struct Delivery {
    pub(crate) endpoint_id: String,
    pub(crate) status: String,
    pub(crate) next_attempt_at: Option<Time>,
}

#[derive(Deserialize)]
pub(crate) struct Attempt {
    pub(crate) endpoint_id: String,
    pub(crate) attempted_at: Time,
    pub(crate) response_status: Option<i64>,
    pub(crate) response_body: Option<String>,
    pub(crate) error: Option<String>,
    pub(crate) duration_ms: i64,
}

impl Message {
    pub(crate) fn created(&self, now: &Time) -> When {
        When::new(self.created_at, *now)
    }

    /// The worst of its deliveries.
    pub(crate) fn state(&self) -> State {
        let has = |status: &str| self.deliveries.iter().any(|it| it.status == status);
        let worst = ["failed", "pending", "delivered"];
        let worst = worst.into_iter().find(|status| has(status));
        State::new(worst.unwrap_or("not sent"))
    }

    /// What the last attempt came to.
    pub(crate) fn outcome(&self) -> String {
        self.attempts
            .last()
            .map_or_else(String::new, Attempt::outcome)
    }

    pub(crate) fn customer_id(&self) -> &str {
        self.payload["customer_id"].as_str().unwrap_or_default()
    }
}

impl Delivery {
    pub(crate) fn state(&self) -> State {
        State::new(&*self.status)
    }

    pub(crate) fn next(&self, now: &Time) -> Option<When> {
        self.next_attempt_at.map(|at| When::new(at, *now))
    }
}

impl Attempt {
    pub(crate) fn at(&self, now: &Time) -> When {
        When::new(self.attempted_at, *now)
    }

    pub(crate) fn took(&self) -> Span {
        Span(TimeDelta::milliseconds(self.duration_ms))
    }

    pub(crate) fn state(&self) -> State {
        State::new(if self.error.is_none() {
            "delivered"
        } else {
            "failed"
        })
    }

    pub(crate) fn outcome(&self) -> String {
        match (&self.error, self.response_status) {
            (Some(error), _) => error.clone(),
            (None, Some(status)) => format!("answered {status}"),
            (None, None) => String::new(),
        }
    }
}

/// The attempts for the newest messages, by when they were made.
pub(crate) fn attempts_over_time(messages: &Listed<Message>, now: Time) -> Bars {
    let attempts = || messages.results.iter().flat_map(|it| &it.attempts);
    let oldest = messages.results.last().map(|message| message.created_at);
    let since = start_of_charts(oldest.filter(|_| messages.next.is_some()), now);
    let mut bars = Bars::between(since, now, "Attempts", ("delivered", "failed"));
    for attempt in attempts() {
        bars.add(
            attempt.attempted_at,
            i64::from(attempt.error.is_none()),
            i64::from(attempt.error.is_some()),
        );
    }
    bars
}
