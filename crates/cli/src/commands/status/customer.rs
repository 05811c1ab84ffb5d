//! One customer: its connections, their health, and each of their syncs.

use serde::Serialize;
use syncline_model::{
    ConnectionStatus, HealthStatus, Object, ProviderName, StateName, Time, WaitReason,
};
use syncline_store::{
    Connection, PageRequest, Store, StoreError, Sync, SyncFilter, SyncRun, Tenant,
};

/// A connection has a sync per object.
const MOST_SYNCS: i64 = 100;

/// A customer in one application.
#[derive(Serialize)]
pub(super) struct CustomerBody {
    pub(super) application: String,
    pub(super) customer_id: String,
    pub(super) connections: Vec<ConnectionBody>,
}

#[derive(Serialize)]
pub(super) struct ConnectionBody {
    pub(super) id: String,
    pub(super) provider_name: ProviderName,
    pub(super) status: ConnectionStatus,
    pub(super) health: HealthBody,
    pub(super) syncs: Vec<SyncBody>,
}

#[derive(Serialize)]
pub(super) struct HealthBody {
    pub(super) status: HealthStatus,
    pub(super) reason: Option<String>,
    #[serde(with = "syncline_model::time::millis_or_null")]
    pub(super) last_synced_at: Option<Time>,
}

#[derive(Serialize)]
pub(super) struct SyncBody {
    pub(super) object: Object,
    /// `queued`, `running`, `waiting`, `paused` or `idle`.
    pub(super) state: String,
    pub(super) paused_reason: Option<String>,
    #[serde(with = "syncline_model::time::millis_or_null")]
    pub(super) waiting_until: Option<Time>,
    pub(super) waiting_reason: Option<&'static str>,
    #[serde(with = "syncline_model::time::millis")]
    pub(super) next_run_at: Time,
    pub(super) last_run: Option<RunBody>,
}

#[derive(Serialize)]
pub(super) struct RunBody {
    pub(super) id: String,
    pub(super) state: StateName,
    #[serde(with = "syncline_model::time::millis_or_null")]
    pub(super) finished_at: Option<Time>,
    pub(super) records_read: i64,
    pub(super) deletes_held: i64,
    pub(super) error_message: Option<String>,
}

pub(super) async fn look(store: &Store, customer: &str) -> Result<Vec<CustomerBody>, StoreError> {
    let mut found = Vec::new();
    for (application, tenant) in store.applications_of_customer(customer).await? {
        found.push(CustomerBody {
            connections: connections(&tenant, customer).await?,
            application,
            customer_id: customer.to_owned(),
        });
    }
    Ok(found)
}

async fn connections(tenant: &Tenant, customer: &str) -> Result<Vec<ConnectionBody>, StoreError> {
    let connections = tenant.list_connections(customer).await?;
    let mut health = tenant.health_of(&connections).await?;
    let filter = SyncFilter {
        customer_id: Some(customer.to_owned()),
        ..SyncFilter::default()
    };
    let page = PageRequest {
        limit: MOST_SYNCS,
        ..PageRequest::default()
    };
    let syncs = tenant.list_syncs(&filter, &page).await?;
    let runs = tenant.last_runs(&syncs).await?;
    let body = |connection: Connection| {
        let health = health.remove(&connection.id).unwrap_or_default();
        let own = syncs
            .iter()
            .filter(|sync| sync.connection_id == connection.id);
        ConnectionBody {
            syncs: own
                .map(|sync| SyncBody::new(sync, runs.iter().find(|run| run.sync_id == sync.id)))
                .collect(),
            id: connection.id,
            provider_name: connection.provider,
            status: connection.status,
            health: HealthBody {
                status: health.status,
                reason: health.reason,
                last_synced_at: health.last_synced_at,
            },
        }
    };
    Ok(connections.into_iter().map(body).collect())
}

impl SyncBody {
    fn new(sync: &Sync, last_run: Option<&SyncRun>) -> Self {
        let active = last_run.filter(|run| run.finished_at.is_none());
        let state = match (active, sync.paused) {
            (Some(run), _) => run.state.to_string(),
            (None, true) => "paused".to_owned(),
            (None, false) => "idle".to_owned(),
        };
        Self {
            object: sync.object,
            state,
            paused_reason: sync.paused_reason.clone(),
            waiting_until: active.and_then(|run| run.waiting_until),
            waiting_reason: active
                .and_then(|run| run.waiting_reason)
                .map(WaitReason::as_str),
            next_run_at: sync.next_run_at,
            last_run: last_run.map(|run| RunBody {
                id: run.id.clone(),
                state: run.state,
                finished_at: run.finished_at,
                records_read: run.counters.records_read,
                deletes_held: run.counters.deletes_held,
                error_message: run.error_message.clone(),
            }),
        }
    }
}
