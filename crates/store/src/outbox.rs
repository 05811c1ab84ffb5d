//! The events that Syncline owes to the outside. Each is written in the transaction of its fact, so
//! there is an event if and only if the fact was committed.

use serde_json::Value;
use sqlx::types::Json;
use syncline_model::event::{ConnectionRef, Event};

use crate::{
    Store, StoreError,
    db::{Tx, run},
};

impl Store {
    pub(crate) async fn write_event(
        &self,
        tx: &mut Tx,
        connection: &ConnectionRef,
        event: &Event,
    ) -> Result<(), StoreError> {
        const SQL: &str = "
            INSERT INTO outbox (id, application_id, event_type, payload, created_at)
            VALUES ($1, $2, $3, $4, $5)";
        let (id, now) = (self.new_id(), self.now());
        let payload: Json<Value> = Json(event.payload(connection));
        run!(tx, |c| sqlx::query(SQL)
            .bind(&id)
            .bind(&connection.application_id)
            .bind(event.event_type())
            .bind(&payload)
            .bind(now)
            .execute(c)
            .await
            .map(drop))?;
        Ok(())
    }
}
