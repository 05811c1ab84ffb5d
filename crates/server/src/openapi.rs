//! The OpenAPI documents, generated from the handlers.

use std::sync::{Arc, LazyLock};

use axum::{Router, body::Bytes, http::header, response::IntoResponse};
use utoipa::{
    Modify, OpenApi,
    openapi::{
        ContentBuilder, InfoBuilder, LicenseBuilder, OpenApi as Document, Ref, RefOr,
        ResponseBuilder, SecurityRequirement, ServerBuilder,
        request_body::RequestBodyBuilder,
        security::{ApiKey, ApiKeyValue, SecurityScheme},
    },
};
use utoipa_axum::router::OpenApiRouter;

use crate::{AppState, actions, error::ErrorBody, router, scim};

/// An object's name in a schema: utoipa treats a field of type `Object` as any JSON object.
pub(crate) type ObjectName = syncline_model::Object;

/// The documents by name, as they are committed in `openapi/` and served at `/openapi/<name>.json`.
pub fn documents() -> Vec<(&'static str, String)> {
    vec![
        ("mgmt", render(&finish(router::mgmt_routes(), "mgmt").1)),
        (
            "engagement",
            render(&finish(router::engagement_routes(), "engagement").1),
        ),
        (
            "actions",
            render(&finish(router::actions_routes(), "actions").1),
        ),
        (
            "enrichment",
            render(&finish(router::enrichment_routes(), "enrichment").1),
        ),
        ("scim", render(&finish(router::scim_routes(), "scim").1)),
    ]
}

/// What every document contains and no handler declares.
#[derive(OpenApi)]
#[openapi(components(schemas(ErrorBody)), modifiers(&Security))]
struct Common;

/// The proxy's operations, which its route can't declare.
#[derive(OpenApi)]
#[openapi(paths(actions::proxy::proxy), modifiers(&PerMethod))]
pub(crate) struct Proxy;

/// One handler, but one operation per method: each has its own id, and some take a body.
struct PerMethod;

impl Modify for PerMethod {
    fn modify(&self, document: &mut Document) {
        let any = ContentBuilder::new().build();
        let body = RequestBodyBuilder::new().content("*/*", any).build();
        for item in document.paths.paths.values_mut() {
            for (operation, id, takes_body) in [
                (&mut item.get, "proxyGetRequest", false),
                (&mut item.put, "proxyPutRequest", true),
                (&mut item.post, "proxyPostRequest", true),
                (&mut item.patch, "proxyPatchRequest", true),
                (&mut item.delete, "proxyDeleteRequest", false),
            ] {
                if let Some(operation) = operation {
                    operation.operation_id = Some(id.to_owned());
                    operation.request_body = takes_body.then(|| RefOr::T(body.clone()));
                }
            }
        }
    }
}

struct Security;

impl Modify for Security {
    fn modify(&self, document: &mut Document) {
        let key = SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::new("x-api-key")));
        if let Some(components) = &mut document.components {
            components.add_security_scheme("x-api-key", key);
        }
        document.security = Some(vec![SecurityRequirement::new::<_, _, String>(
            "x-api-key",
            [],
        )]);
    }
}

/// Splits the routes from their document and completes the document.
pub(crate) fn finish(routes: OpenApiRouter<AppState>, api: &str) -> (Router<AppState>, Document) {
    let (routes, mut document) = routes.split_for_parts();
    let (common, failure) = match api {
        "scim" => (
            scim::document::Common::openapi(),
            scim::errors::documented(),
        ),
        _ => (Common::openapi(), any_error()),
    };
    document.merge(common);
    if api == "mgmt" {
        crate::mgmt::webhook_events::describe(&mut document);
    }
    if api == "actions" {
        crate::actions::document::describe(&mut document);
    }
    if matches!(api, "engagement" | "enrichment") {
        crate::idempotency::describe(&mut document);
    }
    document.info = InfoBuilder::new()
        .title(format!("Syncline {api} API"))
        .version("2")
        .license(Some(LicenseBuilder::new().name("Apache-2.0").build()))
        .build();
    document.servers = Some(vec![ServerBuilder::new().url(format!("/{api}/v2")).build()]);
    for item in document.paths.paths.values_mut() {
        let operations = [
            &mut item.get,
            &mut item.put,
            &mut item.post,
            &mut item.patch,
            &mut item.delete,
        ];
        for operation in operations.into_iter().flatten() {
            operation
                .responses
                .responses
                // The proxy declares its own default response, because its answers are the
                // provider's.
                .entry("default".to_owned())
                .or_insert_with(|| RefOr::T(failure.clone()));
        }
    }
    if api == "scim" {
        scim::document::describe(&mut document);
    }
    (routes, document)
}

fn any_error() -> utoipa::openapi::Response {
    let schema = Ref::from_schema_name("errors");
    ResponseBuilder::new()
        .description("What went wrong")
        .content(
            "application/json",
            ContentBuilder::new().schema(Some(schema)).build(),
        )
        .build()
}

fn render(document: &Document) -> String {
    let mut json = document.to_pretty_json().unwrap_or_default();
    json.push('\n');
    json
}

/// A handler that answers with the document. It is written when it is first asked for, because it is
/// large, and most processes are never asked.
pub(crate) fn serve(
    document: Document,
) -> impl Fn() -> std::future::Ready<axum::response::Response> + Clone + use<> {
    let json = Arc::new(LazyLock::new(move || Bytes::from(render(&document))));
    move || {
        let headers = [(header::CONTENT_TYPE, "application/json")];
        std::future::ready((headers, Bytes::clone(&json)).into_response())
    }
}
