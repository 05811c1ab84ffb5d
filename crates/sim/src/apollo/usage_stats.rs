//! `usage_stats/*`: how much of the quotas is used.

use std::collections::BTreeSet;

use super::refusal::{Answer, Refusal};
use super::{Call, ROUTES};
use crate::json::Object;
use crate::limits::Window;

pub(crate) fn api_usage_stats(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let mut seen = BTreeSet::new();
    let mut o = Object::with_capacity(8192);
    for route in ROUTES.iter().filter(|route| seen.insert(route.action)) {
        let Some((controller, action)) = route.action.split_once('/') else {
            continue;
        };
        let quota = call.team.quota(route.class);
        let mut windows = Object::new();
        for window in [Window::Day, Window::Hour, Window::Minute] {
            let consumed = call.team.counters.used(route.action, window, call.now);
            let mut usage = Object::new();
            match quota.of(window) {
                Some(limit) => usage
                    .number("limit", limit)
                    .number("consumed", consumed)
                    .number("left_over", limit.saturating_sub(consumed)),
                None => usage
                    .null("limit")
                    .number("consumed", consumed)
                    .null("left_over"),
            };
            windows.raw(window.noun(), &usage.finish());
        }
        // The key is the text of a JSON array.
        let key = format!(r#"["api/v1/{controller}", "{action}"]"#);
        o.raw(&key, &windows.finish());
    }
    Ok(Answer::of(o.finish(), 0))
}
