//! Builds the fields of a person from a contact.
//!
//! A person has a field each for three addresses and three numbers, and no street or postal code.

use serde_json::{Map, Value};
use syncline_model::{Address, EmailAddress, PhoneNumber, draft::ContactDraft};

use super::fields::{set_id, set_text};
use crate::error::ProviderError;

pub(super) fn person(draft: &ContactDraft) -> Result<Map<String, Value>, ProviderError> {
    let mut fields = draft.custom_fields.clone();
    set_text(&mut fields, "first_name", draft.first_name.as_ref());
    set_text(&mut fields, "last_name", draft.last_name.as_ref());
    set_text(&mut fields, "title", draft.job_title.as_ref());
    if let Some(address) = &draft.address {
        set_address(&mut fields, address.as_ref());
    }
    if let Some(emails) = &draft.email_addresses {
        for (name, address) in Emails::of(emails).fields() {
            fields.insert(name.to_owned(), address.into());
        }
    }
    if let Some(numbers) = &draft.phone_numbers {
        set_phones(&mut fields, numbers);
    }
    set_id(&mut fields, "owner_id", draft.owner_id.as_ref())?;
    set_id(&mut fields, "account_id", draft.account_id.as_ref())?;
    Ok(fields)
}

/// An address is replaced as a whole, as far as there is a place for it.
fn set_address(fields: &mut Map<String, Value>, address: Option<&Address>) {
    let line = |line: fn(&Address) -> &Option<String>| address.and_then(|it| line(it).clone());
    for (name, text) in [
        ("city", line(|it| &it.city)),
        ("state", line(|it| &it.state)),
        ("country", line(|it| &it.country)),
    ] {
        fields.insert(name.to_owned(), text.into());
    }
}

/// A person's addresses, each in its field.
#[derive(Debug, Default, PartialEq, Eq)]
struct Emails<'d> {
    primary: Option<&'d str>,
    personal: Option<&'d str>,
    secondary: Option<&'d str>,
    /// Those without a place.
    rest: Vec<&'d str>,
}

impl<'d> Emails<'d> {
    /// Without a primary address the first one that isn't personal takes its place, and otherwise the
    /// first of all: Salesloft writes to no other.
    fn of(emails: &'d [EmailAddress]) -> Self {
        let mut own = Self::default();
        let mut others = Vec::new();
        for email in emails {
            let address = email.email_address.trim();
            let place = match email.email_address_type.as_deref() {
                Some("primary") => &mut own.primary,
                Some("personal") => &mut own.personal,
                _ => {
                    others.push(address);
                    continue;
                }
            };
            match place {
                None => *place = Some(address),
                Some(_) => others.push(address),
            }
        }
        let mut others = others.into_iter();
        if own.primary.is_none() {
            own.primary = others.next().or_else(|| own.personal.take());
        }
        own.secondary = others.next();
        own.rest = others.collect();
        own
    }

    fn fields(&self) -> [(&'static str, Option<&'d str>); 3] {
        [
            ("email_address", self.primary),
            ("personal_email_address", self.personal),
            ("secondary_email_address", self.secondary),
        ]
    }
}

/// The numbers of a kind, and the field that takes the first of them.
const PHONES: [(&str, &[&str]); 3] = [
    ("phone", &["primary", "work", "other"]),
    ("home_phone", &["home"]),
    ("mobile_phone", &["mobile"]),
];

/// Kinds that aren't named keep their number. An empty list clears all.
fn set_phones(fields: &mut Map<String, Value>, numbers: &[PhoneNumber]) {
    for (field, kinds) in PHONES {
        let number = numbers_of(numbers, kinds).into_iter().next();
        if number.is_some() || numbers.is_empty() {
            fields.insert(field.to_owned(), number.into());
        }
    }
}

/// The numbers of these kinds, in the order of the kinds. One without a kind is one of the others.
fn numbers_of<'d>(numbers: &'d [PhoneNumber], kinds: &[&str]) -> Vec<&'d str> {
    let kind = |it: &'d PhoneNumber| {
        let word = it.phone_number_type.as_deref().unwrap_or("other");
        if ["primary", "work", "home", "mobile"].contains(&word) {
            word
        } else {
            "other"
        }
    };
    let of_kinds = kinds.iter().flat_map(|wanted| {
        numbers
            .iter()
            .filter(move |it| kind(it) == *wanted)
            .filter_map(|it| it.phone_number.as_deref())
    });
    of_kinds
        .map(str::trim)
        .filter(|it| !it.is_empty())
        .collect()
}

