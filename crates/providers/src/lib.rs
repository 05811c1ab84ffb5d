//! The providers: the only HTTP client for requests to providers, what each provider supports, and
//! how its JSON is mapped to the common records.
//!
//! The engine gets a [`Provider`] from [`Providers`] and reads pages of [`syncline_model`] records
//! from it. Everything that is specific to one provider (paths, paging, error messages, odd values)
//! stays in that provider's module: outside of it there are only typed pages and classified errors.
//! Nothing here keeps state between requests; limits, retries and checkpoints are the engine's.

mod account;
pub mod actions;
mod answer;
pub mod apollo;
pub mod capabilities;
mod check;
pub mod enrichment;
pub mod error;
#[cfg(test)]
mod fuzz;
pub mod http;
mod item;
pub mod json;
mod kept;
mod live;
mod lost;
pub mod oauth;
pub mod outcome;
pub mod outreach;
pub mod passthrough;
pub mod provider;
mod registry;
pub mod salesloft;
pub mod session;

pub use account::account_id;
pub use capabilities::{Capabilities, NotSupported, RateLimitInfo};
pub use error::{ErrorKind, FieldPath, ProviderError, SetupError, Window};
pub use http::{ANSWER_WITHIN, Outgoing, Response, Transport};
pub use kept::counted;
pub use oauth::{OAuthConfig, OAuthServer, TokenError, TokenErrorKind};
pub use passthrough::{Forward, Forwarded, Passthrough, Target};
pub use provider::{Call, Found, KeyCheck, ListRequest, Lookup, NextPage, Page, Provider, Support};
pub use registry::{BUILT_IN, BuiltIn, ProviderConfig, Providers, UnknownProvider};
pub use session::{Answered, Meter, Request, Session};
pub use syncline_model::Credentials;
