//! Webhook messages: what was sent, to whom, what the receiver answered, and sending it again.

use askama::Template;
use axum::{
    extract::{Path, Query},
    http::{Method, StatusCode},
    response::Response,
};
use chrono::TimeDelta;
use serde::Deserialize;
use serde_json::Value;
use syncline_model::Time;

use crate::{
    failure::Failure,
    page::{Policy, answer},
    pager::Pager,
    parts::{Bars, State, start_of_charts},
    resources::Listed,
    viewer::{Frame, Viewer, encoded},
    words::{Span, When},
};

const PAGE_SIZE: usize = 50;

#[derive(Deserialize)]
pub(crate) struct Message {
    pub(crate) id: String,
    pub(crate) event_type: String,
    payload: Value,
    created_at: Time,
    deliveries: Vec<Delivery>,
    attempts: Vec<Attempt>,
}

#[derive(Deserialize)]
struct Delivery {
    endpoint_id: String,
    status: String,
    next_attempt_at: Option<Time>,
}

#[derive(Deserialize)]
struct Attempt {
    endpoint_id: String,
    attempted_at: Time,
    response_status: Option<i64>,
    response_body: Option<String>,
    error: Option<String>,
    duration_ms: i64,
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
    fn state(&self) -> State {
        State::new(&*self.status)
    }

    fn next(&self, now: &Time) -> Option<When> {
        self.next_attempt_at.map(|at| When::new(at, *now))
    }
}

impl Attempt {
    fn at(&self, now: &Time) -> When {
        When::new(self.attempted_at, *now)
    }

    fn took(&self) -> Span {
        Span(TimeDelta::milliseconds(self.duration_ms))
    }

    fn state(&self) -> State {
        State::new(if self.error.is_none() {
            "delivered"
        } else {
            "failed"
        })
    }

    fn outcome(&self) -> String {
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

#[derive(Deserialize)]
pub(crate) struct Filter {
    #[serde(default)]
    status: String,
    #[serde(default)]
    cursor: String,
}

#[derive(Template)]
#[template(path = "console/webhook_messages.html")]
struct MessagesPage {
    frame: Frame,
    now: Time,
    filter: Filter,
    messages: Listed<Message>,
    pager: Pager,
}

pub(crate) async fn list(
    viewer: Viewer,
    Query(filter): Query<Filter>,
) -> Result<Response, Failure> {
    let mut path = format!("/mgmt/v2/webhook_messages?page_size={PAGE_SIZE}");
    for (name, value) in [("status", &filter.status), ("cursor", &filter.cursor)] {
        if !value.is_empty() {
            path = format!("{path}&{name}={}", encoded(value));
        }
    }
    let messages: Listed<Message> = viewer.get(&path).await?;
    let page = MessagesPage {
        pager: Pager::of(&messages, &[("status", &filter.status)]),
        now: viewer.now,
        frame: viewer.frame,
        filter,
        messages,
    };
    Ok(answer(StatusCode::OK, Policy::OwnScript, &page))
}

#[derive(Template)]
#[template(path = "console/webhook_message.html")]
struct MessagePage {
    frame: Frame,
    now: Time,
    message: Message,
    may_replay: bool,
}

pub(crate) async fn show(viewer: Viewer, Path(id): Path<String>) -> Result<Response, Failure> {
    let path = format!("/mgmt/v2/webhook_messages/{}", encoded(&id));
    let page = MessagePage {
        message: viewer.get(&path).await?,
        may_replay: viewer.may(&Method::POST, &format!("{path}/_replay")),
        now: viewer.now,
        frame: viewer.frame,
    };
    Ok(answer(StatusCode::OK, Policy::OwnScript, &page))
}

/// Sends it again.
pub(crate) async fn replay(viewer: Viewer, Path(id): Path<String>) -> Result<Response, Failure> {
    let id = encoded(&id);
    let path = format!("/mgmt/v2/webhook_messages/{id}/_replay");
    viewer.change(Method::POST, &path, &[], None).await?;
    Ok(viewer.back_to(&format!("/console/webhooks/messages/{id}"), "replayed"))
}

impl MessagePage {
    fn payload(&self) -> String {
        serde_json::to_string_pretty(&self.message.payload).unwrap_or_default()
    }
}