/// What of a draft has no place.
pub(super) fn left_out(draft: &ContactDraft) -> Vec<String> {
    let mut warnings = Vec::new();
    let address = draft.address.as_ref().and_then(Option::as_ref);
    let has_street = address.is_some_and(|it| {
        [&it.street_1, &it.street_2, &it.postal_code]
            .into_iter()
            .any(Option::is_some)
    });
    if has_street {
        warnings.push(
            "Salesloft's people have no street and no postal code: they were not set".to_owned(),
        );
    }
    let emails = draft.email_addresses.as_deref().unwrap_or_default();
    for address in Emails::of(emails).rest {
        warnings.push(format!(
            "a person has three addresses at Salesloft: {address} was not set"
        ));
    }
    let numbers = draft.phone_numbers.as_deref().unwrap_or_default();
    for (field, kinds) in PHONES {
        for number in numbers_of(numbers, kinds).into_iter().skip(1) {
            warnings.push(format!(
                "Salesloft has one number as {field}: {number} was not set"
            ));
        }
    }
    warnings
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn draft(fields: Value) -> ContactDraft {
        serde_json::from_value(fields).unwrap()
    }

    fn body_of(fields: Value) -> Value {
        Value::Object(person(&draft(fields)).unwrap())
    }

    #[test]
    fn a_contact_becomes_a_person() {
        let body = body_of(json!({
            "first_name": "Tove", "last_name": null, "job_title": "CFO",
            "address": {"city": "Lund"}, "account_id": "610", "owner_id": null,
            "custom_fields": {"tags": ["expo"], "custom_fields": {"Region": "North"}},
        }));
        let expected = json!({
            "first_name": "Tove", "last_name": null, "title": "CFO",
            "city": "Lund", "state": null, "country": null,
            "account_id": 610, "owner_id": null,
            "tags": ["expo"], "custom_fields": {"Region": "North"},
        });
        assert_eq!(body, expected);
        assert_eq!(body_of(json!({})), json!({}));
    }

    #[test]
    fn each_address_has_its_field() {
        let email = |address: &str, kind: Option<&str>| json!({"email_address": address, "email_address_type": kind});
        let (work, home) = (
            email("w@x.example", Some("work")),
            email("h@x.example", Some("personal")),
        );
        let (main, other) = (
            email("m@x.example", Some("primary")),
            email("o@x.example", None),
        );
        for (emails, fields) in [
            (json!([]), [None, None, None]),
            (json!([work]), [Some("w@x.example"), None, None]),
            (json!([home]), [Some("h@x.example"), None, None]),
            (
                json!([home, other]),
                [Some("o@x.example"), Some("h@x.example"), None],
            ),
            (
                json!([other, home, main]),
                [
                    Some("m@x.example"),
                    Some("h@x.example"),
                    Some("o@x.example"),
                ],
            ),
        ] {
            let draft = draft(json!({ "email_addresses": emails }));
            let told = Emails::of(draft.email_addresses.as_deref().unwrap()).fields();
            assert_eq!(told.map(|(_, address)| address), fields, "{emails}");
        }
    }

    #[test]
    fn what_has_no_place_is_told() {
        let draft = draft(json!({
            "address": {"street_1": "1 Alfa Street", "city": "Lund"},
            "email_addresses": [{"email_address": "1@x.example"}, {"email_address": "2@x.example"},
                {"email_address": "3@x.example"}],
            "phone_numbers": [{"phone_number": "1", "phone_number_type": "work"},
                {"phone_number": "2", "phone_number_type": "primary"},
                {"phone_number": "3", "phone_number_type": "fax"}],
        }));
        let told = left_out(&draft);
        assert_eq!(told.len(), 4, "{told:?}");
        for word in ["street", "3@x.example", ": 1 was", ": 3 was"] {
            assert!(told.iter().any(|it| it.contains(word)), "{word}: {told:?}");
        }
        let body = Value::Object(person(&draft).unwrap());
        assert_eq!(body["phone"], "2");
        assert_eq!(body.get("home_phone"), None, "it keeps what it has");
    }
}
