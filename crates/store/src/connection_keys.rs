//! A connection's keys: the main one, whose credentials are the connection's, and others beside it.
//!
//! The main key has a row too once something is to be remembered of it; that row has the connection's
//! id and no credentials.

use std::fmt;

use secrecy::ExposeSecret;
use sqlx_macros::FromRow;
use syncline_model::{Credentials, KeyKind, KeyStatus, Time};

use crate::{
    Connection, Store, StoreError, Tenant,
    connections::Sealed,
    db::{Tx, run},
    retry::with_retry,
    sealing::SealedColumn,
    tenant::{Scope, Scoped, scoped},
    timestamp::{Timestamp, at},
};

pub(crate) const KEY: SealedColumn = SealedColumn {
    table: "connection_keys",
    column: "credentials",
    key: "id",
};

const MAIN_LABEL: &str = "main key";

/// One of a connection's keys.
#[derive(Clone)]
pub struct ConnectionKey {
    /// The connection's id for its main key.
    pub id: String,
    pub connection_id: String,
    pub label: String,
    pub kind: KeyKind,
    /// Syncs use it.
    pub is_main: bool,
    /// The provider account whose limits it uses. Keys of one account share one budget.
    pub account_id: String,
    pub max_credits_per_day: Option<i64>,
    pub status: KeyStatus,
    pub status_reason: Option<String>,
    /// When a key that is passed over is tried again.
    pub retry_at: Option<Time>,
    pub last_used_at: Option<Time>,
    pub created_at: Time,
    credentials: Sealed,
}

impl fmt::Debug for ConnectionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectionKey")
            .field("id", &self.id)
            .field("status", &self.status)
            .finish_non_exhaustive()
    }
}

impl ConnectionKey {
    /// Whether requests may be sent with it now.
    pub fn is_usable(&self, now: Time) -> bool {
        match self.status {
            KeyStatus::Active => true,
            KeyStatus::Rejected | KeyStatus::Forbidden | KeyStatus::UsedUp => {
                self.retry_at.is_some_and(|at| at <= now)
            }
        }
    }
}

/// A key to be added.
pub struct NewConnectionKey<'a> {
    pub label: &'a str,
    pub kind: KeyKind,
    pub credentials: &'a Credentials,
    /// The account name that is derived from the key.
    pub own_account_id: &'a str,
    pub account_id: &'a str,
    pub max_credits_per_day: Option<i64>,
    /// The magic link that is used up by it.
    pub magic_link_id: Option<&'a str>,
}

/// What adding a key came to.
#[derive(Debug)]
pub enum AddedKey {
    Added(Box<ConnectionKey>),
    /// It is the main key.
    IsMain,
    /// The connection has this key already.
    Known,
    /// All slots of the kind are used.
    NoSlot,
}

#[derive(FromRow)]
struct Row {
    id: String,
    connection_id: String,
    label: Option<String>,
    kind: Option<String>,
    credentials: String,
    account_id: String,
    max_credits_per_day: Option<i64>,
    status: Option<String>,
    status_reason: Option<String>,
    retry_at: Option<Timestamp>,
    last_used_at: Option<Timestamp>,
    created_at: Timestamp,
}

impl TryFrom<Row> for ConnectionKey {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        let wrong = |column, reason: &str| StoreError::Inconsistent {
            table: "connection_keys",
            column,
            row: row.id.clone(),
            reason: reason.to_owned(),
        };
        let kind = row.kind.as_deref().unwrap_or("self");
        let status = row.status.as_deref().unwrap_or("active");
        Ok(Self {
            kind: KeyKind::parse(kind).ok_or_else(|| wrong("kind", kind))?,
            status: KeyStatus::parse(status).ok_or_else(|| wrong("status", status))?,
            is_main: row.id == row.connection_id,
            label: row.label.unwrap_or_else(|| MAIN_LABEL.to_owned()),
            account_id: row.account_id,
            max_credits_per_day: row.max_credits_per_day,
            status_reason: row.status_reason,
            retry_at: row.retry_at.map(Into::into),
            last_used_at: row.last_used_at.map(Into::into),
            created_at: row.created_at.0,
            credentials: Sealed(row.credentials),
            id: row.id,
            connection_id: row.connection_id,
        })
    }
}

