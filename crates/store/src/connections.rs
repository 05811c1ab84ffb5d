//! Connections: a customer's account at a provider, with the sealed credentials.

use std::{
    collections::BTreeSet,
    fmt,
    sync::{Arc, OnceLock},
};

use chrono::TimeDelta;
use sqlx::types::Json;
use sqlx_macros::FromRow;
use syncline_model::{
    ApiKey, Capabilities, ConnectionStatus, ConnectionSyncConfig, Credentials, LimitOverrides,
    Object, ProviderName, Time,
    event::{ConnectionRef, Event},
};

use crate::{
    Store, StoreError, Tenant,
    api_keys::{KeyRow, Presented, key_columns, key_prefix_is},
    configured_syncs::{FOREGROUND_PAUSE, NOT_STARTED_PAUSE, pause_of_config},
    credentials::CREDENTIALS,
    db::{Tx, run},
    key_set::KeySet,
    providers::parse_provider,
    retry::with_retry,
    tenant::{Scope, Scoped, scoped},
    timestamp::{Timestamp, at},
};

#[derive(Debug, Clone)]
pub struct Connection {
    pub id: String,
    pub application_id: String,
    pub customer_id: String,
    pub provider_id: String,
    pub provider: ProviderName,
    pub status: ConnectionStatus,
    pub capabilities: Capabilities,
    /// The provider account whose budget it uses.
    pub account_id: String,
    /// Its limits, where they differ from the configuration.
    pub limits: LimitOverrides,
    /// Its own settings, in addition to its provider's sync config.
    pub sync_config: Option<ConnectionSyncConfig>,
    pub created_at: Time,
    pub last_synced_at: Option<Time>,
    pub(crate) credentials: Sealed,
    /// The credentials, once somebody needed them.
    pub(crate) opened: OnceLock<Credentials>,
}

/// Credentials in their stored, encrypted form.
#[derive(Clone)]
pub(crate) struct Sealed(pub(crate) String);

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sealed")
    }
}

pub struct NewConnection<'a> {
    pub customer_id: &'a str,
    pub provider_id: &'a str,
    pub provider: ProviderName,
    pub credentials: &'a Credentials,
    pub status: ConnectionStatus,
    pub account: Account<'a>,
    pub limits: LimitOverrides,
    pub start: Start,
    /// How often the credentials have to be refreshed even if nobody uses them.
    pub keep_alive: Option<TimeDelta>,
    /// The magic link that it is made with, which is used up thereby.
    pub magic_link_id: Option<&'a str>,
}

/// When a new connection's syncs start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// As their config says.
    AsConfigured,
    AtOnce,
    /// When somebody resumes them.
    WhenResumed,
    /// They are paused, and `syncline sync` reads the connection on demand.
    InForeground,
}

/// The provider account that credentials belong to.
#[derive(Debug, Clone, Copy)]
pub struct Account<'a> {
    pub id: &'a str,
    /// The account name that is derived from the key, used until the real account is known.
    pub key: &'a str,
    /// Whether the provider was asked for the account; otherwise `id` is the key's own name.
    pub known: bool,
}

#[derive(FromRow)]
struct ConnectionRow {
    id: String,
    application_id: String,
    customer_id: String,
    provider_id: String,
    provider_name: String,
    status: String,
    capabilities: Json<Capabilities>,
    account_id: String,
    limits: Option<Json<LimitOverrides>>,
    connection_sync_config: Option<Json<ConnectionSyncConfig>>,
    created_at: Timestamp,
    last_synced_at: Option<Timestamp>,
    credentials: String,
}

impl TryFrom<ConnectionRow> for Connection {
    type Error = StoreError;

    fn try_from(row: ConnectionRow) -> Result<Self, StoreError> {
        let status = parse_status(&row.id, row.status)?;
        Ok(Self {
            provider: parse_provider("connections", &row.id, &row.provider_name)?,
            id: row.id,
            application_id: row.application_id,
            customer_id: row.customer_id,
            provider_id: row.provider_id,
            status,
            capabilities: row.capabilities.0,
            account_id: row.account_id,
            limits: row.limits.map(|limits| limits.0).unwrap_or_default(),
            sync_config: row.connection_sync_config.map(|config| config.0),
            created_at: row.created_at.into(),
            last_synced_at: row.last_synced_at.map(Into::into),
            credentials: Sealed(row.credentials),
            opened: OnceLock::new(),
        })
    }
}

