//! Writes accounts and prospects.
//!
//! Outreach answers with the whole record. It replaces lists as a whole, so a prospect is read before
//! its addresses or numbers are changed.

use async_trait::async_trait;
use serde_json::value::RawValue;
use syncline_model::{
    Address, Object,
    draft::{AccountDraft, ContactDraft},
    spelling::bare_host,
};

use super::{
    Outreach, PROVIDER,
    api::{collection, kind},
    creation::{Creation, number_of, record_of, written},
    document::Document,
    emails::{self, Wanted},
    live::is_value,
    lookup::whole,
    phones,
};
use crate::{
    capabilities::{RecordWrites, WriteResult},
    error::ProviderError,
    http::Method,
    live,
    session::Session,
};

#[async_trait]
impl RecordWrites for Outreach {
    async fn create_account(
        &self,
        session: &Session<'_>,
        draft: &AccountDraft,
    ) -> Result<WriteResult, ProviderError> {
        let mut document = account(draft)?;
        // Otherwise the organisation's settings decide, and an unnamed account is in no list.
        document.set_default("named", true);
        let name = draft.name.clone().flatten();
        let record = self
            .create(session, &creation(Object::Account, document, name))
            .await?;
        written(&record, Object::Account)
    }

    async fn update_account(
        &self,
        session: &Session<'_>,
        id: &str,
        draft: &AccountDraft,
    ) -> Result<WriteResult, ProviderError> {
        let number = existing(Object::Account, id)?;
        let document = account(draft)?;
        let record = self
            .update(session, (Object::Account, number), document)
            .await?;
        written(&record, Object::Account)
    }

    async fn create_contact(
        &self,
        session: &Session<'_>,
        draft: &ContactDraft,
    ) -> Result<WriteResult, ProviderError> {
        let wanted = draft.email_addresses.as_deref().map(emails::wanted);
        let document = prospect(draft, wanted.as_deref(), None)?;
        let email = wanted.as_deref().and_then(<[_]>::first);
        let email = email.map(|email| email.address).filter(is_value);
        let email = email.map(str::to_owned);
        let record = self
            .create(session, &creation(Object::Contact, document, email))
            .await?;
        self.complete(session, record, (draft, wanted.as_deref()))
            .await
    }

    async fn update_contact(
        &self,
        session: &Session<'_>,
        id: &str,
        draft: &ContactDraft,
    ) -> Result<WriteResult, ProviderError> {
        let number = existing(Object::Contact, id)?;
        let wanted = draft.email_addresses.as_deref().map(emails::wanted);
        let before = if wanted.is_some() || draft.phone_numbers.is_some() {
            let read = self.read_one(session, Object::Contact, number).await?;
            Some(record_of(&read)?)
        } else {
            None
        };
        let document = prospect(draft, wanted.as_deref(), before.as_deref())?;
        let record = match before {
            // The addresses may differ in their types alone.
            Some(before) if document.is_empty() => before,
            _ => {
                self.update(session, (Object::Contact, number), document)
                    .await?
            }
        };
        self.complete(session, record, (draft, wanted.as_deref()))
            .await
    }
}

impl Outreach {
    /// The JSON of the changed record.
    pub(super) async fn update(
        &self,
        session: &Session<'_>,
        (object, number): (Object, u64),
        document: Document,
    ) -> Result<Box<RawValue>, ProviderError> {
        let path = format!("{}/{number}", collection(object));
        let body = document.of(number).to_body();
        let response = self
            .write_in(session, (Method::PATCH, &path), Some(body))
            .await?;
        record_of(&response)
    }

