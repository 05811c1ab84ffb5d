//! Writes a prospect's e-mail addresses.
//!
//! A prospect takes them as a list of texts, of which the first is the primary one. Their types belong
//! to records of their own, which Outreach makes of the texts, so they are set afterwards, one by one.

use serde_json::{json, value::RawValue};
use syncline_model::EmailAddress;

use super::Outreach;
use crate::{error::ProviderError, http::Method, json::Fields, session::Session};

/// An address that a prospect is to have.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Wanted<'d> {
    pub(super) address: &'d str,
    kind: Kind<'d>,
}

/// The type of an address.
#[derive(Debug, PartialEq, Eq)]
enum Kind<'d> {
    Typed(Option<&'d str>),
    /// It is said to be the primary one, which is a place and not a type.
    Primary,
    /// Outreach has no such type.
    Unknown(&'d str),
}

/// An address as Outreach has it.
struct Known {
    id: u64,
    address: String,
    kind: Option<String>,
}

/// What of an address is not as it was wanted.
enum Difference {
    /// The type that the address with this id is to have.
    Type(u64),
    NotShown,
}

/// Each address once, the primary ones first.
pub(super) fn wanted(emails: &[EmailAddress]) -> Vec<Wanted<'_>> {
    let mut wanted: Vec<Wanted<'_>> = Vec::new();
    for email in emails {
        let address = email.email_address.trim();
        let is_known = wanted.iter().any(|it| is_same(it.address, address));
        if address.is_empty() || is_known {
            continue;
        }
        wanted.push(Wanted {
            address,
            kind: kind_of(email.email_address_type.as_deref()),
        });
    }
    wanted.sort_by_key(|it| it.kind != Kind::Primary);
    wanted
}

fn kind_of(word: Option<&str>) -> Kind<'_> {
    match word {
        None | Some("work" | "personal") => Kind::Typed(word),
        Some("primary") => Kind::Primary,
        Some(word) => Kind::Unknown(word),
    }
}

