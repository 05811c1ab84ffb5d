//! The whole URL table.

use axum::{
    Router,
    extract::{MatchedPath, Request},
    http::StatusCode,
    middleware::{self, Next},
    response::Response,
    routing::{any, get, post},
};
use tokio::time::Instant;
use utoipa::{OpenApi as _, openapi::OpenApi as Document};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    AppState, actions, audit, docs, engagement, enrichment, every_request, guard, health,
    idempotency::{self, Once},
    in_process::Api,
    mgmt, oauth, openapi, scim,
};

/// The APIs within this process, for what calls them there.
pub fn api(state: &AppState) -> Api {
    let (apis, _) = apis(state);
    Api::new(apis, state)
}

/// The APIs' documents, by where they are served.
type Documents = [(&'static str, Document); 5];

/// The APIs, with what every one of their calls passes through.
fn apis(state: &AppState) -> (Router<AppState>, Documents) {
    let (mgmt, mgmt_document) = openapi::finish(mgmt_routes(), "mgmt");
    let (engagement, engagement_document) = openapi::finish(engagement_routes(), "engagement");
    let (actions, actions_document) = openapi::finish(actions_routes(), "actions");
    let (enrichment, enrichment_document) = openapi::finish(enrichment_routes(), "enrichment");
    let (scim, scim_document) = openapi::finish(scim_routes(), "scim");
    let writes = Once::of(state, &engagement_document, "/engagement/v2");
    let once = middleware::from_fn_with_state(writes, idempotency::once);
    let jobs = Once::of(state, &enrichment_document, "/enrichment/v2");
    let job_once = middleware::from_fn_with_state(jobs, idempotency::once);
    let audited = middleware::from_fn_with_state(state.clone(), audit::record_audit);
    let apis = Router::new()
        .nest("/mgmt/v2", mgmt)
        .nest("/engagement/v2", engagement.layer(once))
        .nest("/actions/v2", actions)
        .nest("/enrichment/v2", enrichment.layer(job_once))
        .nest(scim::BASE, scim.clone())
        .nest(scim::BASE_OF_CUSTOMER, scim)
        .merge(oauth::routes())
        .merge(enrichment::callbacks::routes())
        .layer(audited);
    let documents = [
        ("/openapi/mgmt.json", mgmt_document),
        ("/openapi/engagement.json", engagement_document),
        ("/openapi/actions.json", actions_document),
        ("/openapi/enrichment.json", enrichment_document),
        ("/openapi/scim.json", scim_document),
    ];
    (apis, documents)
}

/// The service, ready to be served. `pages` are those for people, and whatever else calls the APIs.
pub fn router(state: AppState, pages: impl FnOnce(&AppState, Api) -> Router<AppState>) -> Router {
    let (apis, documents) = apis(&state);
    let pages = pages(&state, Api::new(apis.clone(), &state));
    let apis = apis
        .merge(pages)
        .layer(middleware::from_fn_with_state(state.clone(), guard::admit));
    let mut router = Router::new().merge(apis);
    for (path, document) in documents {
        router = router.route(path, get(openapi::serve(document)));
    }
    let router = router
        .merge(docs::routes())
        .merge(health_routes())
        .layer(middleware::from_fn(count));
    every_request::pass_through(router, state)
}

/// The router of a process that serves no API: health and metrics.
pub fn health_router(state: AppState) -> Router {
    every_request::pass_through(health_routes(), state)
}

/// Exempt from the limit of concurrent requests: they must answer when the process is overloaded.
fn health_routes() -> Router<AppState> {
    Router::new()
        .route("/healthz", get(health::healthz))
        .route("/readyz", get(health::readyz))
        .route("/metrics", get(health::metrics))
}

pub(crate) fn mgmt_routes() -> OpenApiRouter<AppState> {
    use mgmt::{
        api_keys, approvals, audit_log, connection_sync_configs, customers, destinations, forecast,
        magic_links, providers, records, sync_configs, sync_runs, syncs, webhook_endpoints,
        webhook_messages,
    };
    OpenApiRouter::new()
        .routes(routes!(
            customers::list_customers,
            customers::upsert_customer
        ))
        .routes(routes!(customers::get_customer, customers::delete_customer))
        .routes(routes!(customers::get_customer_health))
        .routes(routes!(records::erase_person))
        .merge(connection_routes())
        .routes(routes!(
            providers::list_providers,
            providers::create_provider
        ))
        .routes(routes!(
            providers::get_provider,
            providers::update_provider,
            providers::delete_provider
        ))
        .routes(routes!(
            destinations::list_destinations,
            destinations::create_destination
        ))
        .routes(routes!(
            destinations::get_destination,
            destinations::update_destination,
            destinations::delete_destination
        ))
        .routes(routes!(destinations::test_destination))
        .routes(routes!(
            sync_configs::list_sync_configs,
            sync_configs::create_sync_config
        ))
        .routes(routes!(
            sync_configs::get_sync_config,
            sync_configs::update_sync_config,
            sync_configs::delete_sync_config
        ))
        .routes(routes!(forecast::forecast_sync_config))
        .routes(routes!(
            connection_sync_configs::get_connection_sync_config,
            connection_sync_configs::upsert_connection_sync_config,
            connection_sync_configs::delete_connection_sync_config
        ))
        .routes(routes!(
            magic_links::list_magic_links,
            magic_links::create_magic_link
        ))
        .routes(routes!(magic_links::delete_magic_link))
        .routes(routes!(api_keys::list_api_keys, api_keys::create_api_key))
        .routes(routes!(
            api_keys::get_api_key,
            api_keys::update_api_key,
            api_keys::revoke_api_key
        ))
        .routes(routes!(approvals::list_approvals))
        .routes(routes!(approvals::get_approval))
        .routes(routes!(approvals::approve))
        .routes(routes!(approvals::deny))
        .routes(routes!(audit_log::list_audit_log))
        .routes(routes!(syncs::list_syncs))
        .routes(routes!(syncs::pause_sync))
        .routes(routes!(syncs::resume_sync))
        .routes(routes!(syncs::trigger_sync))
        .routes(routes!(sync_runs::list_sync_runs))
        .routes(routes!(sync_runs::get_sync_run))
        .routes(routes!(sync_runs::apply_deletes))
        .routes(routes!(
            webhook_endpoints::list_webhook_endpoints,
            webhook_endpoints::create_webhook_endpoint
        ))
        .routes(routes!(
            webhook_endpoints::get_webhook_endpoint,
            webhook_endpoints::update_webhook_endpoint,
            webhook_endpoints::delete_webhook_endpoint
        ))
        .routes(routes!(webhook_endpoints::rotate_webhook_secret))
        .routes(routes!(webhook_endpoints::test_webhook_endpoint))
        .routes(routes!(webhook_endpoints::replay_to_webhook_endpoint))
        .routes(routes!(webhook_messages::list_webhook_messages))
        .routes(routes!(webhook_messages::get_webhook_message))
        .routes(routes!(webhook_messages::replay_webhook_message))
        // Supaglue used a hyphen here and underscores everywhere else; both work.
        .route("/sync_runs", get(sync_runs::list_sync_runs))
        .route("/sync_runs/{run_id}", get(sync_runs::get_sync_run))
        .route(
            "/sync_runs/{run_id}/_apply_deletes",
            post(sync_runs::apply_deletes),
        )
}

/// A customer's connections, and what is shown of one.
fn connection_routes() -> OpenApiRouter<AppState> {
    use mgmt::{connection_keys, connections, provenance, rate_limit_info, usage};
    OpenApiRouter::new()
        .routes(routes!(
            connections::list_connections,
            connections::create_connection
        ))
        .routes(routes!(
            connections::get_connection,
            connections::update_connection,
            connections::delete_connection
        ))
        .routes(routes!(
            connection_keys::list_connection_keys,
            connection_keys::create_connection_key
        ))
        .routes(routes!(
            connection_keys::update_connection_key,
            connection_keys::delete_connection_key
        ))
        .routes(routes!(rate_limit_info::get_rate_limit_info))
        .routes(routes!(usage::get_usage))
        .routes(routes!(provenance::get_provenance))
}

pub(crate) fn engagement_routes() -> OpenApiRouter<AppState> {
    use engagement::{
        accounts, change_stream, changes, contacts, enrolments, mailboxes, sequence_states,
        sequence_steps, sequences, tasks, users,
    };
    OpenApiRouter::new()
        .routes(routes!(accounts::list_accounts, accounts::create_account))
        .routes(routes!(accounts::search_accounts))
        .routes(routes!(accounts::upsert_account))
        .routes(routes!(accounts::get_account, accounts::update_account))
        .routes(routes!(contacts::list_contacts, contacts::create_contact))
        .routes(routes!(contacts::search_contacts))
        .routes(routes!(contacts::get_contact, contacts::update_contact))
        .routes(routes!(users::list_users))
        .routes(routes!(users::get_user))
        .routes(routes!(mailboxes::list_mailboxes))
        .routes(routes!(mailboxes::get_mailbox))
        .routes(routes!(
            sequences::list_sequences,
            sequences::create_sequence
        ))
        .routes(routes!(sequences::get_sequence))
        .routes(routes!(sequence_steps::create_sequence_step))
        .routes(routes!(sequence_steps::update_sequence_step))
        .routes(routes!(
            sequence_states::list_sequence_states,
            enrolments::create_sequence_state
        ))
        .routes(routes!(sequence_states::search_sequence_states))
        .routes(routes!(enrolments::create_sequence_states))
        .routes(routes!(enrolments::leave_sequence))
        .routes(routes!(sequence_states::get_sequence_state))
        .routes(routes!(changes::list_changes))
        .routes(routes!(change_stream::stream_changes))
        .routes(routes!(tasks::create_task))
        .routes(routes!(tasks::search_tasks))
        .routes(routes!(tasks::complete_task))
}

pub(crate) fn actions_routes() -> OpenApiRouter<AppState> {
    use actions::{call, catalogue, passthrough, proxy};
    // An OpenAPI document can't express "any method", so the proxy's part is not generated from its
    // route.
    OpenApiRouter::with_openapi(openapi::Proxy::openapi())
        .routes(routes!(catalogue::list_actions))
        .routes(routes!(call::call_action))
        .routes(routes!(passthrough::send_passthrough_request))
        .route("/proxy/{*path}", any(proxy::proxy))
}

pub(crate) fn enrichment_routes() -> OpenApiRouter<AppState> {
    use enrichment::{jobs, organizations, persons};
    OpenApiRouter::new()
        .routes(routes!(persons::enrich_person))
        .routes(routes!(organizations::enrich_organization))
        .routes(routes!(
            jobs::list_enrichment_jobs,
            jobs::create::create_enrichment_job
        ))
        .routes(routes!(jobs::get_enrichment_job))
        .routes(routes!(jobs::results::get_enrichment_results))
        .routes(routes!(jobs::cancel_enrichment_job))
        .routes(routes!(jobs::continue_enrichment_job))
}

pub(crate) fn scim_routes() -> OpenApiRouter<AppState> {
    use scim::{discovery, users};
    OpenApiRouter::new()
        .routes(routes!(users::list_users))
        .routes(routes!(users::get_user))
        .routes(routes!(discovery::get_service_provider_config))
        .routes(routes!(discovery::list_resource_types))
        .routes(routes!(discovery::get_resource_type))
        .routes(routes!(discovery::list_schemas))
        .routes(routes!(discovery::get_schema))
        .route("/Me", get(discovery::get_me))
}

/// The API that a route belongs to.
fn api_of(route: &str) -> &'static str {
    match route.split('/').nth(1) {
        Some("mgmt") => "mgmt",
        Some("engagement") => "engagement",
        Some("actions") => "actions",
        Some("enrichment") => "enrichment",
        Some("scim") => "scim",
        _ => "other",
    }
}

fn class_of(status: StatusCode) -> &'static str {
    match status.as_u16() {
        200..=299 => "2xx",
        300..=399 => "3xx",
        400..=499 => "4xx",
        500..=599 => "5xx",
        _ => "1xx",
    }
}

/// Counts answers by route and status, and how long they took.
async fn count(path: Option<MatchedPath>, request: Request, next: Next) -> Response {
    let method = guard::known(request.method());
    let began = Instant::now();
    let response = next.run(request).await;
    let took = began.elapsed();
    let path = path.map_or_else(|| "unmatched".to_owned(), |path| path.as_str().to_owned());
    metrics::histogram!(
        "syncline_http_request_duration_seconds",
        "api" => api_of(&path),
        "status" => class_of(response.status()),
    )
    .record(took);
    metrics::counter!(
        "syncline_http_requests_total",
        "method" => method,
        "path" => path,
        "status" => response.status().as_u16().to_string(),
    )
    .increment(1);
    response
}
