//! `/actions/v2`: requests that the caller writes himself, in an envelope or as they are.

pub(crate) mod passthrough;
pub(crate) mod proxy;
mod retry;
