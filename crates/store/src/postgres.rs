//! PostgreSQL, which may become unreachable and come back.
//!
//! One watcher per process ([`PgServer::watch`]) pings it every second on its own connection. If
//! there is no response, all statements in flight and all waits for a connection fail at once, so
//! nothing waits for a packet that was lost in a broken network. Later calls fail fast until the
//! watcher gets a response again. Connections from before an outage are never used again: some of
//! them may be dead.

use std::{sync::Arc, time::Duration};

use sqlx::{
    Connection as _, Error, PgConnection, PgPool, Postgres, Transaction, pool::PoolConnection,
    postgres::PgConnectOptions,
};
use syncline_model::Time;
use tokio::{
    sync::watch,
    time::{Instant, sleep, timeout},
};

use crate::{
    link::{Link, no_answer},
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
    reach: watch::Sender<PoolGeneration>,
}

/// The connections between two outages.
#[derive(Clone)]
struct PoolGeneration {
    pool: PgPool,
    link: Link,
}

impl PgServer {
    pub(crate) async fn open(url: &str, max_connections: u32) -> Result<Self, Error> {
        let options = session::options(url)?;
        // A pool would keep trying and finally report a timeout; this reports the cause.
        let first = timeout(ACQUIRE_TIMEOUT, session::connect(&options));
        first.await.map_err(|_| no_answer())??.close().await?;
        let reach = watch::Sender::new(PoolGeneration::new(&options, max_connections));
        Ok(Self(Arc::new(Shared {
            options,
            max_connections,
            reach,
        })))
    }

    pub(crate) fn pool(&self) -> PgPool {
        self.0.reach.borrow().pool.clone()
    }

    pub(crate) async fn acquire(&self) -> Result<(PoolConnection<Postgres>, Link), Error> {
        let PoolGeneration { pool, link } = self.reach()?;
        Ok((link.answer(Box::pin(pool.acquire())).await?, link))
    }

    pub(crate) async fn begin(&self) -> Result<(Transaction<'static, Postgres>, Link), Error> {
        let PoolGeneration { pool, link } = self.reach()?;
        Ok((link.answer(Box::pin(pool.begin())).await?, link))
    }

    pub(crate) async fn time(&self) -> Result<Time, Error> {
        let (mut connection, link) = self.acquire().await?;
        let time = sqlx::query_scalar("SELECT clock_timestamp()");
        let Timestamp(time) = link.answer(time.fetch_one(&mut *connection)).await?;
        Ok(time)
    }

    pub(crate) async fn close(&self) {
        self.pool().close().await;
    }

    /// Resolves when it is reachable, according to the watcher.
    pub(crate) async fn reachable(&self) {
        let mut reach = self.0.reach.subscribe();
        // Can't fail: the sender lives as long as `self`.
        let _ = reach.wait_for(|reach| !reach.link.is_cut()).await;
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
                    let reach = PoolGeneration::new(&self.0.options, self.0.max_connections);
                    drop(self.0.reach.send_replace(reach));
                    let seconds = Instant::elapsed(&since).as_secs();
                    tracing::info!("PostgreSQL answers again, after {seconds} s");
                }
                (Err(error), None) => {
                    gone_since = Some(Instant::now());
                    self.0.reach.send_modify(PoolGeneration::end);
                    tracing::error!(
                        "PostgreSQL can't be reached, requests get 503 and work waits: {error}"
                    );
                }
                (Err(error), Some(_)) => tracing::debug!("PostgreSQL can't be reached: {error}"),
            }
            sleep(ASK_EVERY).await;
        }
    }

    fn reach(&self) -> Result<PoolGeneration, Error> {
        let reach = self.0.reach.borrow().clone();
        if reach.link.is_cut() {
            return Err(no_answer());
        }
        Ok(reach)
    }
}

impl PoolGeneration {
    fn new(options: &PgConnectOptions, max_connections: u32) -> Self {
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
        Self {
            pool,
            link: Link::default(),
        }
    }

    fn end(&mut self) {
        self.link.cut();
        // Marks the pool as closed, so that no connection returns to it; no need to wait.
        drop(self.pool.close());
    }
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
