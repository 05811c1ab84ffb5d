//! Who uses a provider account's request limits: syncs, callers and each agent, beside the provider's own
//! count. Opening the page asks the provider once.

use std::collections::BTreeMap;

use askama::Template;
use axum::{extract::Path, http::StatusCode, response::Response};
use serde::Deserialize;

use crate::{
    address::encoded,
    failure::Failure,
    page::{Policy, answer},
    parts::Gauge,
    resources::connection_path,
    viewer::{Frame, Viewer},
    words::count,
};

#[derive(Deserialize)]
struct Usage {
    windows_from: String,
    endpoints: BTreeMap<String, Endpoint>,
    credits_by_agent: Vec<AgentCredits>,
}

#[derive(Deserialize)]
struct Endpoint {
    windows: BTreeMap<String, Window>,
    sent_in_last_hour: Sent,
    sent_in_last_day: Sent,
}

#[derive(Deserialize)]
struct Window {
    limit: Option<i64>,
    used: i64,
}

#[derive(Deserialize)]
struct Sent {
    syncs: i64,
    api: i64,
    passthrough: i64,
    agents: Vec<AgentRequests>,
}

#[derive(Deserialize)]
struct AgentRequests {
    name: Option<String>,
    requests: i64,
}

#[derive(Deserialize)]
struct AgentCredits {
    name: Option<String>,
    credits: i64,
}

impl Usage {
    /// Endpoints that somebody used; a provider may name dozens that nobody did.
    fn used(&self) -> impl Iterator<Item = (&str, &Endpoint)> {
        let used = self.endpoints.iter().filter(|(_, it)| it.is_used());
        used.map(|(name, endpoint)| (name.as_str(), endpoint))
    }

    fn is_asked_now(&self) -> bool {
        self.windows_from == "provider"
    }
}

impl Endpoint {
    fn is_used(&self) -> bool {
        let by_others = self.windows.values().any(|window| window.used > 0);
        by_others || !self.sent_in_last_day.in_words().is_empty()
    }

    fn gauge(&self, window: &str) -> Option<Gauge> {
        let window = self.windows.get(window)?;
        Some(Gauge {
            limit: window.limit,
            ..Gauge::of(window.used, 0)
        })
    }
}

impl Sent {
    fn in_words(&self) -> String {
        let known = [
            ("syncs", self.syncs),
            ("API", self.api),
            ("passthrough", self.passthrough),
        ];
        let known = known.map(|(name, sent)| (name.to_owned(), sent));
        let agents = self.agents.iter().map(|agent| {
            let name = agent.name.as_deref().unwrap_or("an agent that is gone");
            (name.to_owned(), agent.requests)
        });
        let all = known
            .into_iter()
            .chain(agents)
            .filter(|(_, sent)| *sent > 0);
        let all = all.map(|(name, sent)| format!("{name}: {}", count(sent)));
        all.collect::<Vec<_>>().join(", ")
    }
}

#[derive(Template)]
#[template(path = "console/usage.html")]
struct UsagePage {
    frame: Frame,
    customer_id: String,
    provider: String,
    usage: Usage,
}

impl UsagePage {
    const WINDOWS: &'static [&'static str] = &["minute", "hour", "day"];

    fn connection(&self) -> String {
        connection_path(&self.customer_id, &self.provider)
    }
}

pub(crate) async fn show(
    viewer: Viewer,
    Path((customer_id, provider)): Path<(String, String)>,
) -> Result<Response, Failure> {
    let connection = connection_path(&customer_id, &provider);
    let path = format!(
        "/mgmt/v2{}/_usage",
        connection.trim_start_matches("/console")
    );
    let page = UsagePage {
        usage: viewer.get(&path).await?,
        frame: viewer.frame,
        customer_id,
        provider,
    };
    Ok(answer(StatusCode::OK, Policy::OwnScript, &page))
}
