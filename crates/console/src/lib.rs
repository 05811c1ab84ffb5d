//! Pages for people: HTML from the server, which works without JavaScript.
//!
//! `connect` is the page behind a magic link. The others are the console: each has one file in `pages`
//! and one template in `templates/console`, asks the API through its `Viewer` (`viewer`), and is
//! added to the routes below. `page`, `parts` and `words` are what pages are made of, `live` makes
//! marked parts of a page move, `sign_in` begins and ends sessions.

mod activity;
mod address;
mod assets;
mod connect;
mod failure;
mod filter;
mod forecast;
mod jobs;
mod keys;
mod live;
mod messages;
mod page;
mod pager;
mod pages;
mod parts;
mod record;
mod resources;
mod same_site;
mod sign_in;
mod sync_config;
mod viewer;
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
        .route("/console", get(pages::overview::show))
        .route("/console/", get(pages::overview::show))
        .route("/console/sign-in", get(sign_in::show).post(sign_in::submit))
        .route("/console/sign-in/{token}", get(sign_in::by_link))
        .route("/console/sign-out", post(sign_in::leave))
        .route("/console/customers", get(pages::customers::list))
        .route(
            "/console/customers/{customer_id}",
            get(pages::customer::show),
        )
        .route(
            connection,
            get(pages::connection::show).post(pages::connection::control),
        )
        .route(&format!("{connection}/usage"), get(pages::usage::show))
        .route(
            &format!("{connection}/keys"),
            get(pages::connection::show).post(pages::keys::add),
        )
        .route(
            &format!("{connection}/keys/{{key_id}}/delete"),
            post(pages::keys::delete),
        )
        .route(
            &format!("{connection}/enrichment"),
            get(pages::enrichment::list).post(pages::enrichment::create),
        )
        .route(
            &format!("{connection}/enrichment/{{job_id}}"),
            get(pages::enrichment_job::show).post(pages::enrichment_job::control),
        )
        .route(
            &format!("{connection}/enrichment/{{job_id}}/results.csv"),
            get(pages::enrichment_job::download),
        )
        .route(
            &format!("{connection}/records/{{object}}"),
            get(pages::records::list),
        )
        .route(
            &format!("{connection}/records/{{object}}/{{id}}"),
            get(pages::record::show),
        )
        .route("/console/syncs", get(pages::syncs::list))
        .route("/console/runs", get(pages::runs::list))
        .route("/console/runs/{run_id}", get(pages::run::show))
        .route(
            "/console/runs/{run_id}/apply-deletes",
            post(pages::run::apply_deletes),
        )
        .route("/console/webhooks", get(pages::webhooks::show))
        .route(
            "/console/webhooks/endpoints/{id}/test",
            post(pages::webhooks::test),
        )
        .route(
            "/console/webhooks/messages",
            get(pages::webhook_messages::list),
        )
        .route(
            "/console/webhooks/messages/{id}",
            get(pages::webhook_message::show),
        )
        .route(
            "/console/webhooks/messages/{id}/replay",
            post(pages::webhook_message::replay),
        )
        .route("/console/providers", get(pages::providers::list))
        .route("/console/destinations", get(pages::destinations::list))
        .route(
            "/console/sync-configs/{id}",
            get(pages::sync_config::show).post(pages::sync_config::submit),
        )
        .route("/console/approvals", get(pages::approvals::list))
        .route("/console/approvals/{id}", get(pages::approvals::show))
        .route(
            "/console/approvals/{id}/approve",
            post(pages::approvals::approve),
        )
        .route("/console/approvals/{id}/deny", post(pages::approvals::deny))
        .route("/console/api-keys", get(pages::api_keys::list))
        .route(
            "/console/api-keys/{id}",
            get(pages::agent::show).post(pages::agent::submit),
        )
        .route(
            "/console/api-keys/{id}/revoke",
            post(pages::api_keys::revoke),
        )
        .route("/console/audit-log", get(pages::audit_log::list))
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