/// The main key first, and the others by age.
macro_rules! keys_sql {
    ($where:literal) => {
        concat!(
            "SELECT c.id AS id, c.id AS connection_id, k.label, k.kind, c.credentials, c.account_id,
                    k.max_credits_per_day, k.status, k.status_reason, k.retry_at, k.last_used_at,
                    c.created_at, 0 AS place
             FROM connections c LEFT JOIN connection_keys k ON k.id = c.id
             WHERE ",
            $where,
            " UNION ALL
             SELECT k.id AS id, k.connection_id, k.label, k.kind, k.credentials, k.account_id,
                    k.max_credits_per_day, k.status, k.status_reason, k.retry_at, k.last_used_at,
                    k.created_at, 1 AS place
             FROM connections c JOIN connection_keys k ON k.connection_id = c.id AND k.id <> c.id
             WHERE ",
            $where,
            " ORDER BY place, id"
        )
    };
}

impl Tenant {
    /// A connection's keys, the main one first.
    pub async fn list_connection_keys(
        &self,
        connection: &Connection,
    ) -> Result<Vec<ConnectionKey>, StoreError> {
        const SQL: Scoped = scoped(keys_sql!("c.application_id = $1 AND c.id = $2"));
        let mut reader = self.read().await?;
        let rows: Vec<Row> = run!(reader, query_as(SQL), |q, c| q
            .bind(&connection.id)
            .fetch_all(c)
            .await)?;
        rows.into_iter().map(TryInto::try_into).collect()
    }

    pub async fn add_connection_key(
        &self,
        connection: &Connection,
        new: &NewConnectionKey<'_>,
    ) -> Result<AddedKey, StoreError> {
        with_retry(|| self.add_connection_key_once(connection, new)).await
    }

