//! Apollo's endpoints: what each object supports, and the requests.

use std::borrow::Cow;

use serde_json::{Value, json};
use syncline_model::{Object, Order};

use super::{Apollo, PROVIDER, action, error, page, usage};
use crate::{
    actions::Rendered,
    answer,
    error::{ErrorKind, ProviderError},
    http::{Method, Request, Response},
    json::{self, Fields},
    provider::{Call, ListRequest, Page, Support},
    session::{Judge, Session},
};

/// The maximum page size of Apollo's searches.
pub(super) const PER_PAGE: u32 = 100;

/// Searches return no records beyond this one, even if the total is higher.
const MOST_LISTED: i64 = 50_000;

const SEARCHED: Support = Support {
    list: true,
    page_size: Some(PER_PAGE),
    incremental: false,
    carried_in: None,
    get: false,
    by_recency: false,
    most_listed: Some(MOST_LISTED),
};

/// What Apollo supports. No search has an updated-since filter, and most objects have no
/// `updated_at`, so every read is a full one. Sequence states are part of the contacts.
pub(super) fn support(object: Object) -> Support {
    match object {
        Object::User | Object::Sequence => SEARCHED,
        Object::Mailbox => Support {
            page_size: None,
            most_listed: None,
            ..SEARCHED
        },
        Object::Contact | Object::Account => Support {
            get: true,
            by_recency: true,
            ..SEARCHED
        },
        Object::SequenceState => Support {
            carried_in: Some(Object::Contact),
            by_recency: true,
            ..SEARCHED
        },
    }
}

/// The controller and action under which Apollo counts a call, for all ids together.
pub(super) fn counted_as(call: Call) -> &'static str {
    match call {
        Call::List(object) => match object {
            Object::User => "users/search",
            Object::Mailbox => "email_accounts/index",
            Object::Sequence => "emailer_campaigns/search",
            Object::Account => "accounts/search",
            Object::Contact | Object::SequenceState => "contacts/search",
        },
        Call::Get(object) => match object {
            Object::User => "users/show",
            Object::Mailbox => "email_accounts/show",
            Object::Sequence => "emailer_campaigns/show",
            Object::Account => "accounts/show",
            Object::Contact | Object::SequenceState => "contacts/show",
        },
    }
}

pub(super) struct Endpoint {
    method: Method,
    path: Cow<'static, str>,
    query: Vec<(&'static str, String)>,
    body: Option<Value>,
}

impl Endpoint {
    pub(super) fn get(path: impl Into<Cow<'static, str>>) -> Self {
        Self {
            method: Method::GET,
            path: path.into(),
            query: Vec::new(),
            body: None,
        }
    }

    pub(super) fn post(path: impl Into<Cow<'static, str>>, body: Value) -> Self {
        Self::with_body(Method::POST, path, body)
    }

    pub(super) fn patch(path: impl Into<Cow<'static, str>>, body: Value) -> Self {
        Self::with_body(Method::PATCH, path, body)
    }

    pub(super) fn put(path: impl Into<Cow<'static, str>>, body: Value) -> Self {
        Self::with_body(Method::PUT, path, body)
    }

    pub(super) fn query(mut self, name: &'static str, value: &impl ToString) -> Self {
        self.query.push((name, value.to_string()));
        self
    }

    pub(super) fn rendered(request: Rendered) -> Self {
        Self {
            method: request.method,
            path: request.path.into(),
            query: request.query,
            body: request.body,
        }
    }

    fn with_body(method: Method, path: impl Into<Cow<'static, str>>, body: Value) -> Self {
        Self {
            method,
            body: Some(body),
            ..Self::get(path)
        }
    }
}

/// The request for a page of a list.
struct Listing {
    endpoint: Endpoint,
    /// The key of the records in the response.
    array: &'static str,
    /// Whether the pages come in the order of creation.
    has_order: bool,
}

impl Listing {
    fn of(object: Object, request: ListRequest<'_>, per_page: u32) -> Self {
        let ListRequest { page, order, .. } = request;
        let unordered = |endpoint, array| Self {
            endpoint,
            array,
            has_order: false,
        };
        let ordered = |path, fields, array| Self {
            endpoint: Endpoint::post(path, sorted(page, per_page, order, fields)),
            array,
            has_order: order == Order::OldestFirst,
        };
        match object {
            Object::User => unordered(
                Endpoint::get("api/v1/users/search")
                    .query("page", &page)
                    .query("per_page", &per_page),
                "users",
            ),
            Object::Mailbox => unordered(Endpoint::get("api/v1/email_accounts"), "email_accounts"),
            Object::Sequence => unordered(
                Endpoint::post(
                    "api/v1/emailer_campaigns/search",
                    json!({"page": page, "per_page": per_page}),
                ),
                "emailer_campaigns",
            ),
            Object::Account => ordered("api/v1/accounts/search", ACCOUNT_ORDER, "accounts"),
            Object::Contact | Object::SequenceState => {
                ordered("api/v1/contacts/search", CONTACT_ORDER, "contacts")
            }
        }
    }
}

/// The fields to sort by.
#[derive(Clone, Copy)]
struct SortFields {
    created: &'static str,
    updated: &'static str,
}

const CONTACT_ORDER: SortFields = SortFields {
    created: "contact_created_at",
    updated: "contact_updated_at",
};

/// Apollo's order of accounts by their last update is not reliable (a renamed account was seen to
/// keep its position), but it is the best available.
const ACCOUNT_ORDER: SortFields = SortFields {
    created: "account_created_at",
    updated: "account_updated_at",
};

/// Oldest first is the only stable order: new records go behind the last page, and changed ones
/// keep their place. Only a deletion (or its undoing) shifts a page, and the total shows that.
/// Without a sort field Apollo promises no order at all.
fn sorted(page: u32, per_page: u32, order: Order, fields: SortFields) -> Value {
    let (field, ascending) = match order {
        Order::OldestFirst => (fields.created, true),
        Order::RecentFirst => (fields.updated, false),
    };
    json!({
        "page": page,
        "per_page": per_page,
        "sort_by_field": field,
        "sort_ascending": ascending,
    })
}

const JUDGE: Judge = Judge {
    cost: |_| 1,
    usage: usage::usage_of,
    classify: error::classify,
};

impl Apollo {
    pub(super) async fn read_page(
        &self,
        session: &Session<'_>,
        object: Object,
        request: ListRequest<'_>,
        per_page: u32,
    ) -> Result<Page, ProviderError> {
        let listing = Listing::of(object, request, per_page);
        let response = self.call(session, listing.endpoint).await?;
        let usage = usage::usage_of(&response);
        let text = json::clean(&response.body);
        match page::page_of(&text, object, listing.array, (request.page, per_page)) {
            Ok(page) => Ok(Page {
                usage,
                provider_time: response.date(),
                has_order: listing.has_order,
                may_have_shifted: false,
                ..page
            }),
            Err(unusable) => Err(unusable
                .into_error(PROVIDER, &response)
                .with_usage(usage)
                .without_secret(session.credentials().sent_secret())),
        }
    }

