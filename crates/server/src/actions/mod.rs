//! `/actions/v2`: requests that callers write themselves, in an envelope or as they are.

mod forward;
pub(crate) mod passthrough;
pub(crate) mod proxy;
mod retry;
