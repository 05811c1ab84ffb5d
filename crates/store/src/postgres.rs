//! PostgreSQL, which may become unreachable and come back.
//!
//! One watcher per process ([`PgServer::watch`]) pings it every second on its own connection. If
//! there is no response, all statements in flight and all waits for a connection fail at once, so
//! nothing waits for a packet that was lost in a broken network. Later calls fail fast until the
//! watcher gets a response again. Connections from before an outage are never used again: some of
//! them may be dead.

use std::{sync::Arc, time::Duration};

use sqlx::{Connection as _, Error, PgConnection, Postgres, postgres::PgConnectOptions};
use syncline_model::Time;
use tokio::{
    sync::watch,
    time::{Instant, sleep, timeout},
};

use crate::{
    link::no_answer,
    pg_connections::{PgConnections, PgReader, PgTransaction},
    pool_options::{ACQUIRE_TIMEOUT, pool_options},
    session,
    timestamp::Timestamp,
};

/// How long an idle connection is trusted without a ping.
const TRUSTED_FOR: Duration = Duration::from_secs(1);
/// How often the watcher pings, and how long it waits for a response.
const ASK_EVERY: Duration = Duration::from_secs(1);
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// Cheap to clone.
#[derive(Clone)]
pub(crate) struct PgServer(Arc<Shared>);

struct Shared {
    options: PgConnectOptions,
    max_connections: u32,
    /// Those since the last outage.
    connections: watch::Sender<PgConnections>,
}

impl PgServer {
    pub(crate) async fn open(url: &str, max_connections: u32) -> Result<Self, Error> {
        let options = session::options(url)?;
        // A pool would keep trying and finally report a timeout; this reports the cause.
        let first = timeout(ACQUIRE_TIMEOUT, session::connect(&options));
        first.await.map_err(|_| no_answer())??.close().await?;
        let connections = watch::Sender::new(connections(&options, max_connections));
        Ok(Self(Arc::new(Shared {
            options,
            max_connections,
            connections,
        })))
    }

    pub(crate) fn connections(&self) -> PgConnections {
        self.0.connections.borrow().clone()
    }

    pub(crate) async fn read(&self) -> Result<PgReader, Error> {
        self.connections().read().await
    }

    pub(crate) async fn begin(&self) -> Result<PgTransaction, Error> {
        self.connections().begin().await
    }

    pub(crate) async fn time(&self) -> Result<Time, Error> {
        let mut reader = self.read().await?;
        let time = sqlx::query_scalar("SELECT clock_timestamp()");
        let Timestamp(time) = time.fetch_one(reader.connection()?).await?;
        Ok(time)
    }

    pub(crate) async fn close(&self) {
        self.connections().close().await;
    }

    /// Resolves when it is reachable, according to the watcher.
    pub(crate) async fn reachable(&self) {
        let mut connections = self.0.connections.subscribe();
        // Can't fail: the sender lives as long as `self`.
        let _ = connections.wait_for(|them| !them.have_ended()).await;
    }

    /// Pings it in a loop. Never returns.
    pub(crate) async fn watch(&self) {
        let mut watcher = Watcher {
            options: self.0.options.clone(),
            connection: None,
        };
        let mut gone_since = None;
        loop {
            match (watcher.ask().await, gone_since) {
                (Ok(()), None) => {}
                (Ok(()), Some(since)) => {
                    gone_since = None;
                    let new = connections(&self.0.options, self.0.max_connections);
                    drop(self.0.connections.send_replace(new));
                    let seconds = Instant::elapsed(&since).as_secs();
                    tracing::info!("PostgreSQL answers again, after {seconds} s");
                }
                (Err(error), None) => {
                    gone_since = Some(Instant::now());
                    self.0.connections.send_modify(|them| them.end());
                    tracing::error!(
                        "PostgreSQL can't be reached, requests get 503 and work waits: {error}"
                    );
                }
                (Err(error), Some(_)) => tracing::debug!("PostgreSQL can't be reached: {error}"),
            }
            sleep(ASK_EVERY).await;
        }
    }
}

fn connections(options: &PgConnectOptions, max_connections: u32) -> PgConnections {
    let pool = pool_options::<Postgres>(max_connections)
        .after_connect(|connection, _| Box::pin(session::set_up(connection)))
        .before_acquire(|connection, meta| {
            Box::pin(async move {
                if meta.idle_for > TRUSTED_FOR {
                    let ping = timeout(ANSWER_WITHIN, connection.ping());
                    ping.await.map_err(|_| no_answer())??;
                }
                Ok(true)
            })
        })
        .connect_lazy_with(options.clone());
    PgConnections::new(pool)
}

/// Checks whether PostgreSQL can be reached.
struct Watcher {
    options: PgConnectOptions,
    connection: Option<PgConnection>,
}

impl Watcher {
    /// Pings, on a new connection if the old one doesn't work any more.
    async fn ask(&mut self) -> Result<(), Error> {
        if let Some(mut connection) = self.connection.take()
            && let Ok(Ok(())) = timeout(ANSWER_WITHIN, connection.ping()).await
        {
            self.connection = Some(connection);
            return Ok(());
        }
        let connect = timeout(ANSWER_WITHIN, async {
            let mut connection = PgConnection::connect_with(&self.options).await?;
            connection.ping().await?;
            Ok(connection)
        });
        match connect.await.map_err(|_| no_answer()).flatten() {
            Ok(connection) => {
                self.connection = Some(connection);
                Ok(())
            }
            // The server is up, but all of its connections are in use.
            Err(error) if code(&error).as_deref() == Some(TOO_MANY_CONNECTIONS) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

const TOO_MANY_CONNECTIONS: &str = "53300";

fn code(error: &Error) -> Option<String> {
    let cause = error.as_database_error()?;
    cause.code().map(std::borrow::Cow::into_owned)
}
