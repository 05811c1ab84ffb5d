//! Destinations: where records are written. Every application has the built-in one, this database's own
//! tables, which needs no row; the others are fed from the change feeds (`feeds`, `removals`).

mod feeds;
mod removals;

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};
use sqlx::types::Json;
use sqlx_macros::FromRow;
use syncline_model::{
    DestinationConfig, DestinationSecrets, DestinationType, Time, destination::PostgresSecrets,
};

pub use feeds::DestinationFeed;
pub use removals::Removal;

use crate::{
    Store, StoreError, Tenant,
    db::run,
    sealing::SealedColumn,
    tenant::{Scoped, scoped},
    timestamp::{Timestamp, at},
};

/// The name of the built-in destination: this database's own tables.
pub(crate) const BUILT_IN_DESTINATION: &str = "Syncline";

/// The passwords and keys of a destination.
pub(crate) const SECRETS: SealedColumn = SealedColumn {
    table: "destinations",
    column: "secrets",
    key: "id",
};

/// How many connections that are behind are counted.
const COUNTED_BEHIND: i64 = 10_000;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destination {
    pub id: String,
    pub application_id: String,
    pub name: String,
    /// `None`: the built-in one.
    pub config: Option<DestinationConfig>,
    pub version: i64,
    /// Its newest failure, if it fails.
    pub failure: Option<DestinationFailure>,
    /// How many connections have changes that it doesn't have yet, counted up to 10,000.
    pub connections_behind: i64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DestinationFailure {
    pub since: Time,
    pub error: String,
    pub retry_at: Option<Time>,
}

/// The settings of a destination to create or update.
pub struct DestinationSettings<'a> {
    pub name: &'a str,
    pub config: &'a DestinationConfig,
    pub secrets: &'a DestinationSecrets,
}

#[derive(FromRow)]
struct DestinationRow {
    id: String,
    application_id: String,
    name: String,
    r#type: String,
    config: Json<Value>,
    version: i64,
    failing_since: Option<Timestamp>,
    error: Option<String>,
    retry_at: Option<Timestamp>,
    connections_behind: i64,
}

/// Secrets as they are sealed.
#[derive(Serialize, Deserialize)]
struct SecretTexts {
    secret: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    server_ca_cert: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    client_cert: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    client_key: Option<String>,
}

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT d.id, d.application_id, d.name, d.type, d.config, d.version, d.failing_since,
                    d.error, d.retry_at,
                    (SELECT count(*) FROM (
                        SELECT 1 FROM destination_feeds f
                        WHERE f.destination_id = d.id AND f.due_at IS NOT NULL LIMIT $2) AS behind)
                    AS connections_behind
             FROM destinations d WHERE d.application_id = $1",
            $rest
        )
    };
}

impl Store {
    pub fn built_in_destination(&self) -> &'static str {
        BUILT_IN_DESTINATION
    }

    fn destination_secrets(
        &self,
        id: &str,
        destination_type: DestinationType,
        sealed: &str,
    ) -> Result<DestinationSecrets, StoreError> {
        let text = self.unseal(&SECRETS, id, sealed)?;
        let texts: SecretTexts = serde_json::from_str(text.expose_secret())
            .map_err(|error| inconsistent(id, "secrets", &error))?;
        Ok(match destination_type {
            DestinationType::S3 => DestinationSecrets::S3 {
                secret_access_key: texts.secret.into(),
            },
            DestinationType::Postgres => DestinationSecrets::Postgres(PostgresSecrets {
                password: texts.secret.into(),
                server_ca_cert: texts.server_ca_cert,
                client_cert: texts.client_cert,
                client_key: texts.client_key.map(Into::into),
            }),
        })
    }
}

impl Tenant {
    pub async fn list_destinations(&self) -> Result<Vec<Destination>, StoreError> {
        const SQL: Scoped = scoped(select!(" ORDER BY d.name"));
        let mut reader = self.read().await?;
        let rows: Vec<DestinationRow> = run!(reader, query_as(SQL), |q, c| q
            .bind(COUNTED_BEHIND)
            .fetch_all(c)
            .await)?;
        let mut destinations = vec![self.built_in()];
        for row in rows {
            destinations.push(row.try_into()?);
        }
        Ok(destinations)
    }

