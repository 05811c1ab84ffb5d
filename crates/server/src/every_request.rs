//! What every request passes through, whatever its route: it gets an id and a context, and its answer
//! the body of an error, headers, and lines in the log.
//!
//! One layer and not one each: a layer costs a request several allocations and copies.

use axum::{
    Router,
    extract::{MatchedPath, Request, State},
    middleware::{self, Next},
    response::Response,
};
use tracing::Instrument;

use crate::{
    AppState,
    call::CallContext,
    error::{self, Asked},
    guard::{self, RequestId},
};

/// The routes, within the outermost layer.
pub(crate) fn pass_through(routes: Router<AppState>, state: AppState) -> Router {
    let around = middleware::from_fn_with_state(state.clone(), around);
    routes.layer(around).with_state(state)
}

async fn around(
    State(state): State<AppState>,
    path: Option<MatchedPath>,
    mut request: Request,
    next: Next,
) -> Response {
    let id = RequestId::new(state.ids.id(state.clock.now()));
    // At error level, so that every log filter keeps it. The raw path could have any length and
    // contain ids.
    let span = tracing::error_span!(
        "request",
        request.id = id.as_str(),
        method = guard::known(request.method()),
        route = path.as_ref().map_or("unmatched", MatchedPath::as_str),
    );
    let call = CallContext::default();
    let asked = Asked::of(&request);
    request.extensions_mut().insert(id.clone());
    request.extensions_mut().insert(call.clone());
    async move {
        let response = guard::answer_panics(next.run(request)).await;
        let mut response = error::render(&asked, &id, response);
        guard::add_rate_limit_headers(&call, &mut response);
        guard::shield(&mut response);
        id.add_to(&mut response);
        call.log(&asked, response.status());
        tracing::debug!("answered with {}", response.status());
        response
    }
    .instrument(span)
    .await
}