    async fn add_connection_key_once(
        &self,
        connection: &Connection,
        new: &NewConnectionKey<'_>,
    ) -> Result<AddedKey, StoreError> {
        const SQL: Scoped = scoped(
            "INSERT INTO connection_keys (application_id, id, connection_id, label, kind, credentials,
                own_account_id, account_id, max_credits_per_day, status, created_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 'active', $10)
             ON CONFLICT (connection_id, own_account_id) DO NOTHING",
        );
        let id = self.store().new_id();
        let now = self.store().now();
        let sealed = self.store().seal(&KEY, &id, &new.credentials.to_text());
        let mut tx = self.begin().await?;
        self.lock_connection(&mut tx, &connection.id).await?;
        let keys = self.keys_in(&mut tx, &connection.id).await?;
        let main = keys.iter().filter(|key| key.is_main);
        if self.store().same_key(main, new.credentials)?.is_some() {
            return Ok(AddedKey::IsMain);
        }
        let of_kind = keys.iter().filter(|key| key.kind == new.kind).count();
        if of_kind >= new.kind.slots() {
            return Ok(AddedKey::NoSlot);
        }
        let inserted = run!(tx, query(SQL), |q, c| q
            .bind(&id)
            .bind(&connection.id)
            .bind(new.label)
            .bind(new.kind.as_str())
            .bind(&sealed)
            .bind(new.own_account_id)
            .bind(new.account_id)
            .bind(new.max_credits_per_day)
            .bind(at(now))
            .execute(c)
            .await?
            .rows_affected());
        if inserted == 0 {
            return Ok(AddedKey::Known);
        }
        let keys = self.keys_in(&mut tx, &connection.id).await?;
        let found = tx.unscoped();
        if let Some(id) = new.magic_link_id {
            self.store().consume_magic_link(found, id).await?;
        }
        self.store()
            .recheck_waiting_jobs(found, &connection.id)
            .await?;
        tx.commit().await?;
        let added = keys.into_iter().find(|key| key.id == id);
        let added = added.ok_or(StoreError::Missing("the key"))?;
        Ok(AddedKey::Added(Box::new(added)))
    }

    /// Changes a key's label, and what it may spend in 24 hours. `None` if there is none with this id.
    pub async fn update_connection_key(
        &self,
        connection: &Connection,
        id: &str,
        label: &str,
        max_credits_per_day: Option<i64>,
    ) -> Result<Option<ConnectionKey>, StoreError> {
        const MAIN: Scoped = scoped(
            "INSERT INTO connection_keys (application_id, id, connection_id, label, kind,
                own_account_id, account_id, status, created_at)
             VALUES ($1, $2, $2, $3, 'self', '', '', 'active', $4) ON CONFLICT (id) DO NOTHING",
        );
        const SQL: Scoped = scoped(
            "UPDATE connection_keys SET label = $4, max_credits_per_day = $5
             WHERE application_id = $1 AND connection_id = $2 AND id = $3",
        );
        let now = self.store().now();
        with_retry(|| async {
            let mut tx = self.begin().await?;
            if id == connection.id {
                run!(tx, query(MAIN), |q, c| q
                    .bind(id)
                    .bind(MAIN_LABEL)
                    .bind(at(now))
                    .execute(c)
                    .await
                    .map(drop))?;
            }
            run!(tx, query(SQL), |q, c| q
                .bind(&connection.id)
                .bind(id)
                .bind(label)
                .bind(max_credits_per_day)
                .execute(c)
                .await
                .map(drop))?;
            let keys = self.keys_in(&mut tx, &connection.id).await?;
            let found = tx.unscoped();
            self.store()
                .recheck_waiting_jobs(found, &connection.id)
                .await?;
            tx.commit().await?;
            Ok(keys.into_iter().find(|key| key.id == id))
        })
        .await
    }

    /// Deletes a key that is not the main one. `false` if there is none with this id.
    pub async fn delete_connection_key(
        &self,
        connection: &Connection,
        id: &str,
    ) -> Result<bool, StoreError> {
        const SQL: Scoped = scoped(
            "DELETE FROM connection_keys
             WHERE application_id = $1 AND connection_id = $2 AND id = $3 AND id <> connection_id",
        );
        let mut tx = self.begin().await?;
        let deleted = run!(tx, query(SQL), |q, c| q
            .bind(&connection.id)
            .bind(id)
            .execute(c)
            .await?
            .rows_affected());
        tx.commit().await?;
        Ok(deleted == 1)
    }

    async fn keys_in(
        &self,
        tx: &mut Scope<Tx>,
        connection_id: &str,
    ) -> Result<Vec<ConnectionKey>, StoreError> {
        const SQL: Scoped = scoped(keys_sql!("c.application_id = $1 AND c.id = $2"));
        let rows: Vec<Row> = run!(tx, query_as(SQL), |q, c| q
            .bind(connection_id)
            .fetch_all(c)
            .await)?;
        rows.into_iter().map(TryInto::try_into).collect()
    }

    async fn lock_connection(
        &self,
        tx: &mut Scope<Tx>,
        connection_id: &str,
    ) -> Result<(), StoreError> {
        const SQL: Scoped =
            scoped("UPDATE connections SET status = status WHERE application_id = $1 AND id = $2");
        Ok(run!(tx, query(SQL), |q, c| q
            .bind(connection_id)
            .execute(c)
            .await
            .map(drop))?)
    }
}

impl Store {
    /// The keys of a connection that was found before.
    pub async fn keys_of(&self, connection_id: &str) -> Result<Vec<ConnectionKey>, StoreError> {
        const SQL: &str = keys_sql!("c.id = $1");
        let mut reader = self.db.read().await?;
        let rows: Vec<Row> = run!(reader, |c| sqlx::query_as(SQL)
            .bind(connection_id)
            .fetch_all(c)
            .await)?;
        rows.into_iter().map(TryInto::try_into).collect()
    }