    /// Whether the key is logged in; `None` if the response doesn't say.
    pub(super) async fn health(
        &self,
        session: &Session<'_>,
    ) -> Result<Option<bool>, ProviderError> {
        let endpoint = Endpoint::get("api/v1/auth/health");
        let response = self.call(session, endpoint).await?;
        let text = json::clean(&response.body);
        Ok(Fields::parse(&text).and_then(|health| health.flag("is_logged_in").ok().flatten()))
    }

    /// The team of the key; `None` if the key may not see it.
    pub(super) async fn team(
        &self,
        session: &Session<'_>,
    ) -> Result<Option<String>, ProviderError> {
        let endpoint = Endpoint::get("api/v1/users/api_profile");
        let response = match self.call(session, endpoint).await {
            Err(error) if matches!(error.kind, ErrorKind::Forbidden(_)) => return Ok(None),
            answered => answered?,
        };
        let text = json::clean(&response.body);
        let profile = Fields::parse(&text)
            .ok_or_else(|| unreadable(&response, "the profile is not an object"))?;
        profile.filled_text("team_id").map_err(|malformed| {
            unreadable(&response, &malformed.to_string())
                .without_secret(session.credentials().sent_secret())
        })
    }

    /// Sends one request, counted by the session's meter if it has one. A status other than success
    /// is an error.
    pub(super) async fn call(
        &self,
        session: &Session<'_>,
        endpoint: Endpoint,
    ) -> Result<Response, ProviderError> {
        let action = action::of(&endpoint.method, &endpoint.path);
        let request = Request {
            method: endpoint.method,
            path: &endpoint.path,
            query: endpoint.query,
            body: endpoint.body,
        };
        session.call(&self.http, &action, &request, &JUDGE).await
    }
}

pub(super) fn unreadable(response: &Response, reason: &str) -> ProviderError {
    answer::unreadable(PROVIDER, response, reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_object_is_listed_and_only_mailboxes_come_at_once() {
        for object in Object::ALL {
            let support = support(*object);
            assert!(support.list && !support.incremental, "{object}");
            let at_once = *object == Object::Mailbox;
            assert_eq!(support.page_size.is_none(), at_once, "{object}");
            assert_eq!(support.most_listed.is_none(), at_once, "{object}");
        }
    }

    #[test]
    fn contacts_and_accounts_alone_can_be_asked_for_by_id() {
        for object in Object::ALL {
            let expected = matches!(object, Object::Contact | Object::Account);
            assert_eq!(support(*object).get, expected, "{object}");
        }
    }

    #[test]
    fn only_what_has_an_order_claims_one() {
        for object in Object::ALL {
            let has_order = |order| {
                let request = ListRequest {
                    page: 1,
                    token: None,
                    since: None,
                    order,
                };
                Listing::of(*object, request, PER_PAGE).has_order
            };
            let orderly = support(*object).by_recency;
            assert_eq!(has_order(Order::OldestFirst), orderly, "{object}");
            assert!(!has_order(Order::RecentFirst), "{object}");
        }
    }

    #[test]
    fn a_listed_path_is_the_one_that_its_calls_are_counted_under() {
        for object in Object::ALL {
            let request = ListRequest {
                page: 1,
                token: None,
                since: None,
                order: Order::default(),
            };
            let endpoint = Listing::of(*object, request, PER_PAGE).endpoint;
            let counted = counted_as(Call::List(*object));
            assert_eq!(
                action::of(&endpoint.method, &endpoint.path),
                counted,
                "{object}"
            );
        }
    }
}
