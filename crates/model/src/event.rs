//! The events that Syncline sends out: one per fact, written in the fact's own transaction.
//!
//! Payloads have the shape of Supaglue's webhooks, with the run's coverage and counters added.
//! Their types also describe the webhooks in the management API's document.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Value, json};
use utoipa::{
    ToSchema,
    openapi::schema::{ObjectBuilder, Schema, Type},
};

use crate::{
    Category, Counters, Coverage, FeedCursor, Object, ProviderName, Time,
    enrichment::{JobCounts, JobState},
};

/// utoipa treats a field of type `Object` as any JSON object.
type ObjectName = Object;

pub const SYNC_COMPLETE: &str = "sync.complete";
/// Only for endpoints that name it.
pub const RECORDS_CHANGED: &str = "records.changed";
pub const SYNC_PAUSED: &str = "sync.paused";
pub const CONNECTION_CREATED: &str = "connection.created";
pub const CONNECTION_DELETED: &str = "connection.deleted";
pub const APPROVAL_REQUESTED: &str = "approval.requested";
pub const ENRICHMENT_COMPLETE: &str = "enrichment.complete";
/// `webhook.rs::reason_to_disable` decides when.
pub const WEBHOOK_ENDPOINT_DISABLED: &str = "webhook_endpoint.disabled";
/// Sent on request, to one endpoint only; it can't be subscribed to.
pub const WEBHOOK_TEST: &str = "webhook.test";

/// The connection that an event is about.
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
        /// Of the change feed, from before the run.
        cursor: String,
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
            Self::SyncComplete { .. } => SYNC_COMPLETE,
            Self::SyncPaused { .. } => SYNC_PAUSED,
            Self::ConnectionCreated => CONNECTION_CREATED,
            Self::ConnectionDeleted => CONNECTION_DELETED,
        }
    }

    /// The body a webhook carries.
    pub fn payload(&self, connection: &ConnectionRef) -> Value {
        let webhook_event_type = self.event_type();
        let origin = Origin {
            connection_id: connection.connection_id.clone(),
            customer_id: connection.customer_id.clone(),
            provider_name: connection.provider,
        };
        match self {
            Self::SyncComplete {
                run_id,
                cursor,
                object,
                counters,
                num_records_synced,
                coverage,
                error,
            } => json!(SyncComplete {
                webhook_event_type,
                origin,
                run_id: run_id.clone(),
                cursor: cursor.clone(),
                synced: Synced::of(*object),
                result: match error {
                    None => EventResult::Success,
                    Some(_) => EventResult::Error,
                },
                num_records_synced: *num_records_synced,
                error_message: error.clone(),
                coverage: coverage.clone(),
                counters: *counters,
            }),
            Self::SyncPaused { object, reason } => json!(SyncPaused {
                webhook_event_type,
                origin,
                synced: Synced::of(*object),
                pause_reason: reason.clone(),
            }),
            Self::ConnectionCreated => json!(ConnectionCreated {
                webhook_event_type,
                origin,
                about: ConnectionFacts::of(connection),
            }),
            Self::ConnectionDeleted => json!(ConnectionDeleted {
                webhook_event_type,
                origin,
                about: ConnectionFacts::of(connection),
            }),
        }
    }
}

/// A run ended, with success or without.
#[derive(Serialize, ToSchema)]
#[schema(as = sync_complete_event)]
pub struct SyncComplete {
    #[schema(schema_with = sync_complete)]
    webhook_event_type: &'static str,
    #[serde(flatten)]
    origin: Origin,
    run_id: String,
    /// The cursor of the change feed from before the run: what follows it in `/engagement/v2/changes` has
    /// all that the run changed.
    cursor: String,
    #[serde(flatten)]
    synced: Synced,
    result: EventResult,
    num_records_synced: i64,
    /// Absent on success.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    error_message: Option<String>,
    coverage: Coverage,
    #[serde(flatten)]
    counters: Counters,
}

