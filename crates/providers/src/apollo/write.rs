//! Writes accounts and contacts.
//!
//! Apollo returns the record after the write, a contact with its states. A field is cleared with
//! empty text. A contact's owner is set by a separate call.

use async_trait::async_trait;
use serde_json::{Map, Value, json};
use syncline_model::{
    Address, Object, PhoneNumber,
    draft::{AccountDraft, ContactDraft, CustomFields},
    spelling::bare_host,
};

use super::{
    Apollo,
    api::Endpoint,
    error,
    live::{id_in_path, written},
};
use crate::{
    capabilities::{RecordWrites, WriteResult},
    error::ProviderError,
    session::Session,
};

#[async_trait]
impl RecordWrites for Apollo {
    async fn create_account(
        &self,
        session: &Session<'_>,
        draft: &AccountDraft,
    ) -> Result<WriteResult, ProviderError> {
        self.write_account(session, None, draft).await
    }

    async fn update_account(
        &self,
        session: &Session<'_>,
        id: &str,
        draft: &AccountDraft,
    ) -> Result<WriteResult, ProviderError> {
        self.write_account(session, Some(id), draft).await
    }

    async fn create_contact(
        &self,
        session: &Session<'_>,
        draft: &ContactDraft,
    ) -> Result<WriteResult, ProviderError> {
        self.write_contact(session, None, draft).await
    }

    async fn update_contact(
        &self,
        session: &Session<'_>,
        id: &str,
        draft: &ContactDraft,
    ) -> Result<WriteResult, ProviderError> {
        self.write_contact(session, Some(id), draft).await
    }
}

impl Apollo {
    async fn write_account(
        &self,
        session: &Session<'_>,
        id: Option<&str>,
        draft: &AccountDraft,
    ) -> Result<WriteResult, ProviderError> {
        self.write(session, Object::Account, id, account_body(draft))
            .await
    }

    async fn write_contact(
        &self,
        session: &Session<'_>,
        id: Option<&str>,
        draft: &ContactDraft,
    ) -> Result<WriteResult, ProviderError> {
        let body = contact_body(draft);
        let mut wrote = self.write(session, Object::Contact, id, body).await?;
        wrote.warnings.extend(left_out(draft));
        if let Some(Some(owner_id)) = &draft.owner_id {
            self.give_to(session, &mut wrote, owner_id).await;
        }
        Ok(wrote)
    }

    async fn write(
        &self,
        session: &Session<'_>,
        object: Object,
        id: Option<&str>,
        body: Map<String, Value>,
    ) -> Result<WriteResult, ProviderError> {
        let collection = format!("api/v1/{}", object.plural());
        let endpoint = match id {
            None => Endpoint::post(collection, Value::Object(body)),
            Some(id) => {
                let id = id_in_path(object, id)?;
                Endpoint::patch(format!("{collection}/{id}"), Value::Object(body))
            }
        };
        let answered = self.call(session, endpoint).await;
        // After a create, "not found" is about something that the body refers to.
        let response = match id {
            None => answered?,
            Some(_) => answered.map_err(error::of_one_record)?,
        };
        written(&response, object.as_str(), object)
    }

    /// The contact has been written already, so a failure here is only a warning.
    async fn give_to(&self, session: &Session<'_>, wrote: &mut WriteResult, owner_id: &str) {
        let body = json!({"contact_ids": [wrote.id], "owner_id": owner_id});
        let endpoint = Endpoint::post("api/v1/contacts/update_owners", body);
        if let Err(error) = self.call(session, endpoint).await {
            wrote
                .warnings
                .push(format!("owner_id was not set: {error}"));
            return;
        }
        // The response has little more than the owner, so the contact is read again.
        match self.show(session, Object::Contact, &wrote.id).await {
            Ok(records) => wrote.records = Some(records),
            Err(error) => wrote
                .warnings
                .push(format!("the contact could not be read again: {error}")),
        }
    }
}

