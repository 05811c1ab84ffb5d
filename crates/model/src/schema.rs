//! The part of JSON Schema in which actions describe their input and output.
//!
//! By hand, because the schema does two things that a validator doesn't: it names the wrong field and
//! what would be right in this API's words ([`Schema::check`]), and it cuts what a provider answers down
//! to what is described ([`Schema::project`]). A validator would also bring two dozen crates. A keyword
//! that is not here is refused when a schema is read, so no schema promises what nobody checks.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Number, Value};

/// In characters, unless the schema says otherwise.
const LONGEST_TEXT: usize = 500;
/// In elements, unless the schema says otherwise.
const LONGEST_LIST: usize = 100;
/// The largest value without a described type, as JSON text in bytes.
const LARGEST_ANY: usize = 2_000;

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Schema {
    /// Without a type, any value will do.
    #[serde(rename = "type", skip_serializing_if = "Types::is_any")]
    pub types: Types,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    #[serde(rename = "enum", skip_serializing_if = "Vec::is_empty")]
    pub choices: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<Format>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub minimum: Option<Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub maximum: Option<Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_length: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_length: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub items: Option<Box<Schema>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_items: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_items: Option<usize>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub properties: BTreeMap<String, Schema>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub required: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_properties: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub additional_properties: Option<bool>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Type {
    String,
    Integer,
    Number,
    Boolean,
    Array,
    Object,
    Null,
}

/// One type, or several.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Types {
    One(Type),
    Several(Vec<Type>),
    #[default]
    #[serde(skip)]
    Any,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    Date,
    DateTime,
    Email,
}

/// What is wrong with a value, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {reason}")]
pub struct Violation {
    /// Such as `details[2].email`; `input` for the whole.
    pub field: String,
    pub reason: String,
}

impl Types {
    fn is_any(&self) -> bool {
        *self == Self::Any
    }

    fn all(&self) -> &[Type] {
        match self {
            Self::One(one) => std::slice::from_ref(one),
            Self::Several(several) => several,
            Self::Any => &[],
        }
    }

    pub fn include(&self, kind: Type) -> bool {
        self.is_any() || self.all().contains(&kind)
    }

    fn allow(&self, value: &Value) -> bool {
        self.is_any() || self.all().iter().any(|kind| kind.has(value))
    }
}

impl Type {
    fn has(self, value: &Value) -> bool {
        match (self, value) {
            (Self::String, Value::String(_))
            | (Self::Number, Value::Number(_))
            | (Self::Boolean, Value::Bool(_))
            | (Self::Array, Value::Array(_))
            | (Self::Object, Value::Object(_))
            | (Self::Null, Value::Null) => true,
            (Self::Integer, Value::Number(number)) => number.is_i64() || number.is_u64(),
            _ => false,
        }
    }

    fn in_words(self) -> &'static str {
        match self {
            Self::String => "a string",
            Self::Integer => "a whole number",
            Self::Number => "a number",
            Self::Boolean => "true or false",
            Self::Array => "a list",
            Self::Object => "an object",
            Self::Null => "null",
        }
    }
}

impl Schema {
    /// Whether the value is as described.
    pub fn check(&self, value: &Value) -> Result<(), Violation> {
        self.check_at("", value)
    }

    fn check_at(&self, at: &str, value: &Value) -> Result<(), Violation> {
        if !self.types.allow(value) {
            let types = self.types.all().iter().map(|kind| kind.in_words());
            let types: Vec<_> = types.collect();
            return Err(wrong(at, format!("must be {}", types.join(" or "))));
        }
        match value {
            Value::String(text) => self.check_text(at, text),
            Value::Number(number) => self.check_number(at, number),
            Value::Array(list) => self.check_list(at, list),
            Value::Object(fields) => self.check_fields(at, fields),
            Value::Bool(_) | Value::Null => Ok(()),
        }
    }

    fn check_text(&self, at: &str, text: &str) -> Result<(), Violation> {
        if text.contains('\0') {
            return Err(wrong(at, "must not contain a NUL character".to_owned()));
        }
        if !self.choices.is_empty() && !self.choices.iter().any(|choice| choice == text) {
            let reason = format!("must be one of {}", self.choices.join(", "));
            return Err(wrong(at, reason));
        }
        let length = text.chars().count();
        let (least, most) = (self.min_length.unwrap_or(0), self.max_length);
        if length < least || most.is_some_and(|most| length > most) {
            return Err(wrong(at, range("have", least, most, "characters")));
        }
        match self.format {
            Some(Format::DateTime) if DateTime::parse_from_rfc3339(text).is_err() => Err(wrong(
                at,
                "must be an RFC 3339 time such as 2030-01-31T12:00:00Z".to_owned(),
            )),
            Some(Format::Date) if text.parse::<NaiveDate>().is_err() => {
                Err(wrong(at, "must be a date such as 2030-01-31".to_owned()))
            }
            Some(Format::Email) if !is_email(text) => {
                Err(wrong(at, "must be an e-mail address".to_owned()))
            }
            _ => Ok(()),
        }
    }

    fn check_number(&self, at: &str, number: &Number) -> Result<(), Violation> {
        let outside = |bound: &Option<Number>, is_outside: fn(f64, f64) -> bool| {
            let bound = bound.as_ref().and_then(Number::as_f64);
            bound
                .zip(number.as_f64())
                .is_some_and(|(b, n)| is_outside(n, b))
        };
        if !outside(&self.minimum, |it, least| it < least)
            && !outside(&self.maximum, |it, most| it > most)
        {
            return Ok(());
        }
        let reason = match (&self.minimum, &self.maximum) {
            (Some(least), Some(most)) => format!("must be from {least} to {most}"),
            (Some(least), None) => format!("must be {least} or more"),
            (_, most) => format!("must be {} or less", most.clone().unwrap_or(0.into())),
        };
        Err(wrong(at, reason))
    }

