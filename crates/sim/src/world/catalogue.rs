//! A team's small lists: stages, labels and custom fields.

use chrono::{DateTime, Utc};

#[derive(Debug, Clone)]
pub(crate) struct Stage {
    pub(crate) id: String,
    pub(crate) name: &'static str,
    pub(crate) category: Option<&'static str>,
    pub(crate) created_at: DateTime<Utc>,
}

#[derive(Debug, Clone)]
pub(crate) struct Label {
    pub(crate) id: String,
    pub(crate) name: String,
    /// `contacts`, `accounts` or `emailer_campaigns`.
    pub(crate) modality: &'static str,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) user_id: Option<String>,
}

#[derive(Debug, Clone)]
pub(crate) struct Field {
    pub(crate) id: String,
    pub(crate) modality: &'static str,
    pub(crate) name: &'static str,
    pub(crate) kind: &'static str,
    /// Id and name of each choice of a picklist.
    pub(crate) choices: Vec<(String, &'static str)>,
}