/// Records of a connection have changed, by a sync or by a write. Sent to endpoints that name it, at most
/// once in ten seconds for each connection.
#[derive(Serialize, ToSchema)]
#[schema(as = records_changed_event)]
pub struct RecordsChanged {
    #[schema(schema_with = records_changed)]
    webhook_event_type: &'static str,
    #[serde(flatten)]
    origin: Origin,
    /// How many records of each object have changed since the cursor.
    #[schema(value_type = BTreeMap<String, i64>)]
    changes: BTreeMap<ObjectName, i64>,
    /// The cursor of the change feed from before the changes.
    cursor: String,
    /// When the newest of them was recorded.
    #[serde(with = "crate::time::millis")]
    #[schema(value_type = String, format = DateTime)]
    changed_at: Time,
}

impl RecordsChanged {
    pub fn payload(
        (connection_id, customer_id, provider_name): (&str, &str, ProviderName),
        changes: BTreeMap<ObjectName, i64>,
        cursor: &FeedCursor,
        changed_at: Time,
    ) -> Value {
        json!(Self {
            webhook_event_type: RECORDS_CHANGED,
            origin: Origin {
                connection_id: connection_id.to_owned(),
                customer_id: customer_id.to_owned(),
                provider_name,
            },
            changes,
            cursor: cursor.to_text(),
            changed_at,
        })
    }
}

/// A sync was paused: on request, or because it can't continue.
#[derive(Serialize, ToSchema)]
#[schema(as = sync_paused_event)]
pub struct SyncPaused {
    #[schema(schema_with = sync_paused)]
    webhook_event_type: &'static str,
    #[serde(flatten)]
    origin: Origin,
    #[serde(flatten)]
    synced: Synced,
    pause_reason: String,
}

/// A customer was connected.
#[derive(Serialize, ToSchema)]
#[schema(as = connection_created_event)]
pub struct ConnectionCreated {
    #[schema(schema_with = connection_created)]
    webhook_event_type: &'static str,
    #[serde(flatten)]
    origin: Origin,
    #[serde(flatten)]
    about: ConnectionFacts,
}

/// A connection was deleted, by itself or with its customer.
#[derive(Serialize, ToSchema)]
#[schema(as = connection_deleted_event)]
pub struct ConnectionDeleted {
    #[schema(schema_with = connection_deleted)]
    webhook_event_type: &'static str,
    #[serde(flatten)]
    origin: Origin,
    #[serde(flatten)]
    about: ConnectionFacts,
}

/// Syncline disabled a webhook endpoint. The event goes to the application's other endpoints.
#[derive(Serialize, ToSchema)]
#[schema(as = webhook_endpoint_disabled_event)]
pub struct WebhookEndpointDisabled {
    #[schema(schema_with = webhook_endpoint_disabled)]
    webhook_event_type: &'static str,
    webhook_endpoint_id: String,
    /// As it was given to the endpoint.
    description: String,
    disabled_reason: String,
}

impl WebhookEndpointDisabled {
    pub fn payload(endpoint_id: &str, description: &str, reason: &str) -> Value {
        json!(Self {
            webhook_event_type: WEBHOOK_ENDPOINT_DISABLED,
            webhook_endpoint_id: endpoint_id.to_owned(),
            description: description.to_owned(),
            disabled_reason: reason.to_owned(),
        })
    }
}

/// An agent's call waits for somebody to approve it. What it asks for is sealed, and not told here.
#[derive(Serialize, ToSchema)]
#[schema(as = approval_requested_event)]
pub struct ApprovalRequested {
    #[schema(schema_with = approval_requested)]
    webhook_event_type: &'static str,
    approval_id: String,
    /// Such as `contacts.create`.
    action: String,
    /// Your own id for the customer.
    customer_id: String,
    provider_name: ProviderName,
    /// The name of the agent's API key.
    requested_by: String,
    #[serde(with = "crate::time::millis")]
    #[schema(value_type = String, format = DateTime)]
    expires_at: Time,
}

