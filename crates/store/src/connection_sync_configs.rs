//! A connection's own settings, in addition to its provider's sync config.

use sqlx::types::Json;
use syncline_model::ConnectionSyncConfig;

use crate::{Connection, Store, StoreError, db::run};

impl Store {
    /// Replaces the connection's current config.
    pub async fn set_connection_sync_config(
        &self,
        connection: &Connection,
        config: &ConnectionSyncConfig,
    ) -> Result<(), StoreError> {
        const SQL: &str = "UPDATE connections SET connection_sync_config = $2 WHERE id = $1";
        let mut tx = self.db.begin().await?;
        self.forget_callers(&mut tx);
        let set = run!(tx, |c| sqlx::query(SQL)
            .bind(&connection.id)
            .bind(Json(config))
            .execute(c)
            .await?
            .rows_affected());
        if set == 0 {
            return Err(StoreError::Missing("the connection"));
        }
        // Another schema has to be filled.
        self.make_destinations_due(&mut tx, &connection.id).await?;
        Ok(tx.commit().await?)
    }

    /// `false` if none is set.
    pub async fn delete_connection_sync_config(
        &self,
        connection: &Connection,
    ) -> Result<bool, StoreError> {
        const SQL: &str = "
            UPDATE connections SET connection_sync_config = NULL
            WHERE id = $1 AND connection_sync_config IS NOT NULL";
        let mut tx = self.db.begin().await?;
        self.forget_callers(&mut tx);
        let deleted = run!(tx, |c| sqlx::query(SQL)
            .bind(&connection.id)
            .execute(c)
            .await?
            .rows_affected());
        self.make_destinations_due(&mut tx, &connection.id).await?;
        tx.commit().await?;
        Ok(deleted == 1)
    }
}
