//! Webhook endpoints: the URLs that an application's events are sent to.

use secrecy::SecretString;
use sqlx::types::Json;
use sqlx_macros::FromRow;
use syncline_model::event::{WEBHOOK_TEST, WebhookTest};

use crate::{
    PageRequest, StoreError, Tenant, Total,
    db::{Tx, run},
    retention::delete_deliveries_to,
    tenant::{Scope, Scoped, scoped},
    timestamp::Timestamp,
};

/// The limit per application, because each event becomes a delivery to each endpoint.
const MOST_ENDPOINTS: i64 = 100;

#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct WebhookEndpoint {
    pub id: String,
    pub url: String,
    pub description: String,
    /// Empty: all types.
    pub event_types: Json<Vec<String>>,
    pub enabled: bool,
    /// Why Syncline disabled it; `None` if a user did.
    pub disabled_reason: Option<String>,
    pub created_at: Timestamp,
}

/// The fields to change; `None` leaves a field unchanged.
#[derive(Debug, Clone, Default)]
pub struct WebhookEndpointChange {
    pub url: Option<String>,
    pub description: Option<String>,
    pub event_types: Option<Vec<String>>,
    pub enabled: Option<bool>,
}

macro_rules! endpoints_sql {
    ($where:literal) => {
        scoped(concat!(
            "SELECT id, url, description, event_types, enabled, disabled_reason, created_at
             FROM webhook_endpoints WHERE application_id = $1 ",
            $where
        ))
    };
}

impl Tenant {
    /// Oldest first.
    pub async fn list_webhook_endpoints(
        &self,
        page: &PageRequest,
    ) -> Result<Vec<WebhookEndpoint>, StoreError> {
        const FORWARD: Scoped =
            endpoints_sql!("AND (CAST($2 AS text) IS NULL OR id > $2) ORDER BY id LIMIT $3");
        const BACKWARD: Scoped =
            endpoints_sql!("AND (CAST($2 AS text) IS NULL OR id < $2) ORDER BY id DESC LIMIT $3");
        let sql = if page.reverse { BACKWARD } else { FORWARD };
        let mut reader = self.read().await?;
        Ok(run!(reader, query_as(sql), |q, c| q
            .bind(&page.cursor)
            .bind(page.limit)
            .fetch_all(c)
            .await)?)
    }

    pub async fn count_webhook_endpoints(&self) -> Result<Total, StoreError> {
        const SQL: Scoped =
            scoped("SELECT count(*) FROM webhook_endpoints WHERE application_id = $1");
        let mut reader = self.read().await?;
        let count = run!(reader, query_scalar(SQL), |q, c| q.fetch_one(c).await)?;
        Ok(Total::exactly(count))
    }

    pub async fn get_webhook_endpoint(
        &self,
        id: &str,
    ) -> Result<Option<WebhookEndpoint>, StoreError> {
        const SQL: Scoped = endpoints_sql!("AND id = $2");
        let mut reader = self.read().await?;
        Ok(run!(reader, query_as(SQL), |q, c| q
            .bind(id)
            .fetch_optional(c)
            .await)?)
    }

    /// Creates an endpoint and its secret, which can't be read again. It gets events from now on.
    pub async fn create_webhook_endpoint(
        &self,
        url: &str,
        settings: &WebhookEndpointChange,
    ) -> Result<(WebhookEndpoint, SecretString), StoreError> {
        const SQL: Scoped = scoped(
            "INSERT INTO webhook_endpoints
                (application_id, id, url, description, event_types, enabled, leased_until, fence,
                 created_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, 0, $7)",
        );
        let store = self.store();
        let endpoint = WebhookEndpoint {
            id: store.new_id(),
            url: url.to_owned(),
            description: settings.description.clone().unwrap_or_default(),
            event_types: Json(settings.event_types.clone().unwrap_or_default()),
            enabled: settings.enabled.unwrap_or(true),
            disabled_reason: None,
            created_at: Timestamp(store.now()),
        };
        if self.count_webhook_endpoints().await?.count >= MOST_ENDPOINTS {
            return Err(StoreError::Conflict(format!(
                "an application has at most {MOST_ENDPOINTS} webhook endpoints"
            )));
        }
        let mut tx = self.begin().await?;
        run!(tx, query(SQL), |q, c| q
            .bind(&endpoint.id)
            .bind(&endpoint.url)
            .bind(&endpoint.description)
            .bind(&endpoint.event_types)
            .bind(endpoint.enabled)
            .bind(endpoint.created_at)
            .execute(c)
            .await
            .map(drop))?;
        let secret = store
            .new_signing_secret(tx.unscoped(), &endpoint.id)
            .await?;
        tx.commit().await?;
        Ok((endpoint, secret))
    }