impl ApprovalRequested {
    pub fn payload(
        approval_id: &str,
        (action, agent): (&str, &str),
        (customer_id, provider_name): (&str, ProviderName),
        expires_at: Time,
    ) -> Value {
        json!(Self {
            webhook_event_type: APPROVAL_REQUESTED,
            approval_id: approval_id.to_owned(),
            action: action.to_owned(),
            customer_id: customer_id.to_owned(),
            provider_name,
            requested_by: agent.to_owned(),
            expires_at,
        })
    }
}

/// An enrichment job ended. What the provider tells later is added to its results without an event.
#[derive(Serialize, ToSchema)]
#[schema(as = enrichment_complete_event)]
pub struct EnrichmentComplete {
    #[schema(schema_with = enrichment_complete)]
    webhook_event_type: &'static str,
    #[serde(flatten)]
    origin: Origin,
    job_id: String,
    state: JobState,
    #[serde(flatten)]
    counts: JobCounts,
    /// Why it stopped before its end.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    error: Option<String>,
}

impl EnrichmentComplete {
    pub fn payload(
        job_id: &str,
        (connection_id, customer_id, provider_name): (&str, &str, ProviderName),
        (state, error): (JobState, Option<&str>),
        counts: JobCounts,
    ) -> Value {
        json!(Self {
            webhook_event_type: ENRICHMENT_COMPLETE,
            origin: Origin {
                connection_id: connection_id.to_owned(),
                customer_id: customer_id.to_owned(),
                provider_name,
            },
            job_id: job_id.to_owned(),
            state,
            counts,
            error: error.map(str::to_owned),
        })
    }
}

/// A test of an endpoint was requested.
#[derive(Serialize, ToSchema)]
#[schema(as = webhook_test_event)]
pub struct WebhookTest {
    #[schema(schema_with = webhook_test)]
    webhook_event_type: &'static str,
    webhook_endpoint_id: String,
}

impl WebhookTest {
    pub fn payload(endpoint_id: &str) -> Value {
        json!(Self {
            webhook_event_type: WEBHOOK_TEST,
            webhook_endpoint_id: endpoint_id.to_owned(),
        })
    }
}

#[derive(Serialize, ToSchema)]
#[schema(as = event_origin)]
struct Origin {
    connection_id: String,
    /// Your own id for the customer.
    customer_id: String,
    provider_name: ProviderName,
}

#[derive(Serialize, ToSchema)]
#[schema(as = event_sync)]
struct Synced {
    /// `object`.
    r#type: &'static str,
    /// `common`.
    object_type: &'static str,
    object: ObjectName,
}

impl Synced {
    fn of(object: Object) -> Self {
        Self {
            r#type: "object",
            object_type: "common",
            object,
        }
    }
}

#[derive(Serialize, ToSchema)]
#[schema(as = event_connection)]
struct ConnectionFacts {
    provider_id: String,
    category: Category,
    result: EventResult,
}

impl ConnectionFacts {
    fn of(connection: &ConnectionRef) -> Self {
        Self {
            provider_id: connection.provider_id.clone(),
            category: Category::Engagement,
            result: EventResult::Success,
        }
    }
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "UPPERCASE")]
#[schema(as = event_result)]
enum EventResult {
    Success,
    Error,
}

fn sync_complete() -> Schema {
    always(SYNC_COMPLETE)
}

fn records_changed() -> Schema {
    always(RECORDS_CHANGED)
}

fn sync_paused() -> Schema {
    always(SYNC_PAUSED)
}

fn connection_created() -> Schema {
    always(CONNECTION_CREATED)
}

fn connection_deleted() -> Schema {
    always(CONNECTION_DELETED)
}

fn approval_requested() -> Schema {
    always(APPROVAL_REQUESTED)
}

fn enrichment_complete() -> Schema {
    always(ENRICHMENT_COMPLETE)
}

fn webhook_endpoint_disabled() -> Schema {
    always(WEBHOOK_ENDPOINT_DISABLED)
}

fn webhook_test() -> Schema {
    always(WEBHOOK_TEST)
}

fn always(word: &str) -> Schema {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .enum_values(Some([word]))
        .into()
}