    pub async fn get_destination(&self, id: &str) -> Result<Option<Destination>, StoreError> {
        let all = self.list_destinations().await?;
        Ok(all.into_iter().find(|destination| destination.id == id))
    }

    /// The stored secrets, for a test or an update that leaves them as they are.
    pub async fn secrets_of_destination(
        &self,
        destination: &Destination,
    ) -> Result<Option<DestinationSecrets>, StoreError> {
        const SQL: Scoped =
            scoped("SELECT secrets FROM destinations WHERE application_id = $1 AND id = $2");
        let Some(config) = &destination.config else {
            return Ok(None);
        };
        let mut reader = self.read().await?;
        let sealed: Option<String> = run!(reader, query_scalar(SQL), |q, c| q
            .bind(&destination.id)
            .fetch_optional(c)
            .await)?;
        let open = |sealed: String| {
            self.store()
                .destination_secrets(&destination.id, config.destination_type(), &sealed)
        };
        sealed.map(open).transpose()
    }

    pub async fn create_destination(
        &self,
        new: &DestinationSettings<'_>,
    ) -> Result<Destination, StoreError> {
        const SQL: Scoped = scoped(
            "INSERT INTO destinations
                (application_id, id, name, type, config, secrets, version, created_at)
             VALUES ($1, $2, $3, $4, $5, $6, 1, $7)",
        );
        let store = self.store();
        let (id, now) = (store.new_id(), store.now());
        let sealed = store.seal(&SECRETS, &id, &texts_of(new.secrets));
        let mut tx = self.begin().await?;
        run!(tx, query(SQL), |q, c| q
            .bind(&id)
            .bind(new.name)
            .bind(new.config.destination_type().as_str())
            .bind(Json(new.config))
            .bind(&sealed)
            .bind(at(now))
            .execute(c)
            .await
            .map(drop))
        .map_err(|error| StoreError::or_duplicate(error, "a destination with this name"))?;
        tx.commit().await?;
        Ok(Destination {
            id,
            application_id: self.application_id().to_owned(),
            name: new.name.to_owned(),
            config: Some(new.config.clone()),
            version: 1,
            failure: None,
            connections_behind: 0,
        })
    }

    /// Replaces the settings, and has everything written that the new place lacks. `None`: it has
    /// another version by now.
    pub async fn update_destination(
        &self,
        current: &Destination,
        new: &DestinationSettings<'_>,
    ) -> Result<Option<Destination>, StoreError> {
        const SQL: Scoped = scoped(
            "UPDATE destinations
             SET name = $4, config = $5, secrets = $6, version = version + 1, failing_since = NULL,
                 failures = 0, error = NULL, retry_at = NULL
             WHERE application_id = $1 AND id = $2 AND version = $3",
        );
        const NAMED: Scoped = scoped(
            "UPDATE sync_configs SET destination_name = $3
             WHERE application_id = $1 AND destination_name = $2",
        );
        const DUE: Scoped = scoped(
            "UPDATE destination_feeds SET due_at = $3
             WHERE application_id = $1 AND destination_id = $2 AND due_at IS NULL",
        );
        let store = self.store();
        let now = store.now();
        let sealed = store.seal(&SECRETS, &current.id, &texts_of(new.secrets));
        let mut tx = self.begin().await?;
        let updated = run!(tx, query(SQL), |q, c| q
            .bind(&current.id)
            .bind(current.version)
            .bind(new.name)
            .bind(Json(new.config))
            .bind(&sealed)
            .execute(c)
            .await
            .map(|done| done.rows_affected()))
        .map_err(|error| StoreError::or_duplicate(error, "a destination with this name"))?;
        if updated == 0 {
            return Ok(None);
        }
        run!(tx, query(NAMED), |q, c| q
            .bind(&current.name)
            .bind(new.name)
            .execute(c)
            .await
            .map(drop))?;
        run!(tx, query(DUE), |q, c| q
            .bind(&current.id)
            .bind(at(now))
            .execute(c)
            .await
            .map(drop))?;
        tx.unscoped().wakes(&store.destinations_due);
        tx.commit().await?;
        Ok(Some(Destination {
            name: new.name.to_owned(),
            config: Some(new.config.clone()),
            version: current.version + 1,
            failure: None,
            ..current.clone()
        }))
    }