    /// Changes the given fields. An endpoint that is enabled, or gets another URL, starts over: its
    /// earlier failures don't count, and pending deliveries are sent.
    pub async fn update_webhook_endpoint(
        &self,
        id: &str,
        change: &WebhookEndpointChange,
    ) -> Result<Option<WebhookEndpoint>, StoreError> {
        const SQL: Scoped = scoped(
            "UPDATE webhook_endpoints
             SET url = COALESCE($3, url), description = COALESCE($4, description),
                 event_types = COALESCE($5, event_types), enabled = COALESCE($6, enabled),
                 disabled_reason =
                    CASE WHEN NOT enabled AND NOT COALESCE($6, enabled) THEN disabled_reason END,
                 failing_since =
                    CASE WHEN COALESCE($6, false) AND NOT enabled THEN NULL
                         WHEN COALESCE($3, url) <> url THEN NULL ELSE failing_since END
             WHERE application_id = $1 AND id = $2
             RETURNING id, url, description, event_types, enabled, disabled_reason, created_at",
        );
        let mut tx = self.begin().await?;
        let updated = run!(tx, query_as(SQL), |q, c| q
            .bind(id)
            .bind(&change.url)
            .bind(&change.description)
            .bind(change.event_types.as_ref().map(Json))
            .bind(change.enabled)
            .fetch_optional(c)
            .await)?;
        tx.commit().await?;
        Ok(updated)
    }

    /// `false` if the application has no such endpoint. Pending deliveries are not sent any more; a
    /// running attempt completes. If there are many deliveries, maintenance deletes the rest.
    pub async fn delete_webhook_endpoint(&self, id: &str) -> Result<bool, StoreError> {
        const SQL: Scoped =
            scoped("DELETE FROM webhook_endpoints WHERE application_id = $1 AND id = $2");
        let mut tx = self.begin().await?;
        let deleted = run!(tx, query(SQL), |q, c| q
            .bind(id)
            .execute(c)
            .await?
            .rows_affected());
        if deleted == 1 {
            delete_deliveries_to(tx.unscoped(), id).await?;
        }
        tx.commit().await?;
        Ok(deleted == 1)
    }

    /// Gives the endpoint a new secret; the old ones keep signing too for a day.
    pub async fn rotate_webhook_secret(
        &self,
        id: &str,
    ) -> Result<Option<(WebhookEndpoint, SecretString)>, StoreError> {
        let mut tx = self.begin().await?;
        let Some(endpoint) = self.lock_webhook_endpoint(&mut tx, id).await? else {
            return Ok(None);
        };
        let secret = self.store().new_signing_secret(tx.unscoped(), id).await?;
        tx.commit().await?;
        Ok(Some((endpoint, secret)))
    }

    /// Writes a test message for this endpoint only, and returns its id.
    pub async fn test_webhook_endpoint(
        &self,
        endpoint: &WebhookEndpoint,
    ) -> Result<String, StoreError> {
        let store = self.store();
        let mut tx = self.begin().await?;
        let payload = WebhookTest::payload(&endpoint.id);
        let on = tx.unscoped();
        let message_id = store
            .write_message(on, self.application_id(), WEBHOOK_TEST, payload)
            .await?;
        store.owe(on, &message_id, &endpoint.id).await?;
        tx.commit().await?;
        Ok(message_id)
    }

    /// The endpoint, locked, so that concurrent rotations run one after the other.
    async fn lock_webhook_endpoint(
        &self,
        tx: &mut Scope<Tx>,
        id: &str,
    ) -> Result<Option<WebhookEndpoint>, StoreError> {
        const SQL: Scoped = scoped(
            "UPDATE webhook_endpoints SET url = url WHERE application_id = $1 AND id = $2
             RETURNING id, url, description, event_types, enabled, disabled_reason, created_at",
        );
        Ok(run!(tx, query_as(SQL), |q, c| q
            .bind(id)
            .fetch_optional(c)
            .await)?)
    }
}
