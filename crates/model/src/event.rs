//! What Syncline tells the outside: one event per fact, written in the fact's own transaction.
//!
//! Payloads have the shapes Supaglue's webhooks had, with the run's coverage and counters added.

use serde::Serialize;
use serde_json::{Value, json};

use crate::{Counters, Coverage, Object, ProviderName};

/// Whose event it is.
#[derive(Debug, Clone)]
pub struct ConnectionRef {
    pub application_id: String,
    pub connection_id: String,
    pub customer_id: String,
    pub provider_id: String,
    pub provider: ProviderName,
}

#[derive(Debug, Clone)]
pub enum Event {
    SyncComplete {
        run_id: String,
        object: Object,
        counters: Counters,
        num_records_synced: i64,
        coverage: Coverage,
        /// `None` for a success.
        error: Option<String>,
    },
    SyncPaused {
        object: Object,
        reason: String,
    },
    ConnectionCreated,
    ConnectionDeleted,
}

impl Event {
    pub fn event_type(&self) -> &'static str {
        match self {
            Self::SyncComplete { .. } => "sync.complete",
            Self::SyncPaused { .. } => "sync.paused",
            Self::ConnectionCreated => "connection.created",
            Self::ConnectionDeleted => "connection.deleted",
        }
    }

    /// The body a webhook carries.
    pub fn payload(&self, connection: &ConnectionRef) -> Value {
        let mut payload = json!({
            "webhook_event_type": self.event_type(),
            "connection_id": connection.connection_id,
            "customer_id": connection.customer_id,
            "provider_name": connection.provider,
        });
        let own = match self {
            Self::SyncComplete {
                run_id,
                object,
                counters,
                num_records_synced,
                coverage,
                error,
            } => merge(
                json!({
                    "run_id": run_id,
                    "type": "object",
                    "object_type": "common",
                    "object": object,
                    "result": if error.is_none() { "SUCCESS" } else { "ERROR" },
                    "num_records_synced": num_records_synced,
                    "error_message": error,
                    "coverage": coverage,
                }),
                counters,
            ),
            Self::SyncPaused { object, reason } => json!({
                "type": "object",
                "object_type": "common",
                "object": object,
                "pause_reason": reason,
            }),
            Self::ConnectionCreated | Self::ConnectionDeleted => json!({
                "provider_id": connection.provider_id,
                "category": connection.provider.category(),
                "result": "SUCCESS",
            }),
        };
        payload = merge(payload, &own);
        payload
    }
}

fn merge(mut into: Value, from: &impl Serialize) -> Value {
    if let (Value::Object(into), Ok(Value::Object(from))) = (&mut into, serde_json::to_value(from))
    {
        into.extend(from);
    }
    into
}