pub(crate) fn parse_status(row: &str, status: String) -> Result<ConnectionStatus, StoreError> {
    ConnectionStatus::parse(&status).ok_or_else(|| StoreError::Inconsistent {
        table: "connections",
        column: "status",
        row: row.to_owned(),
        reason: status,
    })
}

impl Connection {
    pub fn reference(&self) -> ConnectionRef {
        ConnectionRef {
            application_id: self.application_id.clone(),
            connection_id: self.id.clone(),
            customer_id: self.customer_id.clone(),
            provider_id: self.provider_id.clone(),
            provider: self.provider,
        }
    }
}

/// A connection, with the API key of the request.
#[derive(FromRow)]
struct ConnectionOfKey {
    #[sqlx(flatten)]
    connection: ConnectionRow,
    #[sqlx(flatten)]
    key: KeyRow,
}

macro_rules! connection_columns {
    () => {
        "c.id, c.application_id, c.customer_id, c.provider_id, c.provider_name, c.status,
         c.capabilities, c.account_id, c.limits, c.connection_sync_config, c.created_at,
         c.last_synced_at, c.credentials"
    };
}

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT ",
            connection_columns!(),
            " FROM connections c ",
            $rest
        )
    };
}

const LIST: Scoped = scoped(select!(
    "WHERE c.application_id = $1 AND c.customer_id = $2 ORDER BY c.provider_name"
));

impl Tenant {
    pub async fn list_connections(&self, customer_id: &str) -> Result<Vec<Connection>, StoreError> {
        let mut reader = self.read().await?;
        let rows: Vec<ConnectionRow> = run!(reader, query_as(LIST), |q, c| q
            .bind(customer_id)
            .fetch_all(c)
            .await)?;
        rows.into_iter().map(TryInto::try_into).collect()
    }

    /// The providers that customers are connected to: all customers, or only these.
    pub async fn connected_providers(
        &self,
        customers: Option<&BTreeSet<String>>,
    ) -> Result<Vec<ProviderName>, StoreError> {
        const ALL: Scoped = scoped(
            "SELECT DISTINCT provider_name FROM connections
             WHERE application_id = $1 AND CAST($2 AS text) IS NOT NULL ORDER BY provider_name",
        );
        const OF_THESE: Scoped = scoped(
            "SELECT DISTINCT provider_name FROM connections
             WHERE application_id = $1 AND customer_id IN (SELECT key FROM json_each($2))
             ORDER BY provider_name",
        );
        let ids: Vec<&str> = customers
            .into_iter()
            .flatten()
            .map(String::as_str)
            .collect();
        let sql = if customers.is_some() { OF_THESE } else { ALL };
        let mut reader = self.read().await?;
        let names: Vec<String> = run!(reader, query_scalar(sql), |q, c| q
            .bind(KeySet::new(&ids))
            .fetch_all(c)
            .await)?;
        Ok(names.iter().filter_map(|name| name.parse().ok()).collect())
    }

    /// Those of these customers with one provider.
    pub async fn connections_of(
        &self,
        customer_ids: &[&str],
        provider: ProviderName,
    ) -> Result<Vec<Connection>, StoreError> {
        const SQL: Scoped = scoped(select!(
            "WHERE c.application_id = $1 AND c.provider_name = $2
               AND c.customer_id IN (SELECT key FROM json_each($3)) ORDER BY c.customer_id"
        ));
        let mut reader = self.read().await?;
        let rows: Vec<ConnectionRow> = run!(reader, query_as(SQL), |q, c| q
            .bind(provider.as_str())
            .bind(KeySet::new(customer_ids))
            .fetch_all(c)
            .await)?;
        rows.into_iter().map(TryInto::try_into).collect()
    }

