//! How faults act: some answer instead of the endpoint, others change its answer.

use bytes::Bytes;

use crate::apollo::refusal::Refusal;
use crate::fault::Action;
use crate::limits::{Exhausted, Window};
use crate::request::SimReply;

type Instead = (Refusal, Vec<(String, String)>);

/// The answer of a fault that keeps the request from being carried out.
pub(super) fn instead(fault: &Action, action: &str) -> Option<Instead> {
    let refusal = match fault {
        Action::Answer { status, body, .. } => Refusal::json(*status, body.clone()),
        Action::KeyRevoked => Refusal::bad_key(),
        Action::AlreadyProcessing => Refusal::error(
            429,
            "We are already processing the request for your sequence",
        ),
        Action::RateLimited {
            window,
            retry_after,
        } => {
            let limit = match window {
                Window::Minute => 200,
                Window::Hour => 400,
                Window::Day => 2_000,
            };
            let exhausted = Exhausted {
                window: *window,
                limit,
                resets_in: 0,
            };
            let retry_after =
                retry_after.map(|seconds| ("retry-after".to_owned(), seconds.to_string()));
            return Some((
                Refusal::too_many(action, exhausted),
                retry_after.into_iter().collect(),
            ));
        }
        _ => return None,
    };
    Some((refusal, Vec::new()))
}

/// Applies a fault to a finished answer.
pub(super) fn spoil(reply: &mut SimReply, fault: Option<&Action>) {
    match fault {
        Some(Action::Answer { content_type, .. }) => {
            if let Some((_, value)) = reply
                .headers
                .iter_mut()
                .find(|(name, _)| name == "content-type")
            {
                value.clone_from(content_type);
            }
        }
        Some(Action::AppliedThenServerError) => {
            reply.status = 500;
            reply.body = Bytes::from_static(br#"{"status":500,"error":"Internal Server Error"}"#);
        }
        Some(Action::Respell(from, to)) => {
            let body = String::from_utf8_lossy(&reply.body).replace(from, to);
            reply.body = Bytes::from(body);
        }
        Some(Action::InvalidResponse) => {
            reply.body = Bytes::from_static(b"{\"contacts\":[{\"id\":\"6a0a\x00\xff<html>");
        }
        Some(Action::Wire(wire)) => reply.wire = Some(*wire),
        _ => {}
    }
}

/// Records that were served, whether they arrived or not.
pub(super) fn reply_records(reply: &SimReply, records: usize) -> usize {
    if reply.status == 200 { records } else { 0 }
}