    /// Sets what a prospect doesn't take with its other attributes. The prospect has been written, so
    /// a failure here is only a warning.
    async fn complete(
        &self,
        session: &Session<'_>,
        record: Box<RawValue>,
        (draft, wanted): (&ContactDraft, Option<&[Wanted<'_>]>),
    ) -> Result<WriteResult, ProviderError> {
        let mut warnings = phones::warnings(draft.phone_numbers.as_deref().unwrap_or_default());
        let typed = self
            .set_types(
                session,
                (&*record, wanted.unwrap_or_default()),
                &mut warnings,
            )
            .await;
        let record = if typed == 0 {
            record
        } else {
            let number = number_of(&record)?;
            let again = self.read_one(session, Object::Contact, number).await;
            again
                .and_then(|response| record_of(&response))
                .unwrap_or_else(|error| {
                    warnings.push(format!("the contact could not be read again: {error}"));
                    record
                })
        };
        let mut wrote = written(&record, Object::Contact)?;
        wrote.warnings.extend(warnings);
        Ok(wrote)
    }
}

/// How to create a record, and to find it by its name or its address.
fn creation(object: Object, document: Document, found_by: Option<String>) -> Creation {
    let (filter, same): (_, &[_]) = match object {
        Object::Contact => ("filter[emails]", &["firstName", "lastName"]),
        _ => ("filter[name]", &["name", "domain"]),
    };
    let sort = ("sort", "-createdAt".to_owned());
    let sought = found_by.map(|value| vec![(filter, value), sort]);
    Creation {
        collection: collection(object),
        document,
        sought: sought.unwrap_or_default(),
        same,
    }
}

fn existing(object: Object, id: &str) -> Result<u64, ProviderError> {
    whole(id).ok_or_else(|| live::no_such(PROVIDER, object, id))
}

fn account(draft: &AccountDraft) -> Result<Document, ProviderError> {
    let mut document = Document::new(kind(Object::Account), &draft.custom_fields);
    document.set_text("name", draft.name.as_ref());
    let domain = draft.domain.as_ref().map(|domain| {
        let domain = domain.as_deref();
        domain.map(|domain| bare_host(domain).into_owned())
    });
    document.set_text("domain", domain.as_ref());
    document.relate_to(("owner", "user"), ("owner_id", &draft.owner_id))?;
    Ok(document)
}

/// `before` is the prospect as it is, if it is there.
fn prospect(
    draft: &ContactDraft,
    emails: Option<&[Wanted<'_>]>,
    before: Option<&RawValue>,
) -> Result<Document, ProviderError> {
    let mut document = Document::new(kind(Object::Contact), &draft.custom_fields);
    document.set_text("firstName", draft.first_name.as_ref());
    document.set_text("lastName", draft.last_name.as_ref());
    document.set_text("title", draft.job_title.as_ref());
    if let Some(address) = &draft.address {
        set_address(&mut document, address.as_ref());
    }
    if let Some(wanted) = emails {
        let is_there = before.is_some_and(|before| emails::are_there(wanted, before));
        if !is_there {
            let addresses: Vec<&str> = wanted.iter().map(|it| it.address).collect();
            document.set("emails", addresses);
        }
    }
    if let Some(numbers) = &draft.phone_numbers {
        phones::set(&mut document, numbers, before);
    }
    document.relate_to(("owner", "user"), ("owner_id", &draft.owner_id))?;
    document.relate_to(("account", "account"), ("account_id", &draft.account_id))?;
    Ok(document)
}

/// An address is replaced as a whole.
fn set_address(document: &mut Document, address: Option<&Address>) {
    let line = |line: fn(&Address) -> &Option<String>| address.and_then(|it| line(it).clone());
    for (name, text) in [
        ("addressStreet", line(|it| &it.street_1)),
        ("addressStreet2", line(|it| &it.street_2)),
        ("addressCity", line(|it| &it.city)),
        ("addressState", line(|it| &it.state)),
        ("addressZip", line(|it| &it.postal_code)),
        ("addressCountry", line(|it| &it.country)),
    ] {
        document.set(name, text);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn body_of(draft: Value) -> Value {
        let draft: ContactDraft = serde_json::from_value(draft).unwrap();
        let wanted = draft.email_addresses.as_deref().map(emails::wanted);
        let document = prospect(&draft, wanted.as_deref(), None).unwrap();
        document.to_body()["data"].clone()
    }

    #[test]
    fn a_contact_becomes_a_prospect() {
        let body = body_of(json!({
            "first_name": "Tove", "last_name": null, "job_title": "CFO",
            "email_addresses": [{"email_address": "tove@nordvik.example", "email_address_type": "work"}],
            "phone_numbers": [{"phone_number": "+46700000001", "phone_number_type": "mobile"}],
            "account_id": "12", "owner_id": null, "custom_fields": {"custom7": "gold"},
        }));
        let expected = json!({
            "type": "prospect",
            "attributes": {"firstName": "Tove", "lastName": null, "title": "CFO",
                "emails": ["tove@nordvik.example"], "mobilePhones": ["+46700000001"],
                "custom7": "gold"},
            "relationships": {"account": {"data": {"type": "account", "id": 12}},
                "owner": {"data": null}},
        });
        assert_eq!(body, expected);
    }

    #[test]
    fn an_address_is_kept_if_absent_cleared_if_null_and_otherwise_replaced() {
        assert_eq!(body_of(json!({})), json!({"type": "prospect"}));
        let null = body_of(json!({"address": null}));
        let lines = null["attributes"].as_object().unwrap();
        assert_eq!(lines.len(), 6);
        assert!(lines.values().all(Value::is_null));
        let city = body_of(json!({"address": {"city": "Lund"}}));
        assert_eq!(city["attributes"]["addressCity"], "Lund");
        assert_eq!(city["attributes"]["addressStreet2"], Value::Null);
    }

    #[test]
    fn a_domain_is_written_as_a_bare_host() {
        let domain = json!({"domain": "https://www.Nordvik.example/about"});
        let draft: AccountDraft = serde_json::from_value(domain).unwrap();
        let body = account(&draft).unwrap().to_body();
        assert_eq!(
            body["data"]["attributes"],
            json!({"domain": "nordvik.example"})
        );
    }
}
