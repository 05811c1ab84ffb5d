//! What the engine may ask of a provider.
//!
//! No method has a default body: a provider that forgets one does not compile. What a provider can
//! do is data ([`Support`]), so "not supported" is answered by the caller from a table and never by
//! trying.

use std::collections::HashMap;

use async_trait::async_trait;
use secrecy::SecretString;
use serde_json::value::RawValue;
use syncline_model::{Object, Order, ProviderName, Records, Rejected, Time, WindowUsage};

use crate::{error::ProviderError, http::Response};

/// What a connection proves itself with. Wiped from memory when dropped, and never printed.
#[derive(Debug, Clone)]
pub struct Credentials {
    pub api_key: SecretString,
}

impl Credentials {
    pub fn api_key(key: impl Into<String>) -> Self {
        Self {
            api_key: SecretString::from(key.into()),
        }
    }
}

#[async_trait]
pub trait Provider: Send + Sync {
    fn name(&self) -> ProviderName;

    fn support(&self, object: Object) -> Support;

    /// The name under which the provider counts a call against its request limits.
    fn endpoint(&self, call: Call) -> &'static str;

    /// Any answer of the provider's, within five seconds: a request without credentials.
    async fn reach(&self) -> Result<Response, ProviderError>;

    /// Whether the provider accepts the credentials; answers within five seconds.
    async fn check(&self, credentials: &Credentials) -> KeyCheck;

    /// The account behind the credentials, whose limits all its keys share; `None` where this key
    /// can't tell.
    async fn account(&self, credentials: &Credentials) -> Result<Option<String>, ProviderError>;

    /// One page of an object. One request, never repeated here.
    async fn list(
        &self,
        credentials: &Credentials,
        object: Object,
        request: ListRequest,
    ) -> Result<Page, ProviderError>;

    /// Whether a record is still there. One request, never repeated here.
    async fn get(
        &self,
        credentials: &Credentials,
        object: Object,
        id: &str,
    ) -> Result<Lookup, ProviderError>;

    /// Puts known statistics in place of those that the provider was still computing; `known` holds
    /// the stored raw JSON of the records in [`Page::loading`], by id.
    fn settle(&self, page: &mut Page, known: &HashMap<String, Box<RawValue>>);
}

/// What a provider can do with an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is an independent yes-or-no question"
)]
pub struct Support {
    pub list: bool,
    /// Records of a full page; `None` where the provider answers with everything at once.
    pub page_size: Option<u32>,
    /// Whether a read can be limited to what changed.
    pub incremental: bool,
    /// Whether a record can be asked for by its id.
    pub get: bool,
    /// Whether it can be listed with the most recently updated records first.
    pub by_recency: bool,
    /// The most records that a list shows, however many there are.
    pub most_listed: Option<i64>,
}

/// A call that counts against the provider's request limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    List(Object),
    Get(Object),
}

/// Which page to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListRequest {
    /// The first is 1.
    pub page: u32,
    /// Where the object has that order; see [`Support::by_recency`].
    pub order: Order,
}

/// What a provider thinks of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyCheck {
    Valid {
        /// As [`Provider::account`] tells it.
        account: Option<String>,
    },
    Rejected {
        reason: String,
    },
    /// The provider could not be asked, or answered with something else.
    Unclear {
        reason: String,
    },
}

/// One page as read, already in the common form.
#[derive(Debug, Clone)]
pub struct Page {
    pub records: Records,
    pub rejected: Vec<Rejected>,
    /// The page to ask for next; `None` at the end.
    pub next: Option<u32>,
    /// The provider's own total, where it tells one.
    pub reported_total: Option<i64>,
    /// Records that the provider returned, rejected ones included. Sequence states come inside their
    /// contacts and are not counted.
    pub returned: i64,
    /// Ids of the records that have a statistic which the provider was still computing.
    pub loading: Vec<String>,
    /// What the answer told of the endpoint's request windows.
    pub usage: Vec<WindowUsage>,
    /// The provider's clock when it answered.
    pub provider_time: Option<Time>,
    /// Whether the pages are in the order of creation, so that a new record goes behind the last.
    pub has_order: bool,
}

/// What the provider says of a record that was asked for by its id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lookup {
    pub found: Found,
    /// What the answer told of the endpoint's request windows.
    pub usage: Vec<WindowUsage>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    Exists,
    /// The provider says that there is no such record.
    Gone {
        reason: String,
    },
    /// It may be there, but not for these credentials.
    Hidden {
        reason: String,
    },
    /// The answer is another record, or leads to one: they were merged, perhaps.
    Another,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn printing_credentials_shows_no_key() {
        let credentials = Credentials::api_key("sk-very-secret");
        assert!(!format!("{credentials:?}").contains("very-secret"));
    }
}