/// Whether a prospect has these addresses already, in this order. Outreach may refuse to be told the
/// addresses that it has.
pub(super) fn are_there(wanted: &[Wanted<'_>], prospect: &RawValue) -> bool {
    let known = addresses_of(prospect);
    let pairs = known.iter().zip(wanted);
    known.len() == wanted.len() && pairs.into_iter().all(|(known, it)| known == it.address)
}

impl Outreach {
    /// Gives addresses of a prospect the types that they lack. Returns how many were changed; what
    /// can't be set is a warning, because the prospect has been written.
    pub(super) async fn set_types(
        &self,
        session: &Session<'_>,
        (prospect, wanted): (&RawValue, &[Wanted<'_>]),
        warnings: &mut Vec<String>,
    ) -> usize {
        let known = known_in(prospect);
        let mut changed = 0;
        for email in wanted {
            let address = email.address;
            let kind = match email.kind {
                Kind::Primary => continue,
                Kind::Unknown(word) => {
                    warnings.push(format!(
                        "the types of addresses are work and personal: {word} was not set"
                    ));
                    continue;
                }
                Kind::Typed(kind) => kind,
            };
            match difference(email, kind, &known) {
                None => {}
                Some(Difference::NotShown) => warnings.push(format!(
                    "the type of {address} was not set: Outreach didn't show the address"
                )),
                Some(Difference::Type(id)) => match self.set_type(session, id, kind).await {
                    Ok(()) => changed += 1,
                    Err(error) => {
                        warnings.push(format!("the type of {address} was not set: {error}"));
                    }
                },
            }
        }
        changed
    }

    async fn set_type(
        &self,
        session: &Session<'_>,
        id: u64,
        kind: Option<&str>,
    ) -> Result<(), ProviderError> {
        let attributes = json!({ "emailType": kind });
        let body = json!({"data": {"type": "emailAddress", "id": id, "attributes": attributes}});
        let path = format!("emailAddresses/{id}");
        self.write_in(session, (Method::PATCH, &path), Some(body))
            .await
            .map(drop)
    }
}

fn difference(email: &Wanted<'_>, kind: Option<&str>, known: &[Known]) -> Option<Difference> {
    let found = known.iter().find(|it| is_same(&it.address, email.address));
    match found {
        Some(known) if known.kind.as_deref() == kind => None,
        Some(known) => Some(Difference::Type(known.id)),
        // One without a type is as Outreach makes it.
        None => kind.map(|_| Difference::NotShown),
    }
}

fn is_same(one: &str, other: &str) -> bool {
    one.to_lowercase() == other.to_lowercase()
}

/// The addresses of a prospect, in their order.
fn addresses_of(prospect: &RawValue) -> Vec<String> {
    let attributes = Fields::of(prospect).and_then(|it| it.object("attributes").ok()?);
    let emails = attributes.and_then(|it| it.list("emails").ok());
    let texts = emails.unwrap_or_default().into_iter();
    texts
        .filter_map(|raw| serde_json::from_str(raw.get()).ok())
        .collect()
}

/// The records of a prospect's addresses, as far as it shows them.
fn known_in(prospect: &RawValue) -> Vec<Known> {
    let attributes = Fields::of(prospect).and_then(|it| it.object("attributes").ok()?);
    let emails = attributes.and_then(|it| it.list("emailContacts").ok());
    let emails = emails.unwrap_or_default().into_iter();
    emails.filter_map(known).collect()
}

fn known(raw: &RawValue) -> Option<Known> {
    let fields = Fields::of(raw)?;
    Some(Known {
        id: super::lookup::whole(&fields.id("id").ok()?)?,
        address: fields.filled_text("email").ok()??,
        kind: fields.filled_text("email_type").ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn email(address: &str, kind: Option<&str>) -> EmailAddress {
        EmailAddress {
            email_address: address.to_owned(),
            email_address_type: kind.map(str::to_owned),
        }
    }

    fn prospect(emails: &str) -> Box<RawValue> {
        let json = format!(r#"{{"attributes":{{"emails":{emails}}}}}"#);
        RawValue::from_string(json).unwrap()
    }

    #[test]
    fn the_primary_address_comes_first_and_each_only_once() {
        let emails = [
            email(" a@x.example ", Some("work")),
            email("b@x.example", Some("primary")),
            email("A@X.EXAMPLE", None),
            email(" ", None),
        ];
        let addresses: Vec<&str> = wanted(&emails).iter().map(|it| it.address).collect();
        assert_eq!(addresses, ["b@x.example", "a@x.example"]);
    }

    #[test]
    fn addresses_are_there_in_the_same_order_only() {
        let emails = [email("a@x.example", None), email("b@x.example", None)];
        let wanted = wanted(&emails);
        let there = |emails| are_there(&wanted, &prospect(emails));
        assert!(there(r#"["a@x.example","b@x.example"]"#));
        assert!(!there(r#"["b@x.example","a@x.example"]"#));
        assert!(!there(r#"["a@x.example"]"#));
        assert!(!there("null"));
    }

    #[test]
    fn only_a_type_that_differs_is_set() {
        let json = r#"{"attributes":{"emailContacts":[
            {"id":1,"email":"A@x.example","email_type":"work"},
            {"id":2,"email":"b@x.example","email_type":null}]}}"#;
        let prospect = RawValue::from_string(json.to_owned()).unwrap();
        let known = known_in(&prospect);
        let change = |address, kind| {
            let emails = [email(address, kind)];
            match difference(&wanted(&emails)[0], kind, &known) {
                Some(Difference::Type(id)) => Some(id),
                Some(Difference::NotShown) => Some(0),
                None => None,
            }
        };
        assert_eq!(change("a@x.example", Some("work")), None);
        assert_eq!(change("a@x.example", None), Some(1));
        assert_eq!(change("b@x.example", Some("personal")), Some(2));
        assert_eq!(change("c@x.example", Some("work")), Some(0));
        assert_eq!(change("c@x.example", None), None);
    }
}
