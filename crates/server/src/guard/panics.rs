//! A panic is our own failure: it is logged, counted, and answered like other errors, and the
//! process continues.

use std::{any::Any, panic::AssertUnwindSafe};

use axum::response::{IntoResponse, Response};
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

/// The panic hook has logged the panic.
pub(crate) async fn answer_panics(handled: impl Future<Output = Response>) -> Response {
    AssertUnwindSafe(handled)
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
    use axum::{body::to_bytes, extract::Request, http::StatusCode};
    use metrics_exporter_prometheus::PrometheusBuilder;
    use serde_json::Value;

    use super::*;
    use crate::{
        error::{Asked, render},
        guard::RequestId,
    };

    #[tokio::test]
    async fn a_panic_is_answered_and_counted_and_nothing_of_it_is_told() {
        let recorder = PrometheusBuilder::new().build_recorder();
        let _here = metrics::set_default_local_recorder(&recorder);
        report_panics();
        let asked = Asked::of(&Request::default());
        let id = RequestId::new("the id".to_owned());

        let answer = answer_panics(async { panic!("a secret") }).await;
        let answer = render(&asked, &id, answer);
        assert_eq!(answer.status(), StatusCode::INTERNAL_SERVER_ERROR);
        let body = to_bytes(answer.into_body(), usize::MAX).await.unwrap();
        let body: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(body["errors"][0]["code"], "INTERNAL_SERVER_ERROR");
        assert!(!body.to_string().contains("secret"), "{body}");
        let fine = answer_panics(async { "fine".into_response() }).await;
        assert_eq!(fine.status(), StatusCode::OK);
        let counted = recorder.handle().render();
        assert!(counted.contains("syncline_panics_total 1"), "{counted}");
    }
}
