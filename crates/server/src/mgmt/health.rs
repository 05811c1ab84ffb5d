//! The health of a connection or a customer: a status and a sentence.

use serde::Serialize;
use syncline_model::{Health, HealthStatus, Time};
use utoipa::ToSchema;

#[derive(Serialize, ToSchema)]
#[schema(as = health)]
pub(crate) struct HealthBody {
    pub(super) status: HealthStatus,
    /// What is wrong and how to fix it, in a sentence. Null if nothing is wrong.
    #[schema(required = true)]
    reason: Option<String>,
    /// When a sync succeeded last.
    #[serde(with = "syncline_model::time::millis_or_null")]
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    last_synced_at: Option<Time>,
}

impl From<Health> for HealthBody {
    fn from(health: Health) -> Self {
        Self {
            status: health.status,
            reason: health.reason,
            last_synced_at: health.last_synced_at,
        }
    }
}
