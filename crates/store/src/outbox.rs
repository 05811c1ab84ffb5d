//! The outbox of webhook events. Each event is written in the transaction of its fact, with a
//! delivery for every subscribed endpoint. So an event and its deliveries exist if and only if the
//! fact was committed.

use serde_json::Value;
use sqlx::types::Json;
use sqlx_macros::FromRow;
use syncline_model::event::{self, ConnectionRef, Event};

use crate::{
    Store, StoreError,
    db::{Tx, run},
    timestamp::at,
};

#[derive(FromRow)]
struct Subscriber {
    id: String,
    event_types: Json<Vec<String>>,
}

/// Whether an endpoint with these event types is subscribed to this one. One without types is subscribed
/// to all but the most frequent.
pub(crate) fn wants(event_types: &[String], event_type: &str) -> bool {
    let is_named = event_types.iter().any(|wanted| wanted == event_type);
    is_named || (event_types.is_empty() && event_type != event::RECORDS_CHANGED)
}

impl Store {
    pub(crate) async fn write_event(
        &self,
        tx: &mut Tx,
        connection: &ConnectionRef,
        event: &Event,
    ) -> Result<(), StoreError> {
        self.tell(
            tx,
            &connection.application_id,
            event.event_type(),
            event.payload(connection),
        )
        .await
    }

    /// Writes an event, with a delivery for every subscribed endpoint.
    pub(crate) async fn tell(
        &self,
        tx: &mut Tx,
        application_id: &str,
        event_type: &str,
        payload: Value,
    ) -> Result<(), StoreError> {
        const SUBSCRIBERS: &str = "
            SELECT id, event_types FROM webhook_endpoints WHERE application_id = $1 AND enabled";
        let message_id = self
            .write_message(tx, application_id, event_type, payload)
            .await?;
        let subscribers: Vec<Subscriber> = run!(tx, |c| sqlx::query_as(SUBSCRIBERS)
            .bind(application_id)
            .fetch_all(c)
            .await)?;
        for subscriber in subscribers {
            if wants(&subscriber.event_types, event_type) {
                self.owe(tx, &message_id, &subscriber.id).await?;
            }
        }
        Ok(())
    }

    /// Writes a message without deliveries, and returns its id.
    pub(crate) async fn write_message(
        &self,
        tx: &mut Tx,
        application_id: &str,
        event_type: &str,
        payload: Value,
    ) -> Result<String, StoreError> {
        const SQL: &str = "
            INSERT INTO outbox (id, application_id, event_type, payload, created_at)
            VALUES ($1, $2, $3, $4, $5)";
        let (id, now) = (self.new_id(), self.now());
        run!(tx, |c| sqlx::query(SQL)
            .bind(&id)
            .bind(application_id)
            .bind(event_type)
            .bind(Json(&payload))
            .bind(at(now))
            .execute(c)
            .await
            .map(drop))?;
        Ok(id)
    }

    /// Creates a delivery of a message to an endpoint, due now. An existing one starts over.
    pub(crate) async fn owe(
        &self,
        tx: &mut Tx,
        message_id: &str,
        endpoint_id: &str,
    ) -> Result<(), StoreError> {
        const SQL: &str = "
            INSERT INTO webhook_deliveries
                (id, message_id, endpoint_id, state, due_at, attempts_made, schedule)
            VALUES ($1, $2, $3, 'pending', $4, 0, 1)
            ON CONFLICT (endpoint_id, message_id) DO UPDATE
            SET state = 'pending', due_at = excluded.due_at, attempts_made = 0,
                schedule = webhook_deliveries.schedule + 1";
        let (id, now) = (self.new_id(), self.now());
        tx.wakes(&self.told);
        run!(tx, |c| sqlx::query(SQL)
            .bind(&id)
            .bind(message_id)
            .bind(endpoint_id)
            .bind(at(now))
            .execute(c)
            .await
            .map(drop))?;
        Ok(())
    }
}
