//! What the unified API shows and no table stores: a sequence's steps, tasks, and what a provider
//! knows of a person's company.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    Time,
    draft::{StepKind, TaskKind, TaskPriority},
};

/// A step of a sequence, in its order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = sequence_step)]
pub struct SequenceStep {
    pub id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub name: Option<String>,
    /// Its place among the steps, from 1.
    pub order: u32,
    #[serde(rename = "type")]
    pub kind: StepKind,
    /// Seconds after the step before; for the first one, after the enrolment.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub interval_seconds: Option<i64>,
    /// A fixed time, where the step has one in place of an interval.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub date: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub template: Option<StepTemplate>,
    /// The e-mail continues the thread of the one before; absent where the step sends none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub is_reply: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub task_note: Option<String>,
}

/// What an e-mail step sends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = template)]
pub struct StepTemplate {
    /// Absent where the provider shows templates without their ids.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub id: Option<String>,
    pub subject: String,
    /// HTML, where the template has any.
    pub body: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub name: Option<String>,
}

/// Something for a person to do about a contact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = task)]
pub struct Task {
    pub id: String,
    #[serde(rename = "type")]
    #[schema(required = true)]
    pub kind: TaskKind,
    /// The provider's name for its kind.
    #[schema(required = true)]
    pub provider_type: Option<String>,
    pub status: TaskStatus,
    #[schema(required = true)]
    pub priority: Option<TaskPriority>,
    #[schema(required = true)]
    pub user_id: Option<String>,
    #[schema(required = true)]
    pub contact_id: Option<String>,
    #[schema(required = true)]
    pub account_id: Option<String>,
    /// The sequence whose step it is.
    #[schema(required = true)]
    pub sequence_id: Option<String>,
    #[schema(required = true)]
    pub title: Option<String>,
    #[schema(required = true)]
    pub note: Option<String>,
    #[serde(with = "crate::time::millis_or_null")]
    #[schema(required = true, value_type = Option<String>, format = DateTime)]
    pub due_at: Option<Time>,
    #[serde(with = "crate::time::millis_or_null")]
    #[schema(required = true, value_type = Option<String>, format = DateTime)]
    pub completed_at: Option<Time>,
    #[serde(with = "crate::time::millis_or_null")]
    #[schema(required = true, value_type = Option<String>, format = DateTime)]
    pub created_at: Option<Time>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = task_status)]
pub enum TaskStatus {
    Open,
    Completed,
    Skipped,
}

/// The company that a person works for, as far as the provider knows it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = enriched_company)]
pub struct Company {
    #[schema(required = true)]
    pub name: Option<String>,
    #[schema(required = true)]
    pub industry: Option<String>,
    #[schema(required = true)]
    pub domain: Option<String>,
    #[schema(required = true, value_type = Option<f64>)]
    pub annual_revenue: Option<serde_json::Number>,
    #[schema(required = true)]
    pub employee_count: Option<i64>,
}
