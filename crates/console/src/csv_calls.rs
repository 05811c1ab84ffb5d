//! Calls of the API whose body or answer is CSV. An answer is passed on while it is read, so that a long
//! list is never in memory as a whole.

use std::sync::{Arc, OnceLock};

use axum::{
    Router,
    body::{Body, to_bytes},
    http::{HeaderName, Method, Request, StatusCode, header},
    response::Response,
};
use serde_json::Value;
use syncline_server::{AppState, in_process::ApiFailure, router, sessions::SignedIn};
use tower::ServiceExt;

/// The largest error that is read, in bytes.
const MAX_ERROR: usize = 64 * 1024;

/// The API as it is served, without pages. Cheap to clone.
#[derive(Clone)]
pub(crate) struct CsvCalls {
    state: AppState,
    /// Made by the first call, because most processes make none.
    routes: Arc<OnceLock<Router>>,
}

pub(crate) struct CsvCall<'c> {
    pub(crate) method: Method,
    pub(crate) path: &'c str,
    pub(crate) headers: &'c [(HeaderName, String)],
    pub(crate) csv: Option<String>,
}

impl CsvCalls {
    pub(crate) fn new(state: &AppState) -> Self {
        Self {
            state: state.clone(),
            routes: Arc::default(),
        }
    }

    /// Makes a call on behalf of who is signed in.
    pub(crate) async fn make(
        &self,
        who: &SignedIn,
        call: CsvCall<'_>,
    ) -> Result<Response, ApiFailure> {
        let mut request = Request::builder().method(call.method).uri(call.path);
        for (name, value) in call.headers {
            request = request.header(name, value.as_bytes());
        }
        if call.csv.is_some() {
            request = request.header(header::CONTENT_TYPE, "text/csv");
        }
        let body = call.csv.map_or_else(Body::empty, Body::from);
        // What a browser can put into a header is checked by `http`.
        let request = request.extension(who.clone()).body(body);
        let request = request.map_err(|error| ApiFailure {
            status: StatusCode::BAD_REQUEST,
            title: error.to_string(),
            field: None,
        })?;
        let routes = self.routes.get_or_init(|| {
            let no_pages = |_: &AppState, _| Router::new();
            router(self.state.clone(), no_pages)
        });
        let Ok(answer) = routes.clone().oneshot(request).await;
        if answer.status().is_success() {
            return Ok(answer);
        }
        Err(failure(answer).await)
    }
}

async fn failure(answer: Response) -> ApiFailure {
    let status = answer.status();
    let body = to_bytes(answer.into_body(), MAX_ERROR).await;
    let body: Value = body.map_or(Value::Null, |body| {
        serde_json::from_slice(&body).unwrap_or_default()
    });
    let text = |at: &str| body.pointer(at).and_then(Value::as_str).map(str::to_owned);
    ApiFailure {
        status,
        title: text("/errors/0/title").unwrap_or_else(|| status.to_string()),
        field: text("/errors/0/source/pointer"),
    }
}
