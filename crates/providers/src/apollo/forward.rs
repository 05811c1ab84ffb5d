//! Requests that callers wrote: what Apollo counts them as, what they cost, and what their answers say
//! of its limits.

use super::{Apollo, action, credits, error, usage};
use crate::{
    capabilities::{Forwards, RateLimitInfo},
    http::{Method, Response},
    passthrough::Passthrough,
};

impl Forwards for Apollo {
    fn passthrough(&self) -> &Passthrough {
        &self.passthrough
    }

    fn endpoint_of(&self, method: &Method, path: &str) -> String {
        action::of(method, path)
    }

    fn may_cost_credits(&self, path: &str) -> bool {
        credits::may_cost(path)
    }

    fn rate_limit_info(&self, answer: &Response) -> RateLimitInfo {
        RateLimitInfo {
            usage: usage::usage_of(answer),
            refusal: error::refusal_of(answer),
        }
    }
}
