//! An agent: its grants, as a table of groups and actions, and a form that replaces them.

use std::collections::BTreeMap;

use askama::Template;
use axum::{
    Form,
    extract::Path,
    http::{Method, StatusCode},
    response::Response,
};
use serde::Deserialize;
use serde_json::{Value, json};
use syncline_model::Grants;
use syncline_server::in_process::{ApiCall, CallBody};

use crate::{
    address::encoded,
    failure::Failure,
    page::{Policy, answer},
    viewer::{Frame, Viewer},
};

#[derive(Deserialize)]
struct Key {
    id: String,
    name: String,
    role: String,
    grants: Option<Grants>,
}

#[derive(Deserialize)]
struct Catalogue {
    actions: Vec<Action>,
}

#[derive(Deserialize)]
struct Action {
    name: String,
    group: String,
    title: String,
    access: String,
    spends_credits: bool,
}

/// A group with its actions, each once, whatever providers have it.
struct Group {
    name: String,
    level: &'static str,
    actions: Vec<Row>,
}

struct Row {
    name: String,
    title: String,
    /// `reads`, `writes`, with `and spends credits`.
    kind: String,
    permission: &'static str,
}

#[derive(Template)]
#[template(path = "console/agent.html")]
struct AgentPage {
    frame: Frame,
    key: Key,
    groups: Vec<Group>,
    is_for_all: bool,
    customers: String,
    credits_per_day: String,
    error: Option<String>,
    may_save: bool,
}

const LEVELS: [&str; 3] = ["off", "read", "full"];
/// An action without a permission of its own has what its group's level says.
const PERMISSIONS: [&str; 4] = ["by level", "off", "allow", "ask"];

impl AgentPage {
    const LEVELS: &'static [&'static str] = &LEVELS;
    const PERMISSIONS: &'static [&'static str] = &PERMISSIONS;
}

pub(crate) async fn show(viewer: Viewer, Path(id): Path<String>) -> Result<Response, Failure> {
    let key = find(&viewer, &id).await?;
    let grants = key.grants.clone().unwrap_or_default();
    page(viewer, key, &grants, None).await
}

/// Replaces the grants by what was entered.
pub(crate) async fn submit(
    viewer: Viewer,
    Path(id): Path<String>,
    Form(pairs): Form<Vec<(String, String)>>,
) -> Result<Response, Failure> {
    let key = find(&viewer, &id).await?;
    let entered = entered(&pairs);
    let path = format!("/mgmt/v2/api_keys/{}", encoded(&id));
    let call = ApiCall {
        method: Method::PATCH,
        path: &path,
        headers: &[],
        body: Some(CallBody::Json(json!({"grants": entered}))),
    };
    let saved: Result<Value, _> = viewer.call(call).await;
    match saved {
        Ok(_) => Ok(viewer.back_to(&format!("/console/api-keys/{}", encoded(&id)), "granted")),
        Err(failure) if failure.status.is_client_error() => {
            // What can't be read is shown as it is stored, never as less of a limit.
            let stored = key.grants.clone();
            let read = serde_json::from_value(entered).ok();
            let grants = read.or(stored).unwrap_or_default();
            page(viewer, key, &grants, Some(failure.title)).await
        }
        Err(failure) => Err(viewer.failed(failure)),
    }
}

async fn find(viewer: &Viewer, id: &str) -> Result<Key, Failure> {
    let path = format!("/mgmt/v2/api_keys/{}", encoded(id));
    viewer.get(&path).await
}

async fn page(
    viewer: Viewer,
    key: Key,
    grants: &Grants,
    error: Option<String>,
) -> Result<Response, Failure> {
    let catalogue: Catalogue = viewer.get("/actions/v2/actions").await?;
    let customers = grants.customers.iter().flatten().cloned();
    let customers: Vec<String> = customers.collect();
    let credits = grants.credits_per_day.map(|most| most.to_string());
    let status = if error.is_some() {
        StatusCode::UNPROCESSABLE_ENTITY
    } else {
        StatusCode::OK
    };
    let page = AgentPage {
        groups: groups(catalogue, grants),
        is_for_all: grants.customers.is_none(),
        customers: customers.join("\n"),
        credits_per_day: credits.unwrap_or_default(),
        may_save: viewer.may(&Method::PATCH, "/mgmt/v2/api_keys/x"),
        error,
        key,
        frame: viewer.frame,
    };
    Ok(answer(status, Policy::OwnScript, &page))
}