    /// Deletes a destination that no sync config names. What was written there stays.
    pub async fn delete_destination(&self, destination: &Destination) -> Result<bool, StoreError> {
        const CONFIGS: Scoped = scoped(
            "SELECT provider_name FROM sync_configs
             WHERE application_id = $1 AND destination_name = $2 ORDER BY provider_name",
        );
        const SQL: Scoped =
            scoped("DELETE FROM destinations WHERE application_id = $1 AND id = $2");
        let mut tx = self.begin().await?;
        let configs: Vec<String> = run!(tx, query_scalar(CONFIGS), |q, c| q
            .bind(&destination.name)
            .fetch_all(c)
            .await)?;
        if !configs.is_empty() {
            return Err(StoreError::InUse(format!(
                "the sync configs of {} write to destination '{}': delete them first",
                configs.join(", "),
                destination.name
            )));
        }
        let deleted = run!(tx, query(SQL), |q, c| q
            .bind(&destination.id)
            .execute(c)
            .await?
            .rows_affected());
        tx.commit().await?;
        Ok(deleted == 1)
    }

    fn built_in(&self) -> Destination {
        Destination {
            id: built_in_id(self.application_id()),
            application_id: self.application_id().to_owned(),
            name: BUILT_IN_DESTINATION.to_owned(),
            config: None,
            version: 1,
            failure: None,
            connections_behind: 0,
        }
    }
}

impl TryFrom<DestinationRow> for Destination {
    type Error = StoreError;

    fn try_from(row: DestinationRow) -> Result<Self, StoreError> {
        let config = parse_config(&row.id, &row.r#type, row.config.0)?;
        let failure = row.failing_since.map(|since| DestinationFailure {
            since: since.into(),
            error: row.error.unwrap_or_default(),
            retry_at: row.retry_at.map(Into::into),
        });
        Ok(Self {
            id: row.id,
            application_id: row.application_id,
            name: row.name,
            config: Some(config),
            version: row.version,
            failure,
            connections_behind: row.connections_behind,
        })
    }
}

fn parse_config(
    id: &str,
    destination_type: &str,
    config: Value,
) -> Result<DestinationConfig, StoreError> {
    let parsed = match DestinationType::parse(destination_type) {
        Some(DestinationType::Postgres) => {
            serde_json::from_value(config).map(DestinationConfig::Postgres)
        }
        Some(DestinationType::S3) => serde_json::from_value(config).map(DestinationConfig::S3),
        None => return Err(inconsistent(id, "type", &destination_type)),
    };
    parsed.map_err(|error| inconsistent(id, "config", &error))
}

fn texts_of(secrets: &DestinationSecrets) -> SecretString {
    let text = |secret: &SecretString| secret.expose_secret().to_owned();
    let texts = match secrets {
        DestinationSecrets::S3 { secret_access_key } => SecretTexts {
            secret: text(secret_access_key),
            server_ca_cert: None,
            client_cert: None,
            client_key: None,
        },
        DestinationSecrets::Postgres(secrets) => SecretTexts {
            secret: text(&secrets.password),
            server_ca_cert: secrets.server_ca_cert.clone(),
            client_cert: secrets.client_cert.clone(),
            client_key: secrets.client_key.as_ref().map(text),
        },
    };
    serde_json::to_string(&texts).unwrap_or_default().into()
}

fn inconsistent(id: &str, column: &'static str, reason: &dyn std::fmt::Display) -> StoreError {
    StoreError::Inconsistent {
        table: "destinations",
        column,
        row: id.to_owned(),
        reason: reason.to_string(),
    }
}

/// An id that looks like every other and is constant for an application.
fn built_in_id(application_id: &str) -> String {
    let hash = Sha256::digest(format!("destination of {application_id}"));
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash[..16]);
    uuid::Builder::from_custom_bytes(bytes)
        .into_uuid()
        .to_string()
}