/// Fields of a draft that Apollo can't store.
fn left_out(draft: &ContactDraft) -> Vec<String> {
    let mut warnings = Vec::new();
    let emails = draft.email_addresses.as_deref().unwrap_or_default();
    if emails.len() > 1 {
        warnings.push("Apollo takes one e-mail address: the others were not set".to_owned());
    }
    let address = draft.address.as_ref().and_then(Option::as_ref);
    if address.is_some_and(|address| address.street_2.is_some()) {
        warnings.push("Apollo has no second line of an address: street_2 was not set".to_owned());
    }
    if draft.owner_id == Some(None) {
        warnings.push("an Apollo contact always has an owner: owner_id was not cleared".to_owned());
    }
    warnings
}

fn account_body(draft: &AccountDraft) -> Map<String, Value> {
    let mut body = Map::new();
    set_text(&mut body, "name", draft.name.as_ref());
    let domain = draft.domain.as_ref().map(|domain| {
        let domain = domain.as_ref();
        domain.map(|domain| bare_host(domain).into_owned())
    });
    set_text(&mut body, "domain", domain.as_ref());
    set_id(&mut body, "owner_id", draft.owner_id.as_ref());
    set_custom_fields(&mut body, &draft.custom_fields);
    body
}

fn contact_body(draft: &ContactDraft) -> Map<String, Value> {
    let mut body = Map::new();
    set_text(&mut body, "first_name", draft.first_name.as_ref());
    set_text(&mut body, "last_name", draft.last_name.as_ref());
    set_text(&mut body, "title", draft.job_title.as_ref());
    set_id(&mut body, "account_id", draft.account_id.as_ref());
    if let Some(emails) = &draft.email_addresses {
        let is_primary = |it: &&syncline_model::EmailAddress| {
            it.email_address_type.as_deref() == Some("primary")
        };
        let email = emails.iter().find(is_primary).or(emails.first());
        let email = email.map(|it| it.email_address.trim());
        body.insert("email".to_owned(), email.unwrap_or_default().into());
    }
    if let Some(address) = &draft.address {
        let line = address.as_ref().map(in_one_line).unwrap_or_default();
        body.insert("present_raw_address".to_owned(), line.into());
    }
    set_phones(&mut body, draft.phone_numbers.as_deref());
    set_custom_fields(&mut body, &draft.custom_fields);
    body
}

/// Apollo takes an address as one text and parses it itself.
fn in_one_line(address: &Address) -> String {
    let Address {
        street_1,
        street_2: _,
        city,
        state,
        postal_code,
        country,
    } = address;
    let parts = [street_1, city, state, postal_code, country];
    let parts = parts.into_iter().flatten().map(|part| part.trim());
    let filled: Vec<&str> = parts.filter(|part| !part.is_empty()).collect();
    filled.join(", ")
}

/// Apollo has one number of each kind and no primary one. An empty list clears all numbers.
fn set_phones(body: &mut Map<String, Value>, phones: Option<&[PhoneNumber]>) {
    let Some(phones) = phones else { return };
    let of = |kind: &str| {
        let mut numbers = phones
            .iter()
            .filter(|it| it.phone_number_type.as_deref() == Some(kind));
        numbers.find_map(|it| it.phone_number.as_deref())
    };
    let numbers = [
        ("mobile_phone", of("mobile").or_else(|| of("primary"))),
        ("corporate_phone", of("work")),
        ("home_phone", of("home")),
        ("other_phone", of("other")),
    ];
    for (field, number) in numbers {
        if let Some(number) = number {
            body.insert(field.to_owned(), number.into());
        } else if phones.is_empty() {
            body.insert(field.to_owned(), "".into());
        }
    }
}

fn set_text(body: &mut Map<String, Value>, name: &str, field: Option<&Option<String>>) {
    if let Some(text) = field {
        body.insert(name.to_owned(), text.clone().unwrap_or_default().into());
    }
}

fn set_id(body: &mut Map<String, Value>, name: &str, field: Option<&Option<String>>) {
    if let Some(id) = field {
        body.insert(name.to_owned(), id.clone().into());
    }
}

fn set_custom_fields(body: &mut Map<String, Value>, fields: &CustomFields) {
    if !fields.is_empty() {
        body.insert("typed_custom_fields".to_owned(), fields.clone().into());
    }
}
