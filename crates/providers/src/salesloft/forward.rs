//! Requests that callers wrote: what Salesloft counts them as, and what their answers say of its
//! limits.

use super::{Salesloft, api, cost::points_of, error, usage};
use crate::{
    capabilities::{Forwards, RateLimitInfo},
    http::{Method, Response},
    passthrough::{Passthrough, Target},
};

impl Forwards for Salesloft {
    fn passthrough(&self) -> &Passthrough {
        &self.passthrough
    }

    fn endpoint_of(&self, _method: &Method, _path: &str) -> String {
        api::COUNTED_AS.to_owned()
    }

    fn cost_of(&self, method: &Method, target: &Target) -> i64 {
        let pairs: Vec<_> = target.url.query_pairs().collect();
        let parameters = pairs.iter().map(|(name, value)| (&**name, &**value));
        points_of(method, parameters)
    }

    /// Nothing at Salesloft costs credits.
    fn may_cost_credits(&self, _path: &str) -> bool {
        false
    }

    fn rate_limit_info(&self, answer: &Response) -> RateLimitInfo {
        RateLimitInfo {
            usage: usage::usage_of(answer),
            refusal: (answer.status == 429).then(|| error::classify(answer)),
        }
    }
}
