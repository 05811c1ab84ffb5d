//! What is used of a provider account's request limits, and by whom: the provider's own count, and ours of
//! what syncs, callers and each agent sent.

use std::collections::BTreeMap;

use axum::{Json as JsonBody, extract::State};
use chrono::{DurationRound, TimeDelta};
use serde::Serialize;
use serde_json::{Value, json};
use syncline_model::{RequestWindow, Time};
use syncline_providers::Call;
use syncline_store::{Connection, Tenant};
use utoipa::ToSchema;

use super::connections::find_named;
use crate::{
    AppState,
    error::ApiResult,
    extract::{Caller, Path},
    remote::Remote,
};

/// The action that asks a provider for its count.
const ASKS: &str = "usage.get";

#[derive(Serialize, ToSchema)]
#[schema(as = usage)]
pub(crate) struct Usage {
    /// Where `windows` are from.
    windows_from: WindowsFrom,
    /// By the provider's name for each.
    endpoints: BTreeMap<String, EndpointUsage>,
    /// Credits that agents spent on this connection in the last 24 hours.
    credits_by_agent: Vec<AgentCredits>,
}

#[derive(Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = windows_from)]
enum WindowsFrom {
    /// The provider was asked now.
    Provider,
    /// What its last answers said: it has no such call, or the key may not make it.
    LastAnswers,
}

#[derive(Default, Serialize, ToSchema)]
#[schema(as = endpoint_usage)]
struct EndpointUsage {
    /// The provider's request limits of `minute`, `hour` and `day`, for all who use the account.
    windows: BTreeMap<&'static str, WindowUsage>,
    /// What was sent from here since the last full hour.
    sent_in_last_hour: Sent,
    /// What was sent from here in the last 24 full hours.
    sent_in_last_day: Sent,
}

#[derive(Serialize, ToSchema)]
#[schema(as = usage_window)]
struct WindowUsage {
    /// Null: the plan has none.
    #[schema(required = true)]
    limit: Option<i64>,
    used: i64,
}

/// Requests, by who sent them.
#[derive(Default, Serialize, ToSchema)]
#[schema(as = sent_requests)]
struct Sent {
    /// Look-ups of single records count here too, at the endpoint of the object's list.
    syncs: i64,
    /// The engagement and enrichment APIs, and actions of keys that are no agents.
    api: i64,
    passthrough: i64,
    agents: Vec<AgentRequests>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = agent_requests)]
struct AgentRequests {
    api_key_id: String,
    /// The key's name; null if the key is gone.
    #[schema(required = true)]
    name: Option<String>,
    requests: i64,
}

#[derive(Serialize, ToSchema)]
#[schema(as = agent_credits)]
struct AgentCredits {
    api_key_id: String,
    /// The key's name; null if the key is gone.
    #[schema(required = true)]
    name: Option<String>,
    credits: i64,
}

/// What is used of the request limits of the connection's provider account, and by whom.
///
/// Where the provider can be asked, it is: that is one request. What was sent from here counts by full
/// hours, and without what a killed process had not written yet.
#[utoipa::path(get, path = "/customers/{customer_id}/connections/{provider_name}/_usage",
    tag = "Connections", operation_id = "getConnectionUsage",
    params(("customer_id" = String, Path, description = "Your id for the customer"),
        ("provider_name" = String, Path, description = "The provider's name")),
    responses((status = 200, description = "The usage", body = Usage)))]
pub(crate) async fn get_usage(
    caller: Caller,
    State(state): State<AppState>,
    Path((customer_id, provider_name)): Path<(String, String)>,
) -> ApiResult<JsonBody<Usage>> {
    let connection = find_named(&caller, &customer_id, &provider_name).await?;
    let mut endpoints = BTreeMap::new();
    let windows_from = if told(&state, &connection, &mut endpoints).await {
        WindowsFrom::Provider
    } else {
        known(&state, &connection, &mut endpoints).await?;
        WindowsFrom::LastAnswers
    };
    state.request_gate.write_sent(&state).await;
    let now = state.clock.now();
    let hour = now.duration_trunc(TimeDelta::hours(1)).unwrap_or(now);
    let mut names = Names::new(&caller.tenant);
    for (since, of) in [(hour, Span::Hour), (hour - TimeDelta::hours(23), Span::Day)] {
        add_sent(&state, &connection, since, (of, &mut endpoints), &mut names).await?;
    }
    let spent = state
        .store
        .credits_since(&connection.id, now - TimeDelta::hours(24));
    let mut credits_by_agent = Vec::new();
    for (api_key_id, credits) in spent.await? {
        credits_by_agent.push(AgentCredits {
            name: names.of(&api_key_id).await?,
            api_key_id,
            credits,
        });
    }
    Ok(JsonBody(Usage {
        windows_from,
        endpoints,
        credits_by_agent,
    }))
}

