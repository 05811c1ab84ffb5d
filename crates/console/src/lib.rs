//! Pages for people: HTML from the server, which works without JavaScript.
//!
//! `connect` is the page behind a magic link. The others are the console: each page has one file with
//! its handler and one template below `templates/console`, asks the API through its [`Viewer`]
//! (`viewer`), and is added to the routes below. `page`, `parts` and `words` are what pages are made
//! of, `live` makes marked parts of a page move, `sign_in` begins and ends sessions.
//!
//! [`Viewer`]: viewer::Viewer

mod activity;
mod api_keys;
mod assets;
mod audit_log;
mod connect;
mod connection;
mod customers;
mod failure;
mod forecast;
mod live;
mod overview;
mod page;
mod pager;
mod parts;
mod providers;
mod records;
mod resources;
mod runs;
mod same_site;
mod sign_in;
mod viewer;
mod webhook_messages;
mod webhooks;
mod words;

use axum::{
    Extension, Router,
    extract::Request,
    http::StatusCode,
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use syncline_server::{AppState, in_process::Api};

use crate::live::LivePages;

/// All pages, to be served beside the API that they call.
pub fn pages(state: &AppState, api: Api) -> Router<AppState> {
    connect_pages().merge(console(state, api))
}

/// The pages of customers alone, where the console is switched off.
pub fn connect_pages() -> Router<AppState> {
    Router::new()
        .route("/connect/{token}", get(connect::show))
        .route("/connect/{token}", post(connect::submit))
        .route("/assets/{file}", get(assets::serve))
}

fn console(state: &AppState, api: Api) -> Router<AppState> {
    let connection = "/console/customers/{customer_id}/connections/{provider}";
    let pages = Router::new()
        .route("/console", get(overview::show))
        .route("/console/", get(overview::show))
        .route("/console/sign-in", get(sign_in::show).post(sign_in::submit))
        .route("/console/sign-in/{token}", get(sign_in::by_link))
        .route("/console/sign-out", post(sign_in::leave))
        .route("/console/customers", get(customers::list))
        .route("/console/customers/{customer_id}", get(customers::show))
        .route(connection, get(connection::show).post(connection::control))
        .route(
            &format!("{connection}/records/{{object}}"),
            get(records::list),
        )
        .route(
            &format!("{connection}/records/{{object}}/{{id}}"),
            get(records::show),
        )
        .route("/console/syncs", get(runs::syncs))
        .route("/console/runs", get(runs::list))
        .route("/console/runs/{run_id}", get(runs::show))
        .route(
            "/console/runs/{run_id}/apply-deletes",
            post(runs::apply_deletes),
        )
        .route("/console/webhooks", get(webhooks::show))
        .route(
            "/console/webhooks/endpoints/{id}/test",
            post(webhooks::test),
        )
        .route("/console/webhooks/messages", get(webhook_messages::list))
        .route(
            "/console/webhooks/messages/{id}",
            get(webhook_messages::show),
        )
        .route(
            "/console/webhooks/messages/{id}/replay",
            post(webhook_messages::replay),
        )
        .route("/console/providers", get(providers::list))
        .route(
            "/console/sync-configs/{id}",
            get(providers::show).post(providers::submit),
        )
        .route("/console/api-keys", get(api_keys::list))
        .route("/console/api-keys/{id}/revoke", post(api_keys::revoke))
        .route("/console/audit-log", get(audit_log::list))
        .route("/console/{*path}", get(failure::nothing_here))
        .layer(middleware::from_fn(refuse_other_sites))
        .layer(Extension(api));
    let live = LivePages::new(pages.clone().with_state(state.clone()), state.tasks.clone());
    pages.layer(middleware::from_fn(move |request: Request, next: Next| {
        live.clone().or_page(request, next)
    }))
}

/// Whatever changes something is sent by our own pages.
async fn refuse_other_sites(request: Request, next: Next) -> Response {
    if !request.method().is_safe() && same_site::is_from_elsewhere(request.headers()) {
        let text = "This form was sent from another site. Open the console and try again.";
        return (StatusCode::FORBIDDEN, text).into_response();
    }
    next.run(request).await
}
