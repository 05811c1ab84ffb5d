//! An account: a company that the team sells to.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::table::{Order, Row};

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Account {
    pub(crate) id: String,
    pub(crate) shuffle: i64,
    pub(crate) team_id: String,
    pub(crate) name: String,
    pub(crate) domain: Option<String>,
    pub(crate) organization_id: Option<String>,
    pub(crate) stage_id: Option<String>,
    pub(crate) owner_id: Option<String>,
    pub(crate) creator_id: Option<String>,
    pub(crate) source: &'static str,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) updated_at: DateTime<Utc>,
    /// The sort key of searches by last change. The record itself does not show it.
    pub(crate) index_key: DateTime<Utc>,
    pub(crate) last_activity: Option<DateTime<Utc>>,
    pub(crate) phone: Option<String>,
    pub(crate) address: Option<Address>,
    pub(crate) label_ids: Vec<String>,
    pub(crate) custom_fields: BTreeMap<String, Value>,
    pub(crate) num_contacts: usize,
    /// An unnamed account is not listed, but its contacts refer to it.
    pub(crate) named: bool,
    /// Archived accounts are still listed.
    pub(crate) archived_at: Option<DateTime<Utc>>,
    pub(crate) deleted: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Address {
    pub(crate) raw: String,
    /// Set only if the address could be parsed.
    pub(crate) parts: Option<(String, [&'static str; 5])>,
}

/// The short form of an account.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct AccountBrief {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) domain: Option<String>,
    pub(crate) team_id: String,
    pub(crate) organization_id: Option<String>,
    pub(crate) stage_id: Option<String>,
    pub(crate) source: &'static str,
    pub(crate) owner_id: Option<String>,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) phone: Option<String>,
}

impl Account {
    pub(crate) fn brief(&self) -> Arc<AccountBrief> {
        Arc::new(AccountBrief {
            id: self.id.clone(),
            name: self.name.clone(),
            domain: self.domain.clone(),
            team_id: self.team_id.clone(),
            organization_id: self.organization_id.clone(),
            stage_id: self.stage_id.clone(),
            source: self.source,
            owner_id: self.owner_id.clone(),
            created_at: self.created_at,
            phone: self.phone.clone(),
        })
    }
}

impl Row for Account {
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
            Order::Updated => self.index_key.timestamp_millis(),
            Order::LastActivity => self
                .last_activity
                .map_or(i64::MIN, |at| at.timestamp_millis()),
            _ => self.shuffle,
        }
    }
}
