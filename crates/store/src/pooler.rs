//! Detects by its behaviour whether a pooler is between this program and PostgreSQL, and how many
//! connections the server has. For `doctor`.

use std::time::Duration;

use sqlx::{Connection as _, Error, PgConnection, postgres::PgConnectOptions};
use tokio::time::timeout;

use crate::{StoreError, session};

/// How many connections are held to see whether another one keeps its server connection.
const HELD: usize = 4;
/// A pool without free connections makes clients wait.
const ANSWER_WITHIN: Duration = Duration::from_secs(3);
/// SQLSTATEs: a prepared statement doesn't exist, or exists already.
const LOST_STATEMENT: [&str; 2] = ["26000", "42P05"];

/// A pooler between a client and the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pooler {
    /// A client keeps its server connection until it disconnects.
    Session,
    /// A client has a server connection only for a transaction.
    Transaction {
        /// Prepared statements are still there in the next transaction.
        keeps_statements: bool,
    },
}

/// What `doctor` needs to know about a PostgreSQL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PostgresFacts {
    pub pooler: Option<Pooler>,
    /// The maximum for users other than administrators.
    pub max_connections: i64,
    pub used_connections: i64,
    /// Whether the server sets a lock timeout for new connections.
    pub locks_are_bounded: bool,
}

/// Examines the PostgreSQL behind the URL.
pub async fn examine_postgres(url: &str) -> Result<PostgresFacts, StoreError> {
    const CONNECTIONS: &str = "
        SELECT CAST(current_setting('max_connections') AS bigint)
                 - CAST(current_setting('superuser_reserved_connections') AS bigint),
               (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'),
               current_setting('lock_timeout') <> '0'";
    let options = session::options(url)?;
    let mut connection = PgConnection::connect_with(&options).await?;
    let (max_connections, used_connections, locks_are_bounded) = sqlx::query_as(CONNECTIONS)
        .persistent(false)
        .fetch_one(&mut connection)
        .await?;
    connection.close().await?;
    let pooler = if is_direct(&options).await? {
        None
    } else {
        Some(mode(&options).await?)
    };
    Ok(PostgresFacts {
        pooler,
        max_connections,
        used_connections,
        locks_are_bounded,
    })
}

/// Whether a startup parameter that only PostgreSQL itself understands arrives.
async fn is_direct(options: &PgConnectOptions) -> Result<bool, Error> {
    let odd = options.clone().options([("syncline.probe", "arrived")]);
    let mut connection = match PgConnection::connect_with(&odd).await {
        Ok(connection) => connection,
        Err(Error::Database(error)) if error.message().contains("startup parameter") => {
            return Ok(false);
        }
        Err(error) => return Err(error),
    };
    let arrived: Option<String> =
        sqlx::query_scalar("SELECT current_setting('syncline.probe', true)")
            .persistent(false)
            .fetch_one(&mut connection)
            .await?;
    connection.close().await?;
    Ok(arrived.as_deref() == Some("arrived"))
}

/// Detects the pooler's mode: while others hold the server connections, a client that comes back
/// gets the same one only in session mode.
async fn mode(options: &PgConnectOptions) -> Result<Pooler, Error> {
    let mut connection = PgConnection::connect_with(options).await?;
    let (first, _) = (backend(&mut connection).await?, add(&mut connection).await?);
    let mut others = Vec::new();
    for _ in 0..HELD {
        let mut other = PgConnection::connect_with(options).await?;
        if timeout(ANSWER_WITHIN, hold(&mut other)).await.is_err() {
            break;
        }
        others.push(other);
    }
    let second = timeout(ANSWER_WITHIN, backend(&mut connection)).await;
    let keeps_its_place = matches!(second, Ok(Ok(second)) if second == first);
    let keeps_statements = match timeout(ANSWER_WITHIN, add(&mut connection)).await {
        Ok(Err(Error::Database(error))) => !error
            .code()
            .is_some_and(|code| LOST_STATEMENT.contains(&&*code)),
        _ => true,
    };
    Ok(if keeps_its_place {
        Pooler::Session
    } else {
        Pooler::Transaction { keeps_statements }
    })
}

async fn backend(connection: &mut PgConnection) -> Result<i32, Error> {
    sqlx::query_scalar("SELECT pg_backend_pid()")
        .persistent(false)
        .fetch_one(connection)
        .await
}

/// Runs a statement that stays prepared.
async fn add(connection: &mut PgConnection) -> Result<i32, Error> {
    sqlx::query_scalar("SELECT CAST($1 AS int) + 1")
        .bind(1)
        .fetch_one(connection)
        .await
}

/// Begins a transaction that lasts until the connection is closed.
async fn hold(connection: &mut PgConnection) -> Result<(), Error> {
    sqlx::raw_sql("BEGIN; SELECT 1")
        .execute(connection)
        .await
        .map(drop)
}
