//! Recognises the record of a create whose answer was lost, among those that the provider created a
//! moment ago. Without it, the caller's error would invite a second record.

use chrono::TimeDelta;
use serde_json::{Map, Value};
use syncline_model::Time;

use crate::{http::Response, json::Fields};

/// How long ago, by the provider's clock, a record was created if it is the lost one.
const RECENT: TimeDelta = TimeDelta::minutes(2);

/// What a lost record looks like.
pub(crate) struct Lost<'c> {
    /// The fields that were sent.
    pub(crate) sent: &'c Map<String, Value>,
    /// The names of those that the provider shows as they were sent.
    pub(crate) same: &'c [&'c str],
    /// The earliest moment at which it can have been created.
    pub(crate) since: Time,
}

impl Lost<'_> {
    /// Whether it is the record with these fields, of which `created` says when it was created.
    pub(crate) fn is(&self, fields: &Fields<'_>, created: &str) -> bool {
        let created_at = fields.time(created).ok().flatten();
        let is_new = created_at.is_some_and(|at| at >= self.since);
        is_new && self.same.iter().all(|name| self.is_same(fields, name))
    }

    fn is_same(&self, fields: &Fields<'_>, name: &str) -> bool {
        let raw = fields.raw(name);
        let is: Option<Value> = raw.and_then(|raw| serde_json::from_str(raw.get()).ok());
        let sent = self.sent.get(name).filter(|value| !value.is_null());
        is.as_ref() == sent
    }
}

/// Since when a record was created that was lost just before this response; `None` if the provider
/// doesn't tell the time.
pub(crate) fn since(response: &Response) -> Option<Time> {
    response.date()?.checked_sub_signed(RECENT)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_lost_record_is_new_and_has_what_was_sent() {
        let Value::Object(sent) = json!({"name": "Wire", "domain": null, "number": 7}) else {
            panic!("an object was written");
        };
        let lost = Lost {
            sent: &sent,
            same: &["name", "domain", "number"],
            since: Time::from_timestamp(1_000, 0).unwrap(),
        };
        let is = |record: &str| lost.is(&Fields::parse(record).unwrap(), "at");
        assert!(is(
            r#"{"at":"1970-01-01T00:16:40Z","name":"Wire","number":7}"#
        ));
        for other in [
            r#"{"at":"1970-01-01T00:16:39Z","name":"Wire","number":7}"#,
            r#"{"at":null,"name":"Wire","number":7}"#,
            r#"{"at":"1970-01-01T00:16:40Z","name":"wire","number":7}"#,
            r#"{"at":"1970-01-01T00:16:40Z","name":"Wire","number":7,"domain":"x"}"#,
        ] {
            assert!(!is(other), "{other}");
        }
    }
}
