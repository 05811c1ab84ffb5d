//! Writes accounts and people.
//!
//! Salesloft answers with the whole record.

use async_trait::async_trait;
use serde_json::{Map, Value};
use syncline_model::{
    Object,
    draft::{AccountDraft, ContactDraft},
    spelling::bare_host,
};

use super::{
    PROVIDER, Salesloft,
    api::Endpoint,
    creation::{Creation, record_of, written},
    fields::{set_id, set_text},
    lookup::is_id,
    person::{left_out, person},
};
use crate::{
    capabilities::{RecordWrites, WriteResult},
    error::{ErrorKind, ProviderError},
    json::Fields,
    live,
    session::Session,
};

const ACCOUNTS: &str = "v2/accounts";
const PEOPLE: &str = "v2/people";

#[async_trait]
impl RecordWrites for Salesloft {
    async fn create_account(
        &self,
        session: &Session<'_>,
        draft: &AccountDraft,
    ) -> Result<WriteResult, ProviderError> {
        let fields = account(draft)?;
        let text = |name: &str| fields.get(name).and_then(Value::as_str).map(str::to_owned);
        let sought = match (text("domain"), text("name")) {
            (Some(domain), _) => vec![("domain", domain)],
            (None, Some(name)) => vec![("name[]", name)],
            (None, None) => Vec::new(),
        };
        let creation = Creation {
            collection: ACCOUNTS,
            fields,
            sought,
            same: &["name"],
        };
        let record = self.create(session, &creation).await?;
        written(&record, Object::Account)
    }

    async fn update_account(
        &self,
        session: &Session<'_>,
        id: &str,
        draft: &AccountDraft,
    ) -> Result<WriteResult, ProviderError> {
        let fields = account(draft)?;
        let updated = self
            .update(session, (Object::Account, id), fields.clone())
            .await;
        match updated {
            Err(error) if wants_all(&error) => {
                let whole = self.with_names(session, id, fields).await?;
                self.update(session, (Object::Account, id), whole).await
            }
            updated => updated,
        }
    }

    async fn create_contact(
        &self,
        session: &Session<'_>,
        draft: &ContactDraft,
    ) -> Result<WriteResult, ProviderError> {
        let fields = person(draft)?;
        let email = fields.get("email_address").and_then(Value::as_str);
        let sought = email.map(|email| vec![("email_addresses[]", email.to_owned())]);
        let creation = Creation {
            collection: PEOPLE,
            fields,
            sought: sought.unwrap_or_default(),
            same: &["first_name", "last_name"],
        };
        let record = self.create(session, &creation).await?;
        let mut wrote = written(&record, Object::Contact)?;
        wrote.warnings.extend(left_out(draft));
        Ok(wrote)
    }

    async fn update_contact(
        &self,
        session: &Session<'_>,
        id: &str,
        draft: &ContactDraft,
    ) -> Result<WriteResult, ProviderError> {
        let fields = person(draft)?;
        let mut wrote = self.update(session, (Object::Contact, id), fields).await?;
        wrote.warnings.extend(left_out(draft));
        Ok(wrote)
    }
}

impl Salesloft {
    async fn update(
        &self,
        session: &Session<'_>,
        (object, id): (Object, &str),
        fields: Map<String, Value>,
    ) -> Result<WriteResult, ProviderError> {
        if !is_id(id) {
            return Err(live::no_such(PROVIDER, object, id));
        }
        let collection = match object {
            Object::Account => ACCOUNTS,
            _ => PEOPLE,
        };
        let endpoint = Endpoint::put(format!("{collection}/{id}"), Value::Object(fields));
        let response = self.call(session, endpoint).await?;
        written(&record_of(&response)?, object)
    }

    /// The fields with the account's own name and domain, as far as they don't change.
    async fn with_names(
        &self,
        session: &Session<'_>,
        id: &str,
        mut fields: Map<String, Value>,
    ) -> Result<Map<String, Value>, ProviderError> {
        let response = self
            .call(session, Endpoint::get(format!("{ACCOUNTS}/{id}")))
            .await?;
        let record = record_of(&response)?;
        let known = Fields::of(&record).unwrap_or_default();
        for name in ["name", "domain"] {
            let text = known.text(name).ok().flatten();
            fields.entry(name).or_insert_with(|| text.into());
        }
        Ok(fields)
    }
}

/// Salesloft's description demands the name and the domain of an account with every change, although
/// its API doesn't.
fn wants_all(error: &ProviderError) -> bool {
    let said = error.message.to_lowercase();
    let wants = |name: &str| said.contains(&format!("{name} is required"));
    error.kind == ErrorKind::Rejected && (wants("name") || wants("domain"))
}

fn account(draft: &AccountDraft) -> Result<Map<String, Value>, ProviderError> {
    let mut fields = draft.custom_fields.clone();
    set_text(&mut fields, "name", draft.name.as_ref());
    let domain = draft.domain.as_ref().map(|domain| {
        let domain = domain.as_deref();
        domain.map(|domain| bare_host(domain).into_owned())
    });
    set_text(&mut fields, "domain", domain.as_ref());
    set_id(&mut fields, "owner_id", draft.owner_id.as_ref())?;
    Ok(fields)
}
