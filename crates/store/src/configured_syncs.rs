//! The syncs that a sync config asks for: created, changed and deleted with it.

use std::collections::BTreeMap;

use sqlx::types::Json;
use syncline_model::Object;

use crate::{
    Store, StoreError,
    db::{Tx, run},
    key_set::KeySet,
    sync_configs::{SyncConfig, wanted},
    timestamp::at,
};

/// The initial pause of new syncs that don't run by themselves.
#[derive(Clone, Copy)]
pub(crate) struct NewPause {
    cause: &'static str,
    reason: &'static str,
}

/// For a connection that `syncline sync` created.
pub(crate) const FOREGROUND_PAUSE: NewPause = NewPause {
    cause: "foreground",
    reason: "`syncline sync` reads it on demand; resume it to have it synced on its schedule",
};

/// The pause of syncs that don't start when their connection is made.
pub(crate) const NOT_STARTED_PAUSE: NewPause = NewPause {
    cause: "config",
    reason: "auto_start_on_connection is false",
};

pub(crate) fn pause_of_config(config: &SyncConfig) -> Option<NewPause> {
    (!config.config.starts_on_connection()).then_some(NOT_STARTED_PAUSE)
}

impl Store {
    /// Creates a config's syncs on one connection, due at once.
    pub(crate) async fn create_syncs(
        &self,
        tx: &mut Tx,
        connection_id: &str,
        config: &SyncConfig,
        pause: Option<NewPause>,
    ) -> Result<(), StoreError> {
        const SQL: &str = "
            INSERT INTO syncs
                (id, application_id, connection_id, sync_config_id, object, period_ms, paused,
                 paused_reason, paused_cause, next_run_at, full_refresh, last_stamp_ms, created_at,
                 fresh_ms, carried_in, most_incrementals, store_policy)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, false, 0, $10, $12, $13, $14, $15)
            ON CONFLICT (connection_id, object) DO UPDATE
            SET period_ms = excluded.period_ms, most_incrementals = excluded.most_incrementals,
                store_policy = excluded.store_policy,
                next_run_at = CASE WHEN syncs.next_run_at > $11 THEN $11
                                   ELSE syncs.next_run_at END";
        for (object, period_ms) in wanted(&config.config) {
            let (id, now) = (self.new_id(), self.now());
            let carrier = self.containment.carrier_of(config.provider, object);
            let policy = config.config.store_policy(object);
            run!(tx, |c| sqlx::query(SQL)
                .bind(&id)
                .bind(&config.application_id)
                .bind(connection_id)
                .bind(&config.id)
                .bind(object.as_str())
                .bind(period_ms)
                .bind(pause.is_some())
                .bind(pause.map(|it| it.reason))
                .bind(pause.map(|it| it.cause))
                .bind(at(now))
                .bind(at(now + chrono::TimeDelta::milliseconds(period_ms)))
                .bind(now.timestamp_millis())
                .bind(carrier.map(Object::as_str))
                .bind(config.config.most_incrementals(object))
                .bind((!policy.is_full()).then_some(Json(&policy)))
                .execute(c)
                .await
                .map(drop))?;
        }
        self.follow_destination(tx, connection_id, config).await
    }

    /// Creates or updates the config's syncs on every connection of its provider.
    pub(crate) async fn follow_config(
        &self,
        tx: &mut Tx,
        config: &SyncConfig,
    ) -> Result<(), StoreError> {
        const SQL: &str = "
            SELECT c.id, EXISTS (
                SELECT 1 FROM syncs s
                WHERE s.connection_id = c.id AND s.paused AND s.paused_cause = $3)
            FROM connections c WHERE c.application_id = $1 AND c.provider_name = $2";
        let connections: Vec<(String, bool)> = run!(tx, |c| sqlx::query_as(SQL)
            .bind(&config.application_id)
            .bind(config.provider.as_str())
            .bind(FOREGROUND_PAUSE.cause)
            .fetch_all(c)
            .await)?;
        for (connection_id, in_foreground) in connections {
            let pause = if in_foreground {
                Some(FOREGROUND_PAUSE)
            } else {
                pause_of_config(config)
            };
            self.create_syncs(tx, &connection_id, config, pause).await?;
        }
        Ok(())
    }

    /// Deletes the config's syncs of objects that are not `wanted`, and returns how many of them are
    /// not in `asked_for` either. A scan
    /// that serves a deleted sync is dropped as a whole; the other sync that it served runs again.
    pub(crate) async fn delete_syncs_outside(
        &self,
        tx: &mut Tx,
        sync_config_id: &str,
        wanted: &BTreeMap<Object, i64>,
        asked_for: &[Object],
    ) -> Result<usize, StoreError> {
        const RUNS: &str = "
            DELETE FROM sync_runs
            WHERE sync_id IS NOT NULL AND state IN ('queued', 'running', 'waiting')
              AND scan_id IN (
                SELECT r.scan_id FROM sync_runs r JOIN syncs s ON s.id = r.sync_id
                WHERE s.sync_config_id = $1 AND s.object IN (SELECT key FROM json_each($2))
                  AND r.state IN ('queued', 'running', 'waiting'))
            RETURNING sync_id";
        const AGAIN: &str = "
            UPDATE syncs SET triggered_at = $2 WHERE id IN (SELECT key FROM json_each($1))";
        const SYNCS: &str = "
            DELETE FROM syncs
            WHERE sync_config_id = $1 AND object IN (SELECT key FROM json_each($2))
            RETURNING object";
        // A scan that started between the two deletes has lost its leading run.
        const LEADERLESS: &str = "
            DELETE FROM sync_runs
            WHERE state IN ('queued', 'running', 'waiting')
              AND sync_id IN (SELECT id FROM syncs WHERE sync_config_id = $1)
              AND NOT EXISTS (SELECT 1 FROM sync_runs leader WHERE leader.id = sync_runs.scan_id)
            RETURNING sync_id";
        let unwanted: Vec<&str> = Object::ALL
            .iter()
            .filter(|object| !wanted.contains_key(object))
            .map(|object| object.as_str())
            .collect();
        let now = self.now();
        let mut dropped: Vec<String> = run!(tx, |c| sqlx::query_scalar(RUNS)
            .bind(sync_config_id)
            .bind(KeySet::new(&unwanted))
            .fetch_all(c)
            .await)?;
        let deleted: Vec<String> = run!(tx, |c| sqlx::query_scalar(SYNCS)
            .bind(sync_config_id)
            .bind(KeySet::new(&unwanted))
            .fetch_all(c)
            .await)?;
        let leaderless: Vec<String> = run!(tx, |c| sqlx::query_scalar(LEADERLESS)
            .bind(sync_config_id)
            .fetch_all(c)
            .await)?;
        dropped.extend(leaderless);
        run!(tx, |c| sqlx::query(AGAIN)
            .bind(KeySet::new(&dropped))
            .bind(at(now))
            .execute(c)
            .await
            .map(drop))?;
        let asked_for = |name: &String| asked_for.iter().any(|object| object.as_str() == name);
        Ok(deleted.iter().filter(|name| !asked_for(name)).count())
    }
}
