//! `/actions/v2`: actions, which are named calls (`catalogue`, `call`), and requests that callers write
//! themselves, wrapped in JSON (`passthrough`) or sent unchanged (`proxy`).

pub(crate) mod approved;
pub(crate) mod call;
pub(crate) mod catalogue;
pub(crate) mod document;
mod forward;
mod make;
pub(crate) mod passthrough;
pub(crate) mod proxy;
mod retry;
mod tables;

pub use approved::run_approved_calls;
pub use catalogue::check_grants;