    /// That of the keys which is this one.
    fn same_key<'k>(
        &self,
        keys: impl IntoIterator<Item = &'k ConnectionKey>,
        credentials: &Credentials,
    ) -> Result<Option<&'k ConnectionKey>, StoreError> {
        let wanted = credentials.to_text();
        for key in keys {
            if self.credentials_of_key(key)?.to_text().expose_secret() == wanted.expose_secret() {
                return Ok(Some(key));
            }
        }
        Ok(None)
    }

    /// Refuses a main key that is beside the main one already: two keys in one would spend twice what
    /// each may. The connection's row is locked.
    pub(crate) async fn check_main_key(
        &self,
        tx: &mut Tx,
        connection_id: &str,
        credentials: &Credentials,
    ) -> Result<(), StoreError> {
        const SQL: &str = keys_sql!("c.id = $1");
        let rows: Vec<Row> = run!(tx, |c| sqlx::query_as(SQL)
            .bind(connection_id)
            .fetch_all(c)
            .await)?;
        let keys = rows.into_iter().map(ConnectionKey::try_from);
        let keys: Vec<ConnectionKey> = keys.collect::<Result<_, _>>()?;
        let others = keys.iter().filter(|key| !key.is_main);
        match self.same_key(others, credentials)? {
            None => Ok(()),
            Some(key) => Err(StoreError::Conflict(format!(
                "this key is in use as \"{}\" beside the main key: delete it there first",
                key.label
            ))),
        }
    }

    /// The decrypted key.
    pub fn credentials_of_key(&self, key: &ConnectionKey) -> Result<Credentials, StoreError> {
        if key.is_main {
            return self.open_credentials(&key.connection_id, &key.credentials.0);
        }
        let text = self.unseal(&KEY, &key.id, &key.credentials.0)?;
        Credentials::of_text(&text).map_err(|unknown| StoreError::Inconsistent {
            table: KEY.table,
            column: KEY.column,
            row: key.id.clone(),
            reason: unknown.to_string(),
        })
    }

    /// Remembers that a key can or can't be used, and that it was used now.
    pub async fn note_key(
        &self,
        key: &ConnectionKey,
        status: KeyStatus,
        reason: Option<&str>,
        retry_at: Option<Time>,
    ) -> Result<(), StoreError> {
        const SQL: &str = "
            INSERT INTO connection_keys (id, application_id, connection_id, label, kind,
                own_account_id, account_id, status, status_reason, retry_at, last_used_at, created_at)
            SELECT $1, c.application_id, c.id, $6, 'self', '', '', $2, $3, $4, $5, $5
            FROM connections c WHERE c.id = $7
            ON CONFLICT (id) DO UPDATE
            SET status = excluded.status, status_reason = excluded.status_reason,
                retry_at = excluded.retry_at, last_used_at = excluded.last_used_at";
        // A key that was deleted meanwhile is not made again.
        const OF_OTHER: &str = "
            UPDATE connection_keys
            SET status = $2, status_reason = $3, retry_at = $4, last_used_at = $5
            WHERE id = $1";
        let now = self.now();
        with_retry(|| async {
            let mut tx = self.db.begin().await?;
            if key.is_main {
                run!(tx, |c| sqlx::query(SQL)
                    .bind(&key.id)
                    .bind(status.as_str())
                    .bind(reason)
                    .bind(at(retry_at))
                    .bind(at(now))
                    .bind(MAIN_LABEL)
                    .bind(&key.connection_id)
                    .execute(c)
                    .await
                    .map(drop))?;
            } else {
                run!(tx, |c| sqlx::query(OF_OTHER)
                    .bind(&key.id)
                    .bind(status.as_str())
                    .bind(reason)
                    .bind(at(retry_at))
                    .bind(at(now))
                    .execute(c)
                    .await
                    .map(drop))?;
            }
            Ok(tx.commit().await?)
        })
        .await
    }

    /// The main key was replaced: what was known of the old one says nothing of it.
    pub(crate) async fn forget_main_key(
        &self,
        tx: &mut Tx,
        connection_id: &str,
    ) -> Result<(), StoreError> {
        const SQL: &str = "
            UPDATE connection_keys SET status = 'active', status_reason = NULL, retry_at = NULL
            WHERE id = $1";
        Ok(run!(tx, |c| sqlx::query(SQL)
            .bind(connection_id)
            .execute(c)
            .await
            .map(drop))?)
    }
}