    pub(crate) async fn list_connections_in(
        &self,
        tx: &mut Scope<Tx>,
        customer_id: &str,
    ) -> Result<Vec<Connection>, StoreError> {
        let rows: Vec<ConnectionRow> = run!(tx, query_as(LIST), |q, c| q
            .bind(customer_id)
            .fetch_all(c)
            .await)?;
        rows.into_iter().map(TryInto::try_into).collect()
    }

    pub async fn get_connection(
        &self,
        customer_id: &str,
        provider: ProviderName,
    ) -> Result<Option<Connection>, StoreError> {
        Ok(self
            .list_connections(customer_id)
            .await?
            .into_iter()
            .find(|connection| connection.provider == provider))
    }

    /// Creates a connection and its syncs according to the provider's sync config, due at once.
    pub async fn create_connection(
        &self,
        new: &NewConnection<'_>,
    ) -> Result<Connection, StoreError> {
        with_retry(|| self.create_connection_once(new)).await
    }

    async fn create_connection_once(
        &self,
        new: &NewConnection<'_>,
    ) -> Result<Connection, StoreError> {
        const SQL: Scoped = scoped(
            "INSERT INTO connections
                (application_id, id, customer_id, provider_id, provider_name, credentials, status,
                 capabilities, created_at, account_id, account_known, limits, refresh_due_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
        );
        let store = self.store();
        let id = store.new_id();
        let connection = Connection {
            application_id: self.application_id().to_owned(),
            customer_id: new.customer_id.to_owned(),
            provider_id: new.provider_id.to_owned(),
            provider: new.provider,
            status: new.status,
            capabilities: Capabilities::new(),
            account_id: new.account.id.to_owned(),
            limits: new.limits,
            sync_config: None,
            created_at: store.now(),
            last_synced_at: None,
            credentials: Sealed(store.seal(&CREDENTIALS, &id, &new.credentials.to_text())),
            opened: OnceLock::new(),
            id,
        };
        let mut tx = self.begin().await?;
        if !self.lock_customer(&mut tx, new.customer_id).await? {
            return Err(StoreError::Missing("the customer"));
        }
        run!(tx, query(SQL), |q, c| q
            .bind(&connection.id)
            .bind(&connection.customer_id)
            .bind(&connection.provider_id)
            .bind(connection.provider.as_str())
            .bind(&connection.credentials.0)
            .bind(connection.status.as_str())
            .bind(Json(&connection.capabilities))
            .bind(at(connection.created_at))
            .bind(&connection.account_id)
            .bind(new.account.known)
            .bind(Json(&connection.limits))
            .bind(store.in_future(new.keep_alive))
            .execute(c)
            .await
            .map(drop))
        .map_err(|error| {
            StoreError::or_duplicate(error, "a connection with this provider")
                .or_missing("the provider")
        })?;
        let config = self.sync_config_of(&mut tx, connection.provider).await?;
        let found = tx.unscoped();
        if let Some(id) = new.magic_link_id {
            store.consume_magic_link(found, id).await?;
        }
        if let Some(config) = config {
            let pause = match new.start {
                Start::AsConfigured => pause_of_config(&config),
                Start::AtOnce => None,
                Start::WhenResumed => Some(NOT_STARTED_PAUSE),
                Start::InForeground => Some(FOREGROUND_PAUSE),
            };
            store
                .create_syncs(found, &connection.id, &config, pause)
                .await?;
            store.begin_retention(found, &connection, &config).await?;
        }
        store.learn_of_key(found, &new.account).await?;
        store
            .write_event(found, &connection.reference(), &Event::ConnectionCreated)
            .await?;
        tx.commit().await?;
        Ok(connection)
    }
}

impl Store {
    /// The connection that a key, a customer and a provider select, with the key, in one query.
    pub(crate) async fn find_connection_of_key(
        &self,
        key: &Presented,
        customer_id: &str,
        provider: ProviderName,
    ) -> Result<Option<(Arc<ApiKey>, Arc<Connection>)>, StoreError> {
        const SQL: &str = concat!(
            "SELECT ",
            connection_columns!(),
            ", ",
            key_columns!(),
            " FROM connections c JOIN api_keys k ON k.application_id = c.application_id
             WHERE ",
            key_prefix_is!("$1"),
            " AND c.customer_id = $2 AND c.provider_name = $3"
        );
        let mut reader = self.db.read().await?;
        let rows: Vec<ConnectionOfKey> = run!(reader, |c| sqlx::query_as(SQL)
            .bind(key.prefix())
            .bind(customer_id)
            .bind(provider.as_str())
            .fetch_all(c)
            .await)?;
        let found = rows.into_iter().find(|row| key.opens(&row.key, self.now()));
        let Some(row) = found else { return Ok(None) };
        let (key, connection) = (row.key.try_into()?, row.connection.try_into()?);
        Ok(Some((Arc::new(key), Arc::new(connection))))
    }

