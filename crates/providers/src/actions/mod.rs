//! Actions at a provider: what agents can call there, and how their input becomes a request. They are
//! data, in a file `actions.json` beside each provider.

mod template;

use async_trait::async_trait;
use serde::Deserialize;
use serde_json::{
    Value, json,
    value::{RawValue, to_raw_value},
};
use syncline_model::{Action, Object, ProviderName, Records, action::read_catalogue};

pub(crate) use self::template::Rendered;
use self::template::RequestTemplate;
use crate::{
    apollo,
    error::{ErrorKind, FieldPath, ProviderError},
    http::{Method, Response},
    json, outreach, salesloft,
    session::Session,
};

/// An action, and how it is made at its provider.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProviderAction {
    pub action: Action,
    request: RequestTemplate,
    /// The records in the answer that the synced tables have, too.
    #[serde(default)]
    shows: Option<Shown>,
    /// The answer is an object with an entry for each of many things: it becomes a list under this key,
    /// in which each has its `name`.
    #[serde(default)]
    entries: Option<String>,
}

/// Where an answer has records of an object.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Shown {
    pub(crate) object: Object,
    /// The key of the record, or of a list of them.
    pub(crate) at: String,
}

/// What came of an action.
#[derive(Debug)]
pub struct Acted {
    /// The whole answer. Callers see what the action describes of it.
    pub answer: Value,
    /// The answer's records, for the tables.
    pub records: Option<Records>,
}

/// A provider's actions.
#[async_trait]
pub trait Actions: Send + Sync {
    fn catalogue(&self) -> &'static [ProviderAction];

    /// Makes a call. `input` is as the action describes it.
    async fn act(
        &self,
        session: &Session<'_>,
        action: &'static ProviderAction,
        input: &Value,
    ) -> Result<Acted, ProviderError>;
}

/// The actions of all built-in providers.
pub fn built_in() -> [(ProviderName, &'static [ProviderAction]); 3] {
    [
        (apollo::NAME, &apollo::actions::CATALOGUE),
        (outreach::NAME, &outreach::actions::CATALOGUE),
        (salesloft::NAME, &salesloft::actions::CATALOGUE),
    ]
}

/// The actions in a provider's file. It is part of the program, and the tests read all of them.
pub(crate) fn catalogue_in(file: &str) -> Vec<ProviderAction> {
    let mut all: Vec<ProviderAction> = read_catalogue(file).expect("actions.json is whole");
    for it in &mut all {
        it.action.widen_output();
    }
    all
}

fn listed(answer: Value, key: &str) -> Value {
    let Value::Object(entries) = answer else {
        return answer;
    };
    let entries = entries.into_iter().map(|(name, mut entry)| {
        if let Some(fields) = entry.as_object_mut() {
            fields.insert("name".to_owned(), name.into());
        }
        entry
    });
    json!({ key: entries.collect::<Vec<_>>() })
}

impl ProviderAction {
    /// The request for this input.
    pub(crate) fn render(&'static self, input: &Value) -> Result<Rendered, ProviderError> {
        self.request.render(input).map_err(|wrong| {
            let mut error = ProviderError::new(ErrorKind::Invalid, None, &wrong.reason);
            error.field = Some(Box::new(FieldPath(wrong.field)));
            error
        })
    }

    /// The request's method and path, which rules look at.
    pub fn request_line(&'static self, input: &Value) -> Result<(Method, String), ProviderError> {
        let rendered = self.render(input)?;
        Ok((rendered.method, rendered.path))
    }

    /// The answer to its request. `records` maps the JSON of records, where the tables have them; those that
    /// can't be mapped are shown by the next sync.
    pub(crate) fn acted(
        &self,
        response: &Response,
        unreadable: impl FnOnce(&Response, &str) -> ProviderError,
        records: impl FnOnce(Object, &[&RawValue]) -> Option<Records>,
    ) -> Result<Acted, ProviderError> {
        let text = json::clean(&response.body);
        let answer: Value = match text.trim() {
            "" => Value::Null,
            text => serde_json::from_str(text)
                .map_err(|error| unreadable(response, &error.to_string()))?,
        };
        let answer = match &self.entries {
            Some(key) => listed(answer, key),
            None => answer,
        };
        let shown = self.shows.as_ref().and_then(|shown| {
            let found = match answer.get(&shown.at)? {
                Value::Array(list) => list.as_slice(),
                Value::Null => return None,
                one => std::slice::from_ref(one),
            };
            let raw = found.iter().map(to_raw_value);
            let raw = raw.collect::<Result<Vec<_>, _>>().ok()?;
            let raw: Vec<&RawValue> = raw.iter().map(AsRef::as_ref).collect();
            records(shown.object, &raw)
        });
        Ok(Acted {
            answer,
            records: shown,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn all() -> Vec<(&'static str, Vec<ProviderAction>)> {
        vec![
            ("apollo", catalogue_in(apollo::actions::FILE)),
            ("outreach", catalogue_in(outreach::actions::FILE)),
            ("salesloft", catalogue_in(salesloft::actions::FILE)),
        ]
    }

    #[test]
    fn every_action_has_its_words_and_only_fields_that_exist() {
        for (provider, actions) in all() {
            let mut names = HashSet::new();
            for ProviderAction {
                action, request, ..
            } in &actions
            {
                let name = &action.name;
                assert!(names.insert(name.clone()), "{provider} has two of {name}");
                assert!(name.split_once('.').is_some(), "{name}");
                assert!(action.description.len() < 400, "{provider} {name}");
                let fields = &action.input.properties;
                assert_eq!(
                    action.input.additional_properties,
                    Some(false),
                    "{provider} {name}"
                );
                let quoted = action.sentence.split('{').skip(1);
                let quoted = quoted.map(|rest| rest.split('}').next().unwrap_or_default());
                for field in quoted
                    .chain(request.fields())
                    .chain(action.input.required.iter().map(String::as_str))
                {
                    assert!(
                        fields.contains_key(field),
                        "{provider} {name} has no field {field}"
                    );
                }
                for (field, schema) in fields {
                    assert!(!request.loses(field), "{provider} {name} loses {field}");
                    assert!(
                        schema.description.is_some(),
                        "{provider} {name}.{field} has no description"
                    );
                }
            }
        }
    }

    #[test]
    fn what_costs_credits_says_so() {
        for (provider, actions) in all() {
            for it in &actions {
                let costs = provider == "apollo" && apollo::credits::may_cost(it.request.path());
                assert_eq!(
                    it.action.spends_credits(),
                    costs,
                    "{provider} {}",
                    it.action.name
                );
            }
        }
    }
}
