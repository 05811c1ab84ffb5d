//! `/actions/v2`: requests that callers write themselves, wrapped in JSON or sent unchanged.

mod forward;
pub(crate) mod passthrough;
pub(crate) mod proxy;
mod retry;
