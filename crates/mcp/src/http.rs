//! `/mcp`: who calls, by the key that each request has as its bearer token.

use axum::{
    Json, Router,
    extract::{Request, State},
    http::{StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::get,
};
use rmcp::transport::streamable_http_server::{
    StreamableHttpServerConfig, StreamableHttpService, session::never::NeverSessionManager,
};
use serde_json::{Value, json};
use syncline_server::{
    AppState,
    agents::{Agents, NotAnAgent},
    bearer,
    in_process::Api,
};

use crate::server::ActionServer;

const PATH: &str = "/mcp";
/// Where clients look for how to authorize (RFC 9728).
const METADATA: &str = "/.well-known/oauth-protected-resource/mcp";
/// In bytes. An input is smaller than a record.
const LARGEST_REQUEST: usize = 1024 * 1024;
/// Names under which a server is reached on its own machine.
const LOOPBACK: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// The server of the protocol, beside the API that it calls.
pub fn routes(state: &AppState, api: Api) -> Router<AppState> {
    let (host, origin) = host_and_origin(&state.public_url);
    let hosts = LOOPBACK.iter().map(|it| (*it).to_owned()).chain([host]);
    let config = StreamableHttpServerConfig::default()
        .with_legacy_session_mode(false)
        .with_json_response(true)
        .with_allowed_hosts(hosts)
        .with_allowed_origins([origin])
        .with_max_request_body_bytes(LARGEST_REQUEST);
    let server = ActionServer::over_http(api);
    let sessions = std::sync::Arc::new(NeverSessionManager::default());
    let service = StreamableHttpService::new(move || Ok(server.clone()), sessions, config);
    let authenticated = middleware::from_fn_with_state(state.clone(), authenticate);
    let mcp = Router::new()
        .route_service(PATH, service)
        .layer(authenticated);
    Router::new().route(METADATA, get(metadata)).merge(mcp)
}

/// `public_url` has no trailing slash.
fn host_and_origin(public_url: &str) -> (String, String) {
    let (scheme, rest) = public_url.split_once("://").unwrap_or(("http", public_url));
    let authority = rest.split('/').next().unwrap_or(rest);
    let host = authority
        .rsplit_once(':')
        .map_or(authority, |(host, _)| host);
    (host.to_owned(), format!("{scheme}://{authority}"))
}

/// Lets agents through, and tells others how to become one.
async fn authenticate(State(state): State<AppState>, mut request: Request, next: Next) -> Response {
    let Some(key) = bearer::token(request.headers()) else {
        return unauthorized(&state, "send an agent's API key as a bearer token");
    };
    let found = Agents::new(&state)
        .find_for(key, request.extensions())
        .await;
    match found {
        Ok(agent) => {
            request.extensions_mut().insert(agent);
            next.run(request).await
        }
        Err(NotAnAgent::WrongKey) => unauthorized(&state, NotAnAgent::WrongKey.in_words()),
        Err(why) => refusal(status_of(why), why.in_words()),
    }
}

fn status_of(why: NotAnAgent) -> StatusCode {
    match why {
        NotAnAgent::WrongKey => StatusCode::UNAUTHORIZED,
        NotAnAgent::OtherRole => StatusCode::FORBIDDEN,
        NotAnAgent::TooMany | NotAnAgent::OverRate => StatusCode::TOO_MANY_REQUESTS,
        NotAnAgent::Overloaded | NotAnAgent::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
    }
}

fn unauthorized(state: &AppState, why: &str) -> Response {
    let challenge = format!(
        "Bearer realm=\"Syncline\", resource_metadata=\"{}{METADATA}\"",
        state.public_url
    );
    let mut answer = refusal(StatusCode::UNAUTHORIZED, why);
    if let Ok(challenge) = challenge.parse() {
        answer
            .headers_mut()
            .insert(header::WWW_AUTHENTICATE, challenge);
    }
    answer
}

fn refusal(status: StatusCode, why: &str) -> Response {
    (status, Json(json!({"error": why}))).into_response()
}

/// The keys are ours, so there is no authorization server to go to.
async fn metadata(State(state): State<AppState>) -> Json<Value> {
    Json(json!({
        "resource": format!("{}{PATH}", state.public_url),
        "resource_name": "Syncline",
        "bearer_methods_supported": ["header"],
    }))
}
