//! Calls of the APIs from within this process, for pages: the same routes as over HTTP, with the same
//! authorization, audit log and errors, on behalf of somebody who is signed in.

use axum::{
    Router,
    body::{Body, Bytes, to_bytes},
    http::{HeaderName, Method, Request, StatusCode, header},
    response::Response,
};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;
use tower::ServiceExt;

use crate::{AppState, every_request, sessions::SignedIn};

/// The largest answer that is read, in bytes.
const MAX_ANSWER: usize = 64 * 1024 * 1024;

/// The APIs. Cheap to clone.
#[derive(Clone)]
pub struct Api {
    routes: Router,
}

/// A call of the API.
pub struct ApiCall<'c> {
    pub method: Method,
    /// With its query, such as `/mgmt/v2/syncs?page_size=20`.
    pub path: &'c str,
    pub headers: &'c [(HeaderName, String)],
    pub body: Option<CallBody>,
}

/// What is sent with a call.
pub enum CallBody {
    Json(Value),
    Csv(String),
}

/// An answer that is no success, or none.
#[derive(Debug)]
pub struct ApiFailure {
    pub status: StatusCode,
    /// What went wrong, in words.
    pub title: String,
    /// The field that is wrong, if it is one.
    pub field: Option<String>,
}

impl Api {
    pub(crate) fn new(routes: Router<AppState>, state: &AppState) -> Self {
        let routes = every_request::pass_through(routes, state.clone());
        Self { routes }
    }

    /// Makes a call on behalf of who is signed in, and reads its answer.
    pub async fn call<T: DeserializeOwned>(
        &self,
        who: &SignedIn,
        call: ApiCall<'_>,
    ) -> Result<T, ApiFailure> {
        let body = whole(self.stream(who, call).await?).await?;
        let body: &[u8] = if body.is_empty() { b"null" } else { &body };
        serde_json::from_slice(body).map_err(|error| ApiFailure::ours(&error))
    }

    /// The same, for an answer that is not read here, because it may be long.
    pub async fn stream(&self, who: &SignedIn, call: ApiCall<'_>) -> Result<Response, ApiFailure> {
        let answer = self.routes.clone().oneshot(call.request(who)?).await;
        let Ok(answer) = answer;
        let status = answer.status();
        if status.is_success() {
            return Ok(answer);
        }
        Err(ApiFailure::read(status, &whole(answer).await?))
    }
}

async fn whole(answer: Response) -> Result<Bytes, ApiFailure> {
    let body = to_bytes(answer.into_body(), MAX_ANSWER).await;
    body.map_err(|error| ApiFailure::ours(&error))
}

impl ApiCall<'_> {
    fn request(self, who: &SignedIn) -> Result<Request<Body>, ApiFailure> {
        let mut request = Request::builder().method(self.method).uri(self.path);
        for (name, value) in self.headers {
            request = request.header(name, value.as_bytes());
        }
        let (content_type, body) = match self.body {
            Some(CallBody::Json(body)) => ("application/json", Body::from(body.to_string())),
            Some(CallBody::Csv(body)) => ("text/csv", Body::from(body)),
            None => ("", Body::empty()),
        };
        if !content_type.is_empty() {
            request = request.header(header::CONTENT_TYPE, content_type);
        }
        let request = request.extension(who.clone()).body(body);
        request.map_err(|error| ApiFailure::ours(&error))
    }
}

/// What is read of an error's body.
#[derive(Deserialize)]
struct Errors {
    errors: Vec<ErrorEntry>,
}

#[derive(Deserialize)]
struct ErrorEntry {
    title: String,
    source: Option<ErrorSource>,
}

#[derive(Deserialize)]
struct ErrorSource {
    pointer: String,
}

impl ApiFailure {
    fn read(status: StatusCode, body: &[u8]) -> Self {
        let errors: Option<Errors> = serde_json::from_slice(body).ok();
        let first = errors.and_then(|it| it.errors.into_iter().next());
        match first {
            Some(first) => Self {
                status,
                title: first.title,
                field: first.source.map(|source| source.pointer),
            },
            None => Self {
                status,
                title: status.to_string(),
                field: None,
            },
        }
    }

    fn ours(error: &impl std::fmt::Display) -> Self {
        tracing::error!("a call within the process failed: {error}");
        Self {
            status: StatusCode::INTERNAL_SERVER_ERROR,
            title: "Internal Server Error".to_owned(),
            field: None,
        }
    }
}