    /// Makes runs that wait for records check again whether they must wait.
    pub(crate) async fn recheck_waiting_runs(
        &self,
        tx: &mut Tx,
        connection_id: &str,
    ) -> Result<(), StoreError> {
        const SQL: &str = "
            UPDATE sync_runs SET due_at = $2
            WHERE connection_id = $1 AND state = 'waiting' AND due_at > $2
              AND waiting_reason IN ('records_per_hour', 'records_per_day')";
        let now = self.now();
        run!(tx, |c| sqlx::query(SQL)
            .bind(connection_id)
            .bind(at(now))
            .execute(c)
            .await
            .map(drop))?;
        Ok(())
    }

    /// Sets a connection's limits, where they differ from the configuration. Running scans apply
    /// them from their next page on, and runs that wait for records check again.
    pub async fn set_limits(
        &self,
        connection: &Connection,
        limits: LimitOverrides,
    ) -> Result<(), StoreError> {
        with_retry(|| self.set_limits_once(connection, limits)).await
    }

    async fn set_limits_once(
        &self,
        connection: &Connection,
        limits: LimitOverrides,
    ) -> Result<(), StoreError> {
        const SQL: &str = "UPDATE connections SET limits = $2 WHERE id = $1";
        let mut tx = self.db.begin().await?;
        self.forget_callers(&mut tx);
        // Lock order: runs before their connection.
        self.recheck_waiting_runs(&mut tx, &connection.id).await?;
        run!(tx, |c| sqlx::query(SQL)
            .bind(&connection.id)
            .bind(Json(limits))
            .execute(c)
            .await
            .map(drop))?;
        Ok(tx.commit().await?)
    }

    /// Deletes a connection. When this returns, its syncs and rows are deleted and no page in
    /// flight can commit.
    pub async fn delete_connection(&self, connection: &Connection) -> Result<(), StoreError> {
        with_retry(|| self.delete_connection_once(connection)).await
    }

    async fn delete_connection_once(&self, connection: &Connection) -> Result<(), StoreError> {
        let mut tx = self.db.begin().await?;
        self.delete_connection_in(&mut tx, connection).await?;
        Ok(tx.commit().await?)
    }

    /// Deletes the runs first: a page in flight locks them until it commits, and a later one
    /// doesn't find them. Writes in flight lock the feed.
    pub(crate) async fn delete_connection_in(
        &self,
        tx: &mut Tx,
        connection: &Connection,
    ) -> Result<(), StoreError> {
        const RUNS: &str = "DELETE FROM sync_runs WHERE connection_id = $1";
        const SYNCS: &str = "DELETE FROM syncs WHERE connection_id = $1";
        const CONNECTION: &str = "DELETE FROM connections WHERE id = $1";
        self.forget_callers(tx);
        for sql in [RUNS, SYNCS] {
            run!(tx, |c| sqlx::query(sql)
                .bind(&connection.id)
                .execute(c)
                .await
                .map(drop))?;
        }
        // A write through the API that is about to commit holds it.
        self.lock_feed(tx, &connection.id).await?;
        self.pass_removal_on(tx, &connection.id, None, None, i64::MAX)
            .await?;
        for object in Object::ALL {
            self.delete_records(tx, connection, *object).await?;
        }
        let deleted = run!(tx, |c| sqlx::query(CONNECTION)
            .bind(&connection.id)
            .execute(c)
            .await?
            .rows_affected());
        if deleted == 1 {
            self.write_event(tx, &connection.reference(), &Event::ConnectionDeleted)
                .await?;
        }
        Ok(())
    }
}
