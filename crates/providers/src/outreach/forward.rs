//! Requests that callers wrote: what Outreach counts them as, and what their answers say of its limit.

use super::{Outreach, api::REQUESTS, error, usage};
use crate::{
    capabilities::{Forwards, RateLimitInfo},
    http::{Method, Response},
    passthrough::Passthrough,
};

impl Forwards for Outreach {
    fn passthrough(&self) -> &Passthrough {
        &self.passthrough
    }

    fn endpoint_of(&self, _method: &Method, _path: &str) -> String {
        REQUESTS.to_owned()
    }

    /// Outreach has no credits.
    fn may_cost_credits(&self, _path: &str) -> bool {
        false
    }

    fn rate_limit_info(&self, answer: &Response) -> RateLimitInfo {
        RateLimitInfo {
            usage: usage::usage_of(answer),
            refusal: error::refusal_of(answer),
        }
    }
}
