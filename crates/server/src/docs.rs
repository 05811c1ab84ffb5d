//! `/docs`: the OpenAPI documents as a page to browse and try. Swagger UI is part of the binary, so
//! the page works without a network.

use std::sync::Arc;

use axum::{
    Router,
    extract::Path,
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use utoipa_swagger_ui::Config;

use crate::{AppState, error::ApiError, openapi};

/// Everything is loaded from this server, and other sites can't embed the page.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
                      img-src 'self' data:; connect-src 'self'; base-uri 'none'; \
                      form-action 'none'; frame-ancestors 'none'";

/// Swagger UI's files change only with releases.
const A_DAY: &str = "public, max-age=86400";
const ASK_AGAIN: &str = "no-cache";

const PAGE: &str = include_str!("docs.html");

/// Swagger UI's files that the page uses.
const FILES: [&str; 5] = [
    "swagger-ui.css",
    "swagger-ui-bundle.js",
    "swagger-ui-standalone-preset.js",
    "favicon-16x16.png",
    "favicon-32x32.png",
];

pub(crate) fn routes() -> Router<AppState> {
    let script = start_script();
    Router::new()
        // Relative, so that it also works behind a proxy that serves this below another path.
        .route(
            "/docs",
            get(async || (StatusCode::FOUND, [(header::LOCATION, "docs/")])),
        )
        .route(
            "/docs/",
            get(async || text("text/html; charset=utf-8", PAGE.to_owned())),
        )
        .route(
            "/docs/start.js",
            get(async move || text("text/javascript; charset=utf-8", script)),
        )
        .route("/docs/{file}", get(file))
}

/// Starts the page with the documents that exist.
fn start_script() -> String {
    let documents: Vec<_> = openapi::documents()
        .into_iter()
        .map(|(api, _)| serde_json::json!({"name": api, "url": format!("../openapi/{api}.json")}))
        .collect();
    let documents = serde_json::Value::from(documents);
    format!(
        "window.ui = SwaggerUIBundle({{
  urls: {documents},
  dom_id: '#docs',
  deepLinking: true,
  // Otherwise it asks a validator on the internet.
  validatorUrl: null,
  presets: [SwaggerUIBundle.presets.apis, SwaggerUIStandalonePreset],
  layout: 'StandaloneLayout',
}});
"
    )
}

fn text(content_type: &'static str, body: String) -> Response {
    let headers = [
        (header::CONTENT_TYPE, content_type),
        (header::CACHE_CONTROL, ASK_AGAIN),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (headers, body).into_response()
}

async fn file(Path(name): Path<String>) -> Result<Response, ApiError> {
    let missing = || ApiError::NotFound(format!("/docs has no file {name}"));
    if !FILES.contains(&name.as_str()) {
        return Err(missing());
    }
    let file = utoipa_swagger_ui::serve(&name, Arc::new(Config::default()))
        .map_err(|error| ApiError::Internal(error.to_string()))?
        .ok_or_else(missing)?;
    let content_type = HeaderValue::try_from(file.content_type)
        .map_err(|error| ApiError::Internal(error.to_string()))?;
    let headers: [(HeaderName, HeaderValue); 4] = [
        (header::CONTENT_TYPE, content_type),
        // They are stored compressed, which every browser supports.
        (header::CONTENT_ENCODING, HeaderValue::from_static("gzip")),
        (header::CACHE_CONTROL, HeaderValue::from_static(A_DAY)),
        (
            header::X_CONTENT_TYPE_OPTIONS,
            HeaderValue::from_static("nosniff"),
        ),
    ];
    Ok((headers, file.bytes.into_owned()).into_response())
}