/// Asks the provider for its count. `false` if it can't be asked.
async fn told(
    state: &AppState,
    connection: &Connection,
    endpoints: &mut BTreeMap<String, EndpointUsage>,
) -> bool {
    let Ok(remote) = Remote::of(state, connection).await else {
        return false;
    };
    let Ok(actions) = remote.capabilities().actions() else {
        return false;
    };
    let Some(asks) = actions.catalogue().iter().find(|it| it.action.name == ASKS) else {
        return false;
    };
    let Ok(acted) = actions.act(&remote.session(), asks, &json!({})).await else {
        return false;
    };
    let all = acted.answer["endpoints"].as_array();
    for endpoint in all.into_iter().flatten() {
        let usage: &mut EndpointUsage = endpoints.entry(name_of(endpoint)).or_default();
        for window in [
            RequestWindow::Minute,
            RequestWindow::Hour,
            RequestWindow::Day,
        ] {
            let of = &endpoint[window.as_str()];
            if let Some(used) = of["consumed"].as_i64() {
                let limit = of["limit"].as_i64();
                let window_usage = WindowUsage { limit, used };
                usage.windows.insert(window.as_str(), window_usage);
            }
        }
    }
    true
}

/// Apollo names an endpoint by a list in a text: `["api/v1/contacts", "search"]`.
fn name_of(endpoint: &Value) -> String {
    let text = endpoint["name"].as_str().unwrap_or_default();
    match serde_json::from_str::<Vec<String>>(text) {
        Ok(parts) => parts.join("/").trim_start_matches("api/v1/").to_owned(),
        Err(_) => text.to_owned(),
    }
}

/// What the provider's last answers said.
async fn known(
    state: &AppState,
    connection: &Connection,
    endpoints: &mut BTreeMap<String, EndpointUsage>,
) -> ApiResult<()> {
    let account = &connection.account_id;
    state.request_gate.write_reported(state, account).await?;
    let budget = state.store.budget(&connection.account_id).await?;
    for window in budget.request_windows(state.clock.now()) {
        let usage = endpoints.entry(window.endpoint.to_owned()).or_default();
        let of = WindowUsage {
            limit: Some(window.limit),
            used: window.limit - window.left,
        };
        usage.windows.insert(window.window.as_str(), of);
    }
    Ok(())
}

#[derive(Clone, Copy)]
enum Span {
    Hour,
    Day,
}

impl EndpointUsage {
    fn sent(&mut self, span: Span) -> &mut Sent {
        match span {
            Span::Hour => &mut self.sent_in_last_hour,
            Span::Day => &mut self.sent_in_last_day,
        }
    }
}

async fn add_sent(
    state: &AppState,
    connection: &Connection,
    since: Time,
    (span, endpoints): (Span, &mut BTreeMap<String, EndpointUsage>),
    names: &mut Names<'_>,
) -> ApiResult<()> {
    let account = &connection.account_id;
    let provider = state.providers.get(connection.provider)?;
    for (object, requests) in state.store.sync_requests_since(account, since).await? {
        let endpoint = provider.endpoint(Call::List(object)).to_owned();
        endpoints.entry(endpoint).or_default().sent(span).syncs += requests;
    }
    for count in state.store.requests_since(account, since).await? {
        let sent = endpoints.entry(count.endpoint).or_default().sent(span);
        match count.sent_by.as_str() {
            "api" => sent.api += count.requests,
            "passthrough" => sent.passthrough += count.requests,
            _ => sent.agents.push(AgentRequests {
                name: names.of(&count.sent_by).await?,
                api_key_id: count.sent_by,
                requests: count.requests,
            }),
        }
    }
    Ok(())
}

/// The names of this application's keys, each looked up once. Those of others who share the account stay
/// unknown.
struct Names<'t> {
    tenant: &'t Tenant,
    known: BTreeMap<String, Option<String>>,
}

impl<'t> Names<'t> {
    fn new(tenant: &'t Tenant) -> Self {
        Self {
            tenant,
            known: BTreeMap::new(),
        }
    }

    async fn of(&mut self, id: &str) -> ApiResult<Option<String>> {
        if let Some(known) = self.known.get(id) {
            return Ok(known.clone());
        }
        let found = self.tenant.get_api_key(id).await?.map(|key| key.name);
        self.known.insert(id.to_owned(), found.clone());
        Ok(found)
    }
}
