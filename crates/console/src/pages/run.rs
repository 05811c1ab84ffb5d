//! One run: what it read, how complete that was, and why it waits or failed. Deletions that it held can
//! be applied.

use askama::Template;
use axum::{
    extract::Path,
    http::{Method, StatusCode},
    response::Response,
};
use serde_json::Value;
use syncline_model::Time;

use crate::{
    address::encoded,
    failure::Failure,
    page::{Policy, answer},
    resources::Run,
    viewer::{Frame, Viewer},
    words::{count, plain},
};

#[derive(Template)]
#[template(path = "console/run.html")]
struct RunPage {
    frame: Frame,
    now: Time,
    run: Run,
    may_apply: bool,
}

pub(crate) async fn show(viewer: Viewer, Path(run_id): Path<String>) -> Result<Response, Failure> {
    let path = format!("/mgmt/v2/sync-runs/{}", encoded(&run_id));
    let page = RunPage {
        run: viewer.get(&path).await?,
        may_apply: viewer.may(&Method::POST, &format!("{path}/_apply_deletes")),
        now: viewer.now,
        frame: viewer.frame,
    };
    Ok(answer(StatusCode::OK, Policy::OwnScript, &page))
}

/// Applies the deletions that the run held.
pub(crate) async fn apply_deletes(
    viewer: Viewer,
    Path(run_id): Path<String>,
) -> Result<Response, Failure> {
    let run_id = encoded(&run_id);
    let path = format!("/mgmt/v2/sync-runs/{run_id}/_apply_deletes");
    viewer.change(Method::POST, &path, &[], None).await?;
    Ok(viewer.back_to(&format!("/console/runs/{run_id}"), "applied"))
}

/// A rejected record's id and the reason, as text.
fn rejected(rejection: &Value) -> (String, String) {
    let text = |name: &str| match &rejection[name] {
        Value::String(text) => text.clone(),
        Value::Null => "–".to_owned(),
        other => other.to_string(),
    };
    (text("id"), text("reason"))
}

impl RunPage {
    /// How far it is, in percent, while the total is known.
    fn percent(&self) -> Option<i64> {
        let reported = self.run.coverage.as_ref()?.records_reported?;
        (reported > 0).then(|| (self.run.records_read() * 100 / reported).min(100))
    }

    fn rejections(&self) -> Vec<(String, String)> {
        self.run.rejections.iter().map(rejected).collect()
    }
}
