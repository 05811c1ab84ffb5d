//! The interface that the engine uses for providers.
//!
//! What a provider supports is data ([`Support`]): callers check it first, and never find out by a
//! failed request.

use std::collections::HashMap;

use async_trait::async_trait;
use serde_json::value::RawValue;
use syncline_model::{
    AuthType, Credentials, Object, Order, ProviderName, Records, Rejected, Time, Watermark,
    WindowUsage,
};

use crate::{capabilities::Capabilities, error::ProviderError, http::Response, oauth::OAuthServer};

#[async_trait]
pub trait Provider: Send + Sync {
    fn name(&self) -> ProviderName;

    /// The name in sentences.
    fn title(&self) -> &'static str;

    /// Where customers find an API key, in a sentence for them, if they are connected by one.
    fn key_help(&self) -> &'static str {
        ""
    }

    /// How its customers can be connected, the usual way first.
    fn auth_types(&self) -> &'static [AuthType];

    /// Its OAuth server, if customers can be connected by OAuth.
    fn oauth(&self) -> Option<&OAuthServer> {
        None
    }

    fn support(&self, object: Object) -> Support;

    /// The objects that it has, in the order in which a connection's first syncs start.
    fn objects(&self) -> Vec<Object> {
        let all = Object::ALL.iter().copied();
        all.filter(|object| self.support(*object).list).collect()
    }

    /// The name under which the provider counts a call against its request limits.
    fn endpoint(&self, call: Call) -> &'static str;

    /// What a page takes of its endpoint's request windows, where the provider counts something else
    /// than requests.
    fn cost_of_page(&self, _object: Object, _request: ListRequest<'_>) -> i64 {
        1
    }

    /// Any response of the provider within five seconds, to a request without credentials.
    async fn reach(&self) -> Result<Response, ProviderError>;

    /// Whether the provider accepts the credentials; returns within five seconds.
    async fn check(&self, credentials: &Credentials) -> KeyCheck;

    /// The account behind the credentials, whose limits all its keys share; `None` if this key
    /// can't see it.
    async fn account(&self, credentials: &Credentials) -> Result<Option<String>, ProviderError>;

    /// One page of an object, by a single request without retries.
    async fn list(
        &self,
        credentials: &Credentials,
        object: Object,
        request: ListRequest<'_>,
    ) -> Result<Page, ProviderError>;

    /// Whether a record still exists, by a single request without retries.
    async fn get(
        &self,
        credentials: &Credentials,
        object: Object,
        id: &str,
    ) -> Result<Lookup, ProviderError>;

    /// What it can do beyond syncs.
    fn capabilities(&self) -> Capabilities<'_>;

    /// Replaces statistics that the provider was still computing by known ones, if it ever shows records
    /// without their statistics; `known` has the stored raw JSON of the records in [`Page::loading`], by
    /// id.
    fn settle(&self, _page: &mut Page, _known: &HashMap<String, Box<RawValue>>) {}
}

/// What a provider supports for an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is an independent yes-or-no question"
)]
pub struct Support {
    pub list: bool,
    /// Records of a full page; `None` if the provider returns everything at once.
    pub page_size: Option<u32>,
    /// Whether a read can be limited to changed records.
    pub incremental: bool,
    /// The object whose records contain this one's, if it has no list of its own.
    pub carried_in: Option<Object>,
    /// Whether a record can be looked up by its id.
    pub get: bool,
    /// Whether a list can be ordered by the last update, newest first.
    pub by_recency: bool,
    /// The most records that a list returns, even if there are more.
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
pub struct ListRequest<'a> {
    /// The first is 1.
    pub page: u32,
    /// [`NextPage::token`] of the page before; `None` for the first page.
    pub token: Option<&'a str>,
    /// Only what changed since then; `None`: everything. Only for objects with
    /// [`Support::incremental`].
    pub since: Option<&'a Watermark>,
    /// Ignored if the object has no such order; see [`Support::by_recency`].
    pub order: Order,
}

/// That there is a page after the one that was read, and where.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NextPage {
    /// In the provider's own form, which nobody else reads; `None` where the page's number is enough.
    pub token: Option<String>,
}

/// The result of checking a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyCheck {
    Valid {
        /// As returned by [`Provider::account`].
        account: Option<String>,
    },
    Rejected {
        reason: String,
    },
    /// The provider could not be reached, or the response says nothing about the key.
    Unclear {
        reason: String,
    },
}

/// One page, mapped to common records.
#[derive(Debug, Clone)]
pub struct Page {
    pub records: Records,
    pub rejected: Vec<Rejected>,
    /// The page to request next; `None` at the end.
    pub next: Option<NextPage>,
    /// The provider's own total, if it reports one.
    pub reported_total: Option<i64>,
    /// Records that the provider returned, including rejected ones. Sequence states are part of
    /// their contacts and are not counted.
    pub returned: i64,
    /// Records in the response, which is what counts against limits: with those that an earlier page
    /// has shown, which are left out.
    pub served: i64,
    /// Ids of records with statistics that the provider was still computing.
    pub loading: Vec<String>,
    /// Where an incremental read begins that is to follow this one, if this is its first page: early
    /// enough for changes that the provider shows late. `None` where there is no such read.
    pub watermark: Option<Watermark>,
    /// The usage of the endpoint's request windows, from the response's headers.
    pub usage: Vec<WindowUsage>,
    /// The provider's time when it answered.
    pub provider_time: Option<Time>,
    /// Whether pages are in the order of creation, so that new records go behind the last one.
    pub has_order: bool,
    /// Whether a record may have slipped by since the page before, because another one moved behind this
    /// page. That one is seen twice then.
    pub may_have_shifted: bool,
}

/// The result of a lookup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lookup {
    pub found: Found,
    /// Records in the response, which is what counts against limits: one that is deleted may still be
    /// shown.
    pub served: i64,
    /// The usage of the endpoint's request windows, from the response's headers.
    pub usage: Vec<WindowUsage>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    Exists,
    /// The provider says that there is no such record.
    Gone {
        reason: String,
    },
    /// It may exist, but these credentials may not see it.
    Hidden {
        reason: String,
    },
    /// The response is another record or redirects to one; perhaps they were merged.
    Another,
}
