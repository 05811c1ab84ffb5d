//! Applies what a write names to a contact or an account: unknown names are ignored, ids are checked.

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

use super::Team;
use super::account::{Account, Address};
use super::catalogue::Label;
use super::contact::{Contact, Phone};
use super::edits::EditError;

const PHONES: [(&str, &str); 5] = [
    ("direct_phone", "work_direct"),
    ("corporate_phone", "work_hq"),
    ("mobile_phone", "mobile"),
    ("home_phone", "home"),
    ("other_phone", "other"),
];

impl Team {
    pub(super) fn apply_to_contact(
        &mut self,
        contact: &mut Contact,
        fields: &Map<String, Value>,
        now: DateTime<Utc>,
    ) -> Result<(), EditError> {
        for (name, value) in fields {
            match name.as_str() {
                "first_name" => contact.first_name = text(value),
                "last_name" => contact.last_name = text(value),
                "title" => contact.title = text(value),
                "organization_name" => contact.organization_name = text(value),
                "present_raw_address" => contact.address = text(value),
                "email" => set_email(contact, text(value)),
                "contact_stage_id" => {
                    let known = |id: &str| self.contact_stages.iter().any(|stage| stage.id == id);
                    contact.stage_id = checked(value, known)?;
                }
                "owner_id" => contact.owner_id = checked(value, |id| self.has_user(id))?,
                "account_id" => {
                    let live = |id: &str| {
                        self.accounts
                            .get(id)
                            .is_some_and(|account| !account.deleted)
                    };
                    contact.account_id = checked(value, live)?;
                    let account = contact
                        .account_id
                        .as_deref()
                        .and_then(|id| self.accounts.get(id));
                    contact.account = account.map(Account::embedded);
                }
                "label_names" => contact.label_ids = self.labels_named(value, "contacts", now),
                "typed_custom_fields" => {
                    for (id, value) in value.as_object().into_iter().flatten() {
                        contact.custom_fields.insert(id.clone(), value.clone());
                    }
                }
                phone => {
                    if let Some((_, kind)) = PHONES.iter().find(|(name, _)| *name == phone) {
                        set_phone(contact, kind, text(value));
                    }
                }
            }
        }
        Ok(())
    }

    pub(super) fn apply_to_account(
        &mut self,
        account: &mut Account,
        fields: &Map<String, Value>,
        now: DateTime<Utc>,
    ) -> Result<(), EditError> {
        for (name, value) in fields {
            match name.as_str() {
                "name" => account.name = text(value).unwrap_or_default(),
                "domain" => account.domain = text(value),
                "phone" => account.phone = text(value),
                "raw_address" => {
                    account.address = text(value).map(|raw| Address { raw, parts: None });
                }
                "owner_id" => account.owner_id = checked(value, |id| self.has_user(id))?,
                "account_stage_id" => {
                    let known = |id: &str| self.account_stages.iter().any(|stage| stage.id == id);
                    account.stage_id = checked(value, known)?;
                }
                "label_names" => account.label_ids = self.labels_named(value, "accounts", now),
                "typed_custom_fields" => {
                    for (id, value) in value.as_object().into_iter().flatten() {
                        account.custom_fields.insert(id.clone(), value.clone());
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// The ids of the labels so named; a name nobody has used yet becomes a label.
    fn labels_named(
        &mut self,
        names: &Value,
        modality: &'static str,
        now: DateTime<Utc>,
    ) -> Vec<String> {
        let mut ids = Vec::new();
        for name in names
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
        {
            let known = self
                .labels
                .iter()
                .find(|label| label.name == name && label.modality == modality);
            if let Some(label) = known {
                ids.push(label.id.clone());
                continue;
            }
            let id = self.mint(now);
            let user_id = self.caller_id();
            self.labels.push(Label {
                id: id.clone(),
                name: name.to_owned(),
                modality,
                created_at: now,
                user_id,
            });
            ids.push(id);
        }
        ids
    }
}

/// Empty text clears a field, as `null` does.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

fn checked(value: &Value, known: impl Fn(&str) -> bool) -> Result<Option<String>, EditError> {
    match text(value) {
        Some(id) if known(&id) => Ok(Some(id)),
        Some(id) => Err(EditError::InvalidId(id)),
        None => Ok(None),
    }
}

fn set_email(contact: &mut Contact, email: Option<String>) {
    match (email, contact.emails.first_mut()) {
        (Some(email), Some(first)) => *first = email,
        (Some(email), None) => contact.emails.push(email),
        (None, Some(_)) => {
            contact.emails.remove(0);
        }
        (None, None) => {}
    }
    contact.email_status = contact
        .email()
        .map(|_| contact.email_status.unwrap_or("verified"));
}

fn set_phone(contact: &mut Contact, kind: &'static str, raw: Option<String>) {
    contact.phones.retain(|phone| phone.kind != kind);
    contact.phones.extend(raw.map(|raw| Phone { kind, raw }));
}
