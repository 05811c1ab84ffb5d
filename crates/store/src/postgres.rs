//! PostgreSQL, which may become unreachable and come back.
//!
//! One watcher per process ([`PgServer::watch`]) asks it every second on a connection of its own.
//! Where no answer comes, every statement in flight is given up at once, and so is everybody who waits
//! for a connection: a packet that a broken network swallowed is waited for by nobody. What comes
//! later is refused at once, until the watcher gets an answer again. Connections that were there
//! before are never used again: behind some of them there may be nothing.

use std::{sync::Arc, time::Duration};

use sqlx::{
    Connection as _, Error, PgConnection, PgPool, Postgres, Transaction,
    pool::PoolConnection,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use syncline_model::Time;
use tokio::{
    sync::watch,
    time::{Instant, sleep, timeout},
};

use crate::{
    link::{Link, no_answer},
    session,
    timestamp::Timestamp,
};

/// What waiting for a connection may take, be it that others have them all.
pub(crate) const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long an idle connection is taken to be alive.
const TRUSTED_FOR: Duration = Duration::from_secs(1);
/// How often the watcher asks, and how long it waits for an answer.
const ASK_EVERY: Duration = Duration::from_secs(1);
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// Cheap to clone.
#[derive(Clone)]
pub(crate) struct PgServer(Arc<Shared>);

struct Shared {
    options: PgConnectOptions,
    max_connections: u32,
    reach: watch::Sender<Reach>,
}

/// The connections between two outages.
#[derive(Clone)]
struct Reach {
    pool: PgPool,
    link: Link,
}

impl PgServer {
    pub(crate) async fn open(url: &str, max_connections: u32) -> Result<Self, Error> {
        let options = session::options(url)?;
        // A pool would go on trying and say at last that it timed out; this says why.
        let first = timeout(ACQUIRE_TIMEOUT, session::connect(&options));
        first.await.map_err(|_| no_answer())??.close().await?;
        let reach = watch::Sender::new(Reach::new(&options, max_connections));
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
        let Reach { pool, link } = self.reach()?;
        Ok((link.answer(Box::pin(pool.acquire())).await?, link))
    }

    pub(crate) async fn begin(&self) -> Result<(Transaction<'static, Postgres>, Link), Error> {
        let Reach { pool, link } = self.reach()?;
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

    /// Resolves when it can be reached, as far as the watcher knows.
    pub(crate) async fn reachable(&self) {
        let mut reach = self.0.reach.subscribe();
        // The sender is here.
        let _ = reach.wait_for(|reach| !reach.link.is_cut()).await;
    }

    /// Asks it again and again. Never returns.
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
                    let reach = Reach::new(&self.0.options, self.0.max_connections);
                    drop(self.0.reach.send_replace(reach));
                    let seconds = Instant::elapsed(&since).as_secs();
                    tracing::info!("PostgreSQL answers again, after {seconds} s");
                }
                (Err(error), None) => {
                    gone_since = Some(Instant::now());
                    self.0.reach.send_modify(Reach::end);
                    tracing::error!(
                        "PostgreSQL can't be reached, requests get 503 and work waits: {error}"
                    );
                }
                (Err(error), Some(_)) => tracing::debug!("PostgreSQL can't be reached: {error}"),
            }
            sleep(ASK_EVERY).await;
        }
    }

    fn reach(&self) -> Result<Reach, Error> {
        let reach = self.0.reach.borrow().clone();
        if reach.link.is_cut() {
            return Err(no_answer());
        }
        Ok(reach)
    }
}

impl Reach {
    fn new(options: &PgConnectOptions, max_connections: u32) -> Self {
        let pool = PgPoolOptions::new()
            .max_connections(max_connections)
            .after_connect(|connection, _| Box::pin(session::set_up(connection)))
            .acquire_timeout(ACQUIRE_TIMEOUT)
            // A ping before every use is a round trip more for each query.
            .test_before_acquire(false)
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
        // Marks it as closed, so that no connection goes back to it; there is nothing to wait for.
        drop(self.pool.close());
    }
}

/// Who asks whether it is there.
struct Watcher {
    options: PgConnectOptions,
    connection: Option<PgConnection>,
}

impl Watcher {
    /// Whether it answers, on a new connection where the old one is of no use any more.
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
            // It is there, and others have all of its connections.
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
