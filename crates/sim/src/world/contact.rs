//! A contact and its sequence states.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::account::AccountBrief;
use super::location::Location;
use super::table::{Order, Row};

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Contact {
    pub(crate) id: String,
    /// Its position if no order is requested.
    pub(crate) shuffle: i64,
    pub(crate) first_name: Option<String>,
    pub(crate) last_name: Option<String>,
    pub(crate) title: Option<String>,
    pub(crate) headline: Option<String>,
    pub(crate) linkedin_url: Option<String>,
    pub(crate) stage_id: Option<String>,
    pub(crate) owner_id: Option<String>,
    pub(crate) creator_id: Option<String>,
    pub(crate) person_id: Option<String>,
    pub(crate) organization_id: Option<String>,
    pub(crate) organization_name: Option<String>,
    pub(crate) source: &'static str,
    pub(crate) crm_id: Option<String>,
    pub(crate) address: Option<String>,
    /// The address as Apollo parsed it.
    pub(crate) location: Option<Location>,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) updated_at: DateTime<Utc>,
    pub(crate) last_activity: Option<DateTime<Utc>>,
    pub(crate) email_status: Option<&'static str>,
    pub(crate) unsubscribed: Option<bool>,
    pub(crate) call_opted_out: Option<bool>,
    /// The first one is the contact's `email`.
    pub(crate) emails: Vec<Email>,
    pub(crate) phones: Vec<Phone>,
    pub(crate) account_id: Option<String>,
    /// The account's short form; shared by its contacts.
    pub(crate) account: Option<Arc<AccountBrief>>,
    pub(crate) label_ids: Vec<String>,
    pub(crate) custom_fields: BTreeMap<String, Value>,
    pub(crate) states: Vec<State>,
    /// Number of opened e-mails.
    pub(crate) opens: u32,
    /// Trashed contacts are still listed.
    pub(crate) trashed_at: Option<DateTime<Utc>>,
    pub(crate) deleted: bool,
}

/// An e-mail address of a contact.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Email {
    /// Empty if addresses have no ids in the dialect.
    pub(crate) id: String,
    pub(crate) address: String,
    /// `work` or `personal`.
    pub(crate) kind: Option<&'static str>,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) updated_at: DateTime<Utc>,
    pub(crate) bounced_at: Option<DateTime<Utc>>,
    pub(crate) unsubscribed_at: Option<DateTime<Utc>>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Phone {
    /// Empty if numbers have no ids in the dialect.
    pub(crate) id: String,
    /// `work_direct`, `work_hq`, `mobile`, `home`, `voip` or `other`.
    pub(crate) kind: &'static str,
    pub(crate) raw: String,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) updated_at: DateTime<Utc>,
}

/// The short form of a contact at some time.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ContactBrief {
    pub(crate) id: String,
    pub(crate) first_name: Option<String>,
    pub(crate) last_name: Option<String>,
    pub(crate) linkedin_url: Option<String>,
    pub(crate) title: Option<String>,
    pub(crate) email: Option<String>,
    pub(crate) organization_name: Option<String>,
    pub(crate) account_id: Option<String>,
    pub(crate) owner_id: Option<String>,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) email_status: Option<&'static str>,
}

/// The contact's state in a sequence.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct State {
    pub(crate) id: String,
    pub(crate) sequence_id: String,
    pub(crate) status: StateKind,
    pub(crate) inactive_reason: Option<String>,
    pub(crate) failure_reason: Option<&'static str>,
    pub(crate) added_at: DateTime<Utc>,
    pub(crate) added_by: Option<String>,
    pub(crate) updated_at: DateTime<Utc>,
    /// When the status last changed.
    pub(crate) changed_at: DateTime<Utc>,
    pub(crate) send_from_user: Option<String>,
    pub(crate) mailbox_id: Option<String>,
    pub(crate) mailbox_email: Option<String>,
    pub(crate) finished_at: Option<DateTime<Utc>>,
    pub(crate) paused_at: Option<DateTime<Utc>>,
    pub(crate) auto_unpause_at: Option<DateTime<Utc>>,
    pub(crate) step_id: Option<String>,
    pub(crate) step_position: Option<usize>,
    /// Since when the contact has had it, independent of `added_at`.
    pub(crate) since: DateTime<Utc>,
}

/// The four statuses of a sequence state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StateKind {
    Active,
    Paused,
    Finished,
    Failed,
}

impl StateKind {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Paused => "paused",
            Self::Finished => "finished",
            Self::Failed => "failed",
        }
    }
}

impl State {
    /// Whether the contact is in the sequence now.
    pub(crate) fn is_in(&self) -> bool {
        matches!(self.status, StateKind::Active | StateKind::Paused)
    }

    /// Ends a state that stays when its contact leaves the sequence.
    pub(crate) fn leave(&mut self, now: DateTime<Utc>, reason: &str) {
        if self.is_in() {
            self.status = StateKind::Finished;
            self.inactive_reason = Some(reason.to_owned());
            self.finished_at = Some(now);
            self.changed_at = now;
            self.step_id = None;
        }
        self.updated_at = now;
    }

    /// Begins a state anew whose contact is back in the sequence.
    pub(crate) fn come_back(&mut self, entry: Self) {
        *self = Self {
            id: std::mem::take(&mut self.id),
            since: self.since,
            ..entry
        };
    }
}

impl Contact {
    /// Empty if both parts are missing.
    pub(crate) fn name(&self) -> String {
        joined(self.first_name.as_deref(), self.last_name.as_deref())
    }

    pub(crate) fn email(&self) -> Option<&str> {
        self.emails.first().map(|email| email.address.as_str())
    }

    pub(crate) fn has_email(&self, address: &str) -> bool {
        let mut emails = self.emails.iter();
        emails.any(|email| email.address.eq_ignore_ascii_case(address))
    }

    pub(crate) fn state_in(&self, sequence_id: &str) -> Option<&State> {
        self.states.iter().find(|s| s.sequence_id == sequence_id)
    }

    pub(crate) fn brief(&self) -> ContactBrief {
        ContactBrief {
            id: self.id.clone(),
            first_name: self.first_name.clone(),
            last_name: self.last_name.clone(),
            linkedin_url: self.linkedin_url.clone(),
            title: self.title.clone(),
            email: self.email().map(str::to_owned),
            organization_name: self.organization_name.clone(),
            account_id: self.account_id.clone(),
            owner_id: self.owner_id.clone(),
            created_at: self.created_at,
            email_status: self.email_status,
        }
    }
}

impl ContactBrief {
    pub(crate) fn name(&self) -> String {
        joined(self.first_name.as_deref(), self.last_name.as_deref())
    }
}

pub(super) fn joined(first_name: Option<&str>, last_name: Option<&str>) -> String {
    let parts: Vec<&str> = [first_name, last_name].into_iter().flatten().collect();
    parts.join(" ")
}

impl Row for Contact {
    fn id(&self) -> &str {
        &self.id
    }

    fn listed(&self) -> bool {
        !self.deleted
    }

    fn created_at(&self) -> DateTime<Utc> {
        self.created_at
    }

    fn rank(&self, order: Order) -> i64 {
        match order {
            Order::Created => self.created_at.timestamp_millis(),
            Order::Updated => self.updated_at.timestamp_millis(),
            Order::LastActivity => self
                .last_activity
                .map_or(i64::MIN, |at| at.timestamp_millis()),
            _ => self.shuffle,
        }
    }
}
