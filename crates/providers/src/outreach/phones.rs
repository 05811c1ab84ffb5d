//! Writes a prospect's phone numbers: Outreach has a list for each kind, and replaces it as a whole.

use serde_json::value::RawValue;
use syncline_model::PhoneNumber;

use super::document::Document;
use crate::json::Fields;

const MOBILE: &str = "mobilePhones";
const HOME: &str = "homePhones";
const WORK: &str = "workPhones";
const OTHER: &str = "otherPhones";
const VOIP: &str = "voipPhones";

/// Sets the lists of the kinds that are named; the others keep what they have. Without any number all
/// are cleared. `before` is the prospect as it is.
pub(super) fn set(document: &mut Document, numbers: &[PhoneNumber], before: Option<&RawValue>) {
    if numbers.is_empty() {
        for list in [MOBILE, HOME, WORK, OTHER, VOIP] {
            document.set(list, Vec::<String>::new());
        }
        return;
    }
    let voip = before.map(voip_of).unwrap_or_default();
    for list in [MOBILE, HOME, WORK, OTHER] {
        let numbers: Vec<&str> = numbers
            .iter()
            .filter(|it| list_of(it) == list)
            .filter_map(number)
            .collect();
        if numbers.is_empty() {
            continue;
        }
        if list == OTHER && !voip.is_empty() {
            // Both lists are shown as `other`, so numbers stay where they are.
            let (kept, numbers): (Vec<&str>, Vec<&str>) = numbers
                .into_iter()
                .partition(|number| voip.iter().any(|known| known == number));
            document.set(VOIP, kept);
            document.set(OTHER, numbers);
        } else {
            document.set(list, numbers);
        }
    }
}

/// Kinds that Outreach doesn't have and are stored as `other`.
pub(super) fn warnings(numbers: &[PhoneNumber]) -> Vec<String> {
    let kinds = numbers.iter().filter_map(|it| {
        let kind = it.phone_number_type.as_deref()?;
        let is_known = ["mobile", "primary", "home", "work", "other"].contains(&kind);
        (!is_known).then(|| {
            format!("Outreach has no {kind} numbers: the number was stored as one of the others")
        })
    });
    kinds.collect()
}

/// Outreach has no primary number.
fn list_of(number: &PhoneNumber) -> &'static str {
    match number.phone_number_type.as_deref() {
        Some("mobile" | "primary") => MOBILE,
        Some("home") => HOME,
        Some("work") => WORK,
        _ => OTHER,
    }
}

fn number(number: &PhoneNumber) -> Option<&str> {
    let number = number.phone_number.as_deref().map(str::trim);
    number.filter(|number| !number.is_empty())
}

fn voip_of(prospect: &RawValue) -> Vec<String> {
    let attributes = Fields::of(prospect).and_then(|it| it.object("attributes").ok()?);
    let numbers = attributes.and_then(|it| it.list(VOIP).ok());
    let numbers = numbers.unwrap_or_default().into_iter();
    numbers
        .filter_map(|raw| serde_json::from_str(raw.get()).ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use syncline_model::draft::CustomFields;

    use super::*;

    fn phone(number: &str, kind: Option<&str>) -> PhoneNumber {
        PhoneNumber {
            phone_number: Some(number.to_owned()),
            phone_number_type: kind.map(str::to_owned),
        }
    }

    fn lists(numbers: &[PhoneNumber], before: Option<&str>) -> Value {
        let before = before.map(|it| RawValue::from_string(it.to_owned()).unwrap());
        let mut document = Document::new("prospect", &CustomFields::new());
        set(&mut document, numbers, before.as_deref());
        document.to_body()["data"]["attributes"].clone()
    }

    #[test]
    fn only_the_kinds_that_are_named_are_written() {
        let numbers = [
            phone("1", Some("primary")),
            phone("2", Some("mobile")),
            phone("3", Some("work")),
            phone("4", None),
            phone("5", Some("fax")),
        ];
        assert_eq!(
            lists(&numbers, None),
            json!({"mobilePhones": ["1", "2"], "workPhones": ["3"], "otherPhones": ["4", "5"]})
        );
        assert_eq!(warnings(&numbers).len(), 1);
    }

    #[test]
    fn without_any_number_all_lists_are_cleared() {
        let cleared = lists(&[], None);
        let lists = cleared.as_object().unwrap();
        assert_eq!(lists.len(), 5);
        assert!(lists.values().all(|list| *list == json!([])));
    }

    #[test]
    fn what_was_read_is_written_back_to_where_it_was() {
        let before = r#"{"attributes":{"voipPhones":["8","9"],"otherPhones":["7"]}}"#;
        let numbers = [phone("7", Some("other")), phone("8", Some("other"))];
        assert_eq!(
            lists(&numbers, Some(before)),
            json!({"otherPhones": ["7"], "voipPhones": ["8"]})
        );
    }
}
