//! Outreach's endpoints: what is supported, and the requests.

use serde_json::Value;
use syncline_model::{Object, Watermark};

use super::{Outreach, PROVIDER, error, page, usage};
use crate::{
    actions::Rendered,
    answer::{self, watermark_of},
    error::{ErrorKind, ProviderError},
    http::{Method, Request, Response},
    json::{self, Fields},
    live::Parameter,
    provider::{ListRequest, Page, Support},
    session::{Judge, Session},
};

/// The maximum page size.
pub(super) const PAGE_SIZE: u32 = 1_000;

/// The only name that Outreach counts requests under.
pub(super) const REQUESTS: &str = "requests";

/// The path of the API, and of the answer to who is asking.
const ROOT: &str = "api/v2";

/// Every object has a list of its own, without an end, and records with ids.
pub(super) const SUPPORT: Support = Support {
    list: true,
    page_size: Some(PAGE_SIZE),
    incremental: true,
    carried_in: None,
    get: true,
    by_recency: false,
    most_listed: None,
};

/// The collection of an object's records, in paths.
pub(super) fn collection(object: Object) -> &'static str {
    match object {
        Object::User => "users",
        Object::Mailbox => "mailboxes",
        Object::Sequence => "sequences",
        Object::Account => "accounts",
        Object::Contact => "prospects",
        Object::SequenceState => "sequenceStates",
    }
}

/// What JSON:API calls one record of an object.
pub(super) fn kind(object: Object) -> &'static str {
    match object {
        Object::User => "user",
        Object::Mailbox => "mailbox",
        Object::Sequence => "sequence",
        Object::Account => "account",
        Object::Contact => "prospect",
        Object::SequenceState => "sequenceState",
    }
}

/// In the order of creation new records go behind the last page. `createdAt` is a documented sort key
/// of every object, the id is of none; records of the same second come in the order of their ids.
///
/// What changed since a time is read in the order of the changes: a record that changes meanwhile
/// moves to the end and is seen again. Changes have whole seconds, and the filter includes the one
/// that it names.
///
/// Without `count` there is no total.
fn query_of_page(request: ListRequest<'_>, page_size: u32) -> Vec<Parameter> {
    let sort = if request.since.is_some() {
        "updatedAt"
    } else {
        "createdAt"
    };
    let mut query = vec![
        ("page[size]", page_size.to_string()),
        ("sort", sort.to_owned()),
        ("count", "true".to_owned()),
    ];
    if let Some(Watermark(since)) = request.since {
        query.push(("filter[updatedAt]", format!("{since}..inf")));
    }
    if let Some(token) = request.token {
        query.push(("page[after]", token.to_owned()));
    }
    query
}

const JUDGE: Judge = Judge {
    cost: |_| 1,
    usage: usage::usage_of,
    classify: error::classify,
};

impl Outreach {
    /// A page of an object's records that match the filters.
    pub(super) async fn read_page(
        &self,
        session: &Session<'_>,
        (object, filters): (Object, &[Parameter]),
        request: ListRequest<'_>,
        page_size: u32,
    ) -> Result<Page, ProviderError> {
        let path = format!("{ROOT}/{}", collection(object));
        let mut query = query_of_page(request, page_size);
        query.extend(filters.iter().cloned());
        let response = self.read(session, &path, query).await?;
        let usage = usage::usage_of(&response);
        let text = json::clean(&response.body);
        match page::page_of(&text, object, (request.token, page_size)) {
            Ok(page) => Ok(Page {
                has_order: page.has_order && request.since.is_none(),
                watermark: watermark_of(&response),
                usage,
                provider_time: response.date(),
                ..page
            }),
            Err(unusable) => Err(unusable
                .into_error(PROVIDER, &response)
                .with_usage(usage)
                .without_secret(session.credentials().sent_secret())),
        }
    }

    pub(super) async fn read_one(
        &self,
        session: &Session<'_>,
        object: Object,
        id: u64,
    ) -> Result<Response, ProviderError> {
        let path = format!("{}/{id}", collection(object));
        self.read_in(session, &path, Vec::new()).await
    }

    /// Reads a path below the API's root.
    pub(super) async fn read_in(
        &self,
        session: &Session<'_>,
        path: &str,
        query: Vec<Parameter>,
    ) -> Result<Response, ProviderError> {
        self.read(session, &format!("{ROOT}/{path}"), query).await
    }

    /// Sends a write to a path below the API's root.
    pub(super) async fn write_in(
        &self,
        session: &Session<'_>,
        (method, path): (Method, &str),
        body: Option<Value>,
    ) -> Result<Response, ProviderError> {
        let request = Request {
            method,
            path: &format!("{ROOT}/{path}"),
            query: Vec::new(),
            body,
        };
        session.call(&self.http, REQUESTS, &request, &JUDGE).await
    }

    pub(super) async fn send(
        &self,
        session: &Session<'_>,
        rendered: Rendered,
    ) -> Result<Response, ProviderError> {
        let request = Request {
            method: rendered.method,
            path: &rendered.path,
            query: rendered.query,
            body: rendered.body,
        };
        session.call(&self.http, REQUESTS, &request, &JUDGE).await
    }

    /// Makes a record do something: `pause`, `markComplete`, …
    pub(super) async fn act(
        &self,
        session: &Session<'_>,
        (collection, id): (&str, u64),
        action: &str,
    ) -> Result<Response, ProviderError> {
        let path = format!("{collection}/{id}/actions/{action}");
        self.write_in(session, (Method::POST, &path), None).await
    }

    /// The user whose tokens these are, and of which organisation; `None` if it can't be seen.
    /// Outreach's limit is the user's, for all applications together.
    pub(super) async fn caller(
        &self,
        session: &Session<'_>,
    ) -> Result<Option<String>, ProviderError> {
        let response = match self.read(session, ROOT, Vec::new()).await {
            Err(error) if matches!(error.kind, ErrorKind::Forbidden(_)) => return Ok(None),
            answered => answered?,
        };
        caller_in(&response)
            .map_err(|error| error.without_secret(session.credentials().sent_secret()))
    }

    /// Sends one request, counted by the session's meter if it has one. A status other than success
    /// is an error.
    async fn read(
        &self,
        session: &Session<'_>,
        path: &str,
        query: Vec<Parameter>,
    ) -> Result<Response, ProviderError> {
        let request = Request {
            method: Method::GET,
            path,
            query,
            body: None,
        };
        session.call(&self.http, REQUESTS, &request, &JUDGE).await
    }
}

fn caller_in(response: &Response) -> Result<Option<String>, ProviderError> {
    let text = json::clean(&response.body);
    let root = Fields::parse(&text).ok_or_else(|| unreadable(response, "it is not an object"))?;
    let caller = || {
        let Some(meta) = root.object("meta")? else {
            return Ok(None);
        };
        let Some(user) = meta.object("user")? else {
            return Ok(None);
        };
        // Nothing says that users of two organisations have different numbers.
        let instance = meta.filled_text("instanceUrl")?;
        Ok(user.filled_text("id")?.map(|id| match instance {
            Some(instance) => format!("{id} of {instance}"),
            None => id,
        }))
    };
    caller().map_err(|malformed: json::Malformed| unreadable(response, &malformed.to_string()))
}

pub(super) fn unreadable(response: &Response, reason: &str) -> ProviderError {
    answer::unreadable(PROVIDER, response, reason)
}
