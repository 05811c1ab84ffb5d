//! A panic is our own failure: it is logged, counted, and answered like other errors, and the
//! process continues.

use std::{any::Any, panic::AssertUnwindSafe};

use axum::{
    extract::Request,
    middleware::Next,
    response::{IntoResponse, Response},
};
use futures::FutureExt;

use crate::error::ApiError;

/// Logs and counts every panic of the process. The log line has the location and, in a request, the
/// request's id.
pub fn report_panics() {
    metrics::describe_counter!(
        "syncline_panics_total",
        "Panics, in requests and everywhere else"
    );
    metrics::counter!("syncline_panics_total").absolute(0);
    std::panic::set_hook(Box::new(|panic| {
        metrics::counter!("syncline_panics_total").increment(1);
        let place = panic.location().map(ToString::to_string);
        let place = place.unwrap_or_default();
        let what = said(panic.payload());
        tracing::error!("panic at {place}: {what}");
    }));
}

/// The layer around all handlers. The panic hook has logged the panic.
pub(crate) async fn answer_panics(request: Request, next: Next) -> Response {
    AssertUnwindSafe(next.run(request))
        .catch_unwind()
        .await
        .unwrap_or_else(|panic| {
            let what = said(&*panic);
            ApiError::Internal(format!("a panic: {what}")).into_response()
        })
}

fn said(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| payload.downcast_ref::<&str>().copied());
    text.unwrap_or("no message")
}

#[cfg(test)]
mod tests {
    use axum::{
        Router,
        body::{Body, to_bytes},
        http::StatusCode,
        middleware::from_fn,
        routing::get,
    };
    use metrics_exporter_prometheus::PrometheusBuilder;
    use serde_json::Value;
    use tower::ServiceExt;

    use super::*;

    #[tokio::test]
    async fn a_panic_is_answered_and_counted_and_nothing_of_it_is_told() {
        let recorder = PrometheusBuilder::new().build_recorder();
        let _here = metrics::set_default_local_recorder(&recorder);
        report_panics();
        let router = Router::new()
            .route("/panic", get(async || -> &str { panic!("a secret") }))
            .route("/", get(async || "fine"))
            .layer(from_fn(answer_panics))
            .layer(from_fn(crate::error::render));
        let get = |path: &str| {
            let request = Request::builder().uri(path).body(Body::empty()).unwrap();
            router.clone().oneshot(request)
        };

        let answer = get("/panic").await.unwrap();
        assert_eq!(answer.status(), StatusCode::INTERNAL_SERVER_ERROR);
        let body = to_bytes(answer.into_body(), usize::MAX).await.unwrap();
        let body: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(body["errors"][0]["code"], "INTERNAL_SERVER_ERROR");
        assert!(!body.to_string().contains("secret"), "{body}");
        assert_eq!(get("/").await.unwrap().status(), StatusCode::OK);
        let counted = recorder.handle().render();
        assert!(counted.contains("syncline_panics_total 1"), "{counted}");
    }
}
