//! Applies the fields of a write to a contact or an account: unknown names are ignored, ids are
//! checked.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

use super::Team;
use super::account::{Account, Address};
use super::catalogue::Label;
use super::contact::Contact;
use super::edits::EditError;
use super::location::Location;

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
                "present_raw_address" => {
                    contact.address = text(value);
                    contact.location = contact.address.as_deref().map(Location::read);
                }
                "email" => self.set_email(contact, text(value), now),
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
                    contact.account = account.map(Account::brief);
                }
                "label_names" => contact.label_ids = self.labels_named(value, "contacts", now),
                "typed_custom_fields" => merge(&mut contact.custom_fields, value),
                phone => {
                    if let Some((_, kind)) = PHONES.iter().find(|(name, _)| *name == phone) {
                        self.set_phone(contact, kind, text(value), now);
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
                "typed_custom_fields" => merge(&mut account.custom_fields, value),
                _ => {}
            }
        }
        Ok(())
    }

    /// The ids of the labels with these names; an unused name creates a label.
    fn labels_named(
        &mut self,
        names: &Value,
        modality: &'static str,
        now: DateTime<Utc>,
    ) -> Vec<String> {
        let mut ids = Vec::new();
        let names = match names {
            Value::Array(names) => names.as_slice(),
            one => std::slice::from_ref(one),
        };
        let names = names.iter().filter_map(Value::as_str);
        for name in names.filter(|name| !name.is_empty()) {
            let known = self
                .labels
                .iter()
                .find(|label| label.name == name && label.modality == modality);
            if let Some(label) = known {
                ids.push(label.id.clone());
                continue;
            }
            let id = self.mint_unless_named(now, name);
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
pub(super) fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

pub(super) fn checked(
    value: &Value,
    known: impl Fn(&str) -> bool,
) -> Result<Option<String>, EditError> {
    match text(value) {
        Some(id) if known(&id) => Ok(Some(id)),
        Some(id) => Err(EditError::InvalidId(id)),
        None => Ok(None),
    }
}

/// Changes only the given fields; an empty value removes the field.
pub(super) fn merge(fields: &mut BTreeMap<String, Value>, changes: &Value) {
    for (id, value) in changes.as_object().into_iter().flatten() {
        if value.is_null() || value.as_str() == Some("") {
            fields.remove(id);
        } else {
            fields.insert(id.clone(), value.clone());
        }
    }
}

impl Team {
    /// Sets the first address; an additional address that becomes the first is not kept twice.
    fn set_email(&mut self, contact: &mut Contact, email: Option<String>, now: DateTime<Utc>) {
        if let Some(email) = &email {
            let mut position = 0..;
            contact.emails.retain(|known| {
                position.next() == Some(0) || !known.address.eq_ignore_ascii_case(email)
            });
        }
        match (email, contact.emails.first_mut()) {
            (Some(email), Some(first)) if first.address == email => {}
            (Some(email), Some(first)) => *first = self.new_email(now, &email),
            (Some(email), None) => contact.emails.push(self.new_email(now, &email)),
            (None, Some(_)) => {
                contact.emails.remove(0);
            }
            (None, None) => {}
        }
        contact.email_status = contact
            .email()
            .map(|_| contact.email_status.unwrap_or("verified"));
    }

    /// One number of each kind can be written; it replaces the previous one at its position.
    fn set_phone(
        &mut self,
        contact: &mut Contact,
        kind: &'static str,
        raw: Option<String>,
        now: DateTime<Utc>,
    ) {
        let phones = &mut contact.phones;
        let index = phones.iter().position(|phone| phone.kind == kind);
        let known = index.and_then(|index| phones.get(index)).cloned();
        phones.retain(|phone| phone.kind != kind);
        if let Some(raw) = raw {
            let index = index.unwrap_or(phones.len());
            let known = known.filter(|phone| phone.raw == raw);
            let phone = known.unwrap_or_else(|| self.new_phone(now, kind, &raw));
            phones.insert(index, phone);
        }
    }
}
