//! `webhook_result/*`: late results for those who didn't get the callback.

use chrono::TimeDelta;

use super::Call;
use super::late::second;
use super::refusal::{Answer, Refusal};
use crate::json::Object;

/// How long results are kept.
const KEPT: TimeDelta = TimeDelta::days(30);

pub(crate) fn show(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let refuse = |status: u16, code: &str| {
        let mut o = Object::new();
        o.text("error_code", code);
        Refusal::json(status, o.finish())
    };
    let Ok(id) = call.id.parse::<i64>() else {
        return Err(refuse(400, "invalid_request_id"));
    };
    if call.team.late.is_waiting(id) {
        let mut o = Object::new();
        o.text("error_code", "result_pending")
            .number("retry_after_seconds", 10);
        return Err(Refusal::json(404, o.finish()));
    }
    let Some(result) = call.team.late.result(id) else {
        return Err(refuse(404, "request_id_unknown"));
    };
    if call.now - result.since > KEPT {
        return Err(refuse(410, "request_id_expired"));
    }
    let status = match (&result.failure, result.dispatched_at) {
        (Some(_), _) => "failed",
        (None, Some(_)) => "success",
        (None, None) => "in_progress",
    };
    let mut o = Object::with_capacity(4096);
    o.text("request_id", &id.to_string())
        .text("webhook_status", status)
        .text("request_type", result.kind.name())
        .maybe(
            "last_dispatched_at",
            result.dispatched_at.map(second).as_deref(),
        )
        .maybe("failure_reason", result.failure.as_deref())
        .raw("webhook_result", &String::from_utf8_lossy(&result.body));
    Ok(Answer::one(o.finish()))
}