fn groups(catalogue: Catalogue, grants: &Grants) -> Vec<Group> {
    let mut groups: BTreeMap<String, BTreeMap<String, Row>> = BTreeMap::new();
    for action in catalogue.actions {
        let verb = if action.access == "read" {
            "reads"
        } else {
            "writes"
        };
        let credits = if action.spends_credits {
            " and spends credits"
        } else {
            ""
        };
        let own = grants.actions.get(&action.name);
        let row = Row {
            kind: format!("{verb}{credits}"),
            permission: own.map_or(PERMISSIONS[0], |own| word(&json!(own), &PERMISSIONS)),
            title: action.title,
            name: action.name.clone(),
        };
        groups
            .entry(action.group)
            .or_default()
            .entry(action.name)
            .or_insert(row);
    }
    let groups = groups.into_iter().map(|(name, actions)| Group {
        level: grants
            .groups
            .get(&name)
            .map_or(LEVELS[0], |level| word(&json!(level), &LEVELS)),
        actions: actions.into_values().collect(),
        name,
    });
    groups.collect()
}

/// The word for a level or a permission.
fn word<'w>(value: &Value, words: &[&'w str]) -> &'w str {
    let found = words.iter().find(|word| value == **word);
    found.unwrap_or(&words[0])
}

/// The form: `group.NAME` and `action.NAME` for each, and what else limits the agent. What is `off` or
/// `by level` is left out, because that is the default.
fn entered(pairs: &[(String, String)]) -> Value {
    let value_of = |name: &str| {
        let found = pairs.iter().find(|(field, _)| field == name);
        found.map_or("", |(_, value)| value.as_str())
    };
    let ids = value_of("customers").lines().map(str::trim);
    let ids: Vec<&str> = ids.filter(|id| !id.is_empty()).collect();
    let is_limited = value_of("customers_are") != "all";
    let mut grants = json!({
        "groups": {},
        "actions": {},
        "customers": is_limited.then_some(ids),
        "credits_per_day": null,
    });
    for (field, value) in pairs {
        let value = value.trim();
        match field.split_once('.') {
            Some(("group", name)) if value != LEVELS[0] => grants["groups"][name] = json!(value),
            Some(("action", name)) if value != PERMISSIONS[0] => {
                grants["actions"][name] = json!(value);
            }
            _ if field == "credits_per_day" && !value.is_empty() => {
                let number = value.parse::<i64>();
                grants["credits_per_day"] = number.map_or_else(|_| json!(value), |it| json!(it));
            }
            _ => {}
        }
    }
    grants
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_that_does_not_say_for_all_customers_is_for_none() {
        let pairs = [("group.contacts".to_owned(), "read".to_owned())];
        assert_eq!(entered(&pairs)["customers"], json!([]));
    }

    #[test]
    fn what_is_entered_is_what_is_granted_and_defaults_are_left_out() {
        let pairs = [
            ("group.contacts", "read"),
            ("group.deals", "off"),
            ("action.contacts.create", "ask"),
            ("action.contacts.search", "by level"),
            ("customers_are", "only these"),
            ("customers", " acme \r\n\r\n globex"),
            ("credits_per_day", "100"),
        ];
        let pairs = pairs.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let expected = json!({
            "groups": {"contacts": "read"}, "actions": {"contacts.create": "ask"},
            "customers": ["acme", "globex"], "credits_per_day": 100,
        });
        assert_eq!(entered(&pairs), expected);
        let for_all = [("customers_are".to_owned(), "all".to_owned())];
        let nothing =
            json!({"groups": {}, "actions": {}, "customers": null, "credits_per_day": null});
        assert_eq!(entered(&for_all), nothing);
    }
}