    fn check_list(&self, at: &str, list: &[Value]) -> Result<(), Violation> {
        let (least, most) = (self.min_items.unwrap_or(0), self.max_items);
        if list.len() < least || most.is_some_and(|most| list.len() > most) {
            return Err(wrong(at, range("have", least, most, "elements")));
        }
        let Some(items) = &self.items else {
            return Ok(());
        };
        let mut all = list.iter().enumerate();
        all.try_for_each(|(index, it)| items.check_at(&format!("{at}[{index}]"), it))
    }

    fn check_fields(&self, at: &str, fields: &Map<String, Value>) -> Result<(), Violation> {
        let path = |name: &str| match at {
            "" => name.to_owned(),
            at => format!("{at}.{name}"),
        };
        if let Some(missing) = self.required.iter().find(|it| !fields.contains_key(*it)) {
            return Err(wrong(&path(missing), "this field is required".to_owned()));
        }
        for (name, value) in fields {
            match self.properties.get(name) {
                Some(schema) => schema.check_at(&path(name), value)?,
                None if self.additional_properties == Some(false) => {
                    let known: Vec<_> = self.properties.keys().map(String::as_str).collect();
                    let reason = format!("is not known here; the fields are {}", known.join(", "));
                    return Err(wrong(&path(name), reason));
                }
                None => {}
            }
        }
        let least = self.min_properties.unwrap_or(0);
        if fields.len() < least {
            let reason = format!("must have {least} or more of the described fields");
            return Err(wrong(at, reason));
        }
        Ok(())
    }

    /// What is described of a value that somebody else wrote: other fields are left out, what has another
    /// type is null, and long texts and lists are cut. The result is as described.
    pub fn project(&self, value: Value) -> Value {
        match value {
            Value::Object(fields) if !self.properties.is_empty() => {
                let described = fields.into_iter().filter_map(|(name, value)| {
                    let value = self.properties.get(&name)?.project(value);
                    Some((name, value))
                });
                Value::Object(described.collect())
            }
            Value::Array(list) if self.types.include(Type::Array) && self.items.is_some() => {
                let most = self.max_items.unwrap_or(LONGEST_LIST);
                let kept = list.into_iter().take(most);
                let kept = kept.map(|it| match &self.items {
                    Some(items) => items.project(it),
                    None => it,
                });
                Value::Array(kept.collect())
            }
            Value::String(text) if self.types.include(Type::String) => {
                Value::String(shortened(text, self.max_length.unwrap_or(LONGEST_TEXT)))
            }
            other if self.types.is_any() && other.to_string().len() <= LARGEST_ANY => other,
            other if !self.types.is_any() && self.is_plain(&other) => other,
            _ => Value::Null,
        }
    }

    /// Whether [`project`](Self::project) leaves elements of a list out.
    pub fn cuts_lists(&self, value: &Value) -> bool {
        match (value, &self.items) {
            (Value::Object(fields), _) => fields.iter().any(|(name, value)| {
                let described = self.properties.get(name);
                described.is_some_and(|it| it.cuts_lists(value))
            }),
            (Value::Array(list), Some(items)) => {
                list.len() > self.max_items.unwrap_or(LONGEST_LIST)
                    || list.iter().any(|it| items.cuts_lists(it))
            }
            _ => false,
        }
    }

    fn is_plain(&self, value: &Value) -> bool {
        !value.is_array() && !value.is_object() && !value.is_string() && self.types.allow(value)
    }

    /// The same, where every field may be null or absent: what a provider answers can always lack
    /// something.
    pub fn nullable(mut self) -> Self {
        self.required.clear();
        self.choices.clear();
        (self.format, self.minimum, self.maximum) = (None, None, None);
        (self.min_length, self.min_items, self.min_properties) = (None, None, None);
        if let Some(items) = self.items.take() {
            self.items = Some(Box::new(items.nullable()));
        }
        let properties = std::mem::take(&mut self.properties);
        let nullable = |(name, schema): (String, Self)| (name, schema.nullable());
        self.properties = properties.into_iter().map(nullable).collect();
        if !self.types.include(Type::Null) {
            let types = self.types.all().iter().copied();
            self.types = Types::Several(types.chain([Type::Null]).collect());
        }
        self
    }
}

fn wrong(at: &str, reason: String) -> Violation {
    Violation {
        field: if at.is_empty() { "input" } else { at }.to_owned(),
        reason,
    }
}

fn range(verb: &str, least: usize, most: Option<usize>, what: &str) -> String {
    match most {
        None if least == 1 => "must not be empty".to_owned(),
        Some(most) if least == most => format!("must {verb} {most} {what}"),
        Some(most) => format!("must {verb} {least} to {most} {what}"),
        None => format!("must {verb} {least} {what} or more"),
    }
}

/// As far as a typing mistake can be told; whether it exists only a mail server knows.
fn is_email(text: &str) -> bool {
    let Some((name, host)) = text.rsplit_once('@') else {
        return false;
    };
    let plain = !text.chars().any(|it| it.is_whitespace() || it.is_control());
    plain && !name.is_empty() && host.len() > 2 && !host.starts_with('.') && !host.ends_with('.')
}

fn shortened(text: String, most: usize) -> String {
    if text.chars().nth(most).is_none() {
        return text;
    }
    let kept = text.chars().take(most.saturating_sub(1));
    kept.chain(['…']).collect()
}

#[cfg(test)]
#[path = "schema_tests.rs"]
mod tests;
