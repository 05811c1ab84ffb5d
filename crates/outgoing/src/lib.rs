//! Which hosts outgoing requests may go to.
//!
//! Protection against SSRF: a webhook's URL or a destination's endpoint is chosen by a caller and
//! requested from within the operator's network, so addresses that have a meaning only there are
//! refused. `address` says which they are, `resolver` keeps them out of what names lead to. An IP
//! address in a URL is never resolved: whoever sends checks it with [`private_host`].

mod address;
mod resolver;

pub use address::{is_global, private_host};
pub use resolver::{Lookup, NoPublicAddress, PublicOnly, SystemLookup};
