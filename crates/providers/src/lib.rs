//! The providers: the only outgoing provider HTTP client, what each provider can do, and how its
//! JSON becomes the common records.
//!
//! The engine asks [`Providers`] for a [`Provider`] and then reads pages of [`syncline_model`]
//! records from it. Everything that is peculiar to one provider (paths, paging, error texts, odd
//! values) ends in that provider's module: outside of it there are only typed pages and classified
//! errors. Nothing here keeps state between two requests, so limits, retries and checkpoints are the
//! engine's.

mod account;
pub mod apollo;
pub mod error;
pub mod http;
pub mod json;
mod kept;
pub mod passthrough;
pub mod provider;
mod registry;
pub mod session;
pub mod unified;

pub use account::account_id;
pub use apollo::ApolloConfig;
pub use error::{ErrorKind, ProviderError, SetupError, Window};
pub use http::{ANSWER_WITHIN, Outgoing, Response, Transport};
pub use kept::counted;
pub use passthrough::{Forward, Forwarded, Passthrough, Target};
pub use provider::{
    Call, Credentials, Found, KeyCheck, ListRequest, Lookup, Page, Provider, Support,
};
pub use registry::Providers;
pub use session::{Answered, Meter, Request, Session};
pub use unified::{RateLimitInfo, Unified};
