//! Faults that answer instead of the endpoint.

use super::refusal::Refusal;
use crate::fault::Action;
use crate::limits::{Exhausted, Window};

type Instead = (Refusal, Vec<(String, String)>);

/// The answer of a fault that replaces the endpoint's.
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
