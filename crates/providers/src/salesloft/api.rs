//! Salesloft's endpoints: what each object supports, and the requests.

use std::borrow::Cow;

use serde_json::Value;
use syncline_model::Object;

use super::{
    PROVIDER, Salesloft,
    cost::points_of,
    error, page, usage,
    walk::{PagePosition, Walk},
};
use crate::{
    actions::Rendered,
    answer::{self, Unusable},
    error::{ErrorKind, ProviderError},
    http::{Method, Request, Response},
    json::{self, Fields},
    live::Parameter,
    provider::{ListRequest, Page, Support},
    session::{Judge, Session},
};

/// The maximum page size of Salesloft's lists.
pub(super) const PER_PAGE: u32 = 100;

/// The points of a team are counted over all endpoints together.
pub(super) const COUNTED_AS: &str = "requests";

const LISTED: Support = Support {
    list: true,
    page_size: Some(PER_PAGE),
    incremental: false,
    carried_in: None,
    get: true,
    by_recency: false,
    most_listed: None,
};

/// What Salesloft supports. It has no mailboxes: each user has one, which only the user shows.
pub(super) fn support(object: Object) -> Support {
    match object {
        Object::Mailbox => Support {
            list: false,
            page_size: None,
            get: false,
            ..LISTED
        },
        Object::User
        | Object::Sequence
        | Object::Account
        | Object::Contact
        | Object::SequenceState => Support {
            incremental: Walk::of_changes(object).is_some(),
            ..LISTED
        },
    }
}

/// The collection of an object; `None` if there is none.
pub(super) fn collection(object: Object) -> Option<&'static str> {
    match object {
        Object::User => Some("v2/users"),
        Object::Sequence => Some("v2/cadences"),
        Object::Account => Some("v2/accounts"),
        Object::Contact => Some("v2/people"),
        Object::SequenceState => Some("v2/cadence_memberships"),
        Object::Mailbox => None,
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
        Self::of(Method::GET, path)
    }

    pub(super) fn delete(path: impl Into<Cow<'static, str>>) -> Self {
        Self::of(Method::DELETE, path)
    }

    pub(super) fn post(path: impl Into<Cow<'static, str>>, body: Value) -> Self {
        Self {
            body: Some(body),
            ..Self::of(Method::POST, path)
        }
    }

    pub(super) fn put(path: impl Into<Cow<'static, str>>, body: Value) -> Self {
        Self {
            body: Some(body),
            ..Self::of(Method::PUT, path)
        }
    }

    pub(super) fn rendered(request: Rendered) -> Self {
        Self {
            method: request.method,
            path: request.path.into(),
            query: request.query,
            body: request.body,
        }
    }

    fn of(method: Method, path: impl Into<Cow<'static, str>>) -> Self {
        Self {
            method,
            path: path.into(),
            query: Vec::new(),
            body: None,
        }
    }

    pub(super) fn query(mut self, name: &'static str, value: &impl ToString) -> Self {
        self.query.push((name, value.to_string()));
        self
    }
}

/// The request for a page of a list.
fn listing(object: Object, path: &'static str, walk: Walk, position: &PagePosition) -> Endpoint {
    let mut endpoint = Endpoint::get(path)
        .query("page", &position.page)
        .query("per_page", &position.size)
        .query("sort_by", &walk.sort_by)
        .query("sort_direction", &"ASC")
        .query("include_paging_counts", &true);
    if object == Object::User {
        // Otherwise deactivated users are left out, whose records others refer to.
        endpoint = endpoint.query("visible_only", &false);
    }
    match walk.filter(position) {
        Some((name, from)) => endpoint.query(name, &from),
        None => endpoint,
    }
}

const JUDGE: Judge = Judge {
    cost: |request| {
        let parameters = request.query.iter();
        let parameters = parameters.map(|(name, value)| (*name, value.as_str()));
        points_of(&request.method, parameters)
    },
    usage: usage::usage_of,
    classify: error::classify,
};

impl Salesloft {
    /// A page of an object's records that match the filters. Salesloft ignores filters that it doesn't
    /// know.
    pub(super) async fn read_page(
        &self,
        session: &Session<'_>,
        (object, filters): (Object, &[Parameter]),
        request: ListRequest<'_>,
        page_size: u32,
    ) -> Result<Page, ProviderError> {
        let walk = match request.since {
            Some(_) => Walk::of_changes(object),
            None => Walk::of(object),
        };
        let (Some(path), Some(walk)) = (collection(object), walk) else {
            return Err(unsupported(&format!(
                "Salesloft has no list of the object {object}"
            )));
        };
        let position = PagePosition::of(request, page_size)?;
        let mut endpoint = listing(object, path, walk, &position);
        endpoint.query.extend(filters.iter().cloned());
        let response = self.call(session, endpoint).await?;
        let usage = usage::usage_of(&response);
        let text = json::clean(&response.body);
        match page::page_of(&text, object, walk, &position) {
            Ok(page) => Ok(Page {
                watermark: answer::watermark_of(&response),
                usage,
                provider_time: response.date(),
                ..page
            }),
            Err(unusable) => Err(self::unusable(session, &response, unusable)),
        }
    }

    /// The id of the user's team, whose members share the points; `None` if the user shows none.
    pub(super) async fn me(&self, session: &Session<'_>) -> Result<Option<String>, ProviderError> {
        let response = self.call(session, Endpoint::get("v2/me")).await?;
        let text = json::clean(&response.body);
        team_of(&text).map_err(|reason| {
            unreadable(&response, &reason).without_secret(session.credentials().sent_secret())
        })
    }

    /// Sends one request, counted by the session's meter if it has one. A status other than success
    /// is an error.
    pub(super) async fn call(
        &self,
        session: &Session<'_>,
        endpoint: Endpoint,
    ) -> Result<Response, ProviderError> {
        let request = Request {
            method: endpoint.method,
            path: &endpoint.path,
            query: endpoint.query,
            body: endpoint.body,
        };
        session.call(&self.http, COUNTED_AS, &request, &JUDGE).await
    }
}

fn team_of(text: &str) -> Result<Option<String>, String> {
    let answer = Fields::parse(text).ok_or("it is not an object")?;
    let user = answer.object("data").map_err(|error| error.to_string())?;
    let user = user.ok_or("it has no `data`")?;
    let team = user.object("team").map_err(|error| error.to_string())?;
    team.map(|team| team.id("id").map_err(|error| format!("team.{error}")))
        .transpose()
}

/// A request that is not sent, because Salesloft has nothing like it.
pub(super) fn unsupported(message: &str) -> ProviderError {
    ProviderError::new(ErrorKind::Rejected, None, message).with_records(0)
}

/// The error for a success that is no page.
pub(super) fn unusable(
    session: &Session<'_>,
    response: &Response,
    unusable: Unusable,
) -> ProviderError {
    unusable
        .into_error(PROVIDER, response)
        .with_usage(usage::usage_of(response))
        .without_secret(session.credentials().sent_secret())
}

pub(super) fn unreadable(response: &Response, reason: &str) -> ProviderError {
    answer::unreadable(PROVIDER, response, reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_object_but_mailboxes_is_listed_by_itself_and_read_by_id() {
        for object in Object::ALL {
            let support = support(*object);
            let expected = *object != Object::Mailbox;
            assert_eq!(
                (support.list, support.get),
                (expected, expected),
                "{object}"
            );
            assert_eq!(support.page_size.is_some(), expected, "{object}");
            assert_eq!(collection(*object).is_some(), expected, "{object}");
            assert_eq!(Walk::of(*object).is_some(), expected, "{object}");
            assert_eq!((support.carried_in, support.most_listed), (None, None));
            let by_change = !matches!(object, Object::Mailbox | Object::User);
            assert_eq!(support.incremental, by_change, "{object}");
            assert!(!support.by_recency, "{object}");
        }
    }

    #[test]
    fn the_team_is_the_users() {
        let team = |text: &str| team_of(text).map_err(|_| ());
        let two = Ok(Some("2".to_owned()));
        assert_eq!(team(r#"{"data":{"id":5,"team":{"id":2}}}"#), two);
        assert_eq!(team(r#"{"data":{"id":5,"team":{"id":"2"}}}"#), two);
        assert_eq!(team(r#"{"data":{"id":5,"team":null}}"#), Ok(None));
        assert_eq!(team(r#"{"data":{"id":5}}"#), Ok(None));
        for text in [
            "gateway",
            "{}",
            r#"{"data":null}"#,
            r#"{"data":[]}"#,
            r#"{"data":{"team":7}}"#,
            r#"{"data":{"team":{}}}"#,
        ] {
            assert_eq!(team(text), Err(()), "{text}");
        }
    }
}
