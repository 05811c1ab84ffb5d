//! The connections to PostgreSQL between two outages.
//!
//! After each use of a connection sqlx's pool asks PostgreSQL whether it still answers, in a task of
//! its own: a quarter of the CPU time of a small read, and a round trip during which nobody can use the
//! connection. There is no option against it. So a connection whose last statement was answered
//! waits here for its next use, and goes back to the pool, which asks, once a second.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use futures::FutureExt;
use sqlx::{Error, PgConnection, PgPool, Postgres, Transaction, pool::PoolConnection};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

use crate::{
    PoolUse,
    link::{CancellableConnection, Link, no_answer},
    pool_options::ACQUIRE_TIMEOUT,
};

/// How long a connection is used without going back to the pool.
const ASKED_EVERY: Duration = Duration::from_secs(1);

/// Cheap to clone.
#[derive(Clone)]
pub(crate) struct PgConnections(Arc<Shared>);

struct Shared {
    pool: PgPool,
    link: Link,
    /// One for each connection that the pool may open. Whoever has one gets a connection: it is
    /// among the ready ones, or in the pool, or the pool may open it.
    permits: Arc<Semaphore>,
    ready: Mutex<Vec<OutOfPool>>,
}

/// A connection, and since when it has not been in the pool.
struct OutOfPool {
    connection: PoolConnection<Postgres>,
    since: Instant,
}

/// A connection in use.
pub(crate) struct PgReader {
    /// `None` only while it is dropped.
    connection: Option<OutOfPool>,
    /// Whether its last statement was answered, to the end. If not, the pool finds out whether the
    /// connection can be used again.
    answered: bool,
    connections: PgConnections,
    _permit: OwnedSemaphorePermit,
}

/// A transaction. Its connection goes back to the pool.
pub(crate) struct PgTransaction {
    transaction: Transaction<'static, Postgres>,
    link: Link,
    _permit: OwnedSemaphorePermit,
}

impl PgConnections {
    pub(crate) fn new(pool: PgPool) -> Self {
        let permits = usize::try_from(pool.options().get_max_connections());
        Self(Arc::new(Shared {
            link: Link::default(),
            permits: Arc::new(Semaphore::new(permits.unwrap_or(Semaphore::MAX_PERMITS))),
            ready: Mutex::default(),
            pool,
        }))
    }

    pub(crate) async fn read(&self) -> Result<PgReader, Error> {
        self.check()?;
        let permit = self.permit().await?;
        Ok(PgReader {
            connection: Some(self.connection().await?),
            answered: false,
            connections: self.clone(),
            _permit: permit,
        })
    }

    pub(crate) async fn begin(&self) -> Result<PgTransaction, Error> {
        self.check()?;
        let permit = self.permit().await?;
        let OutOfPool { connection, .. } = self.connection().await?;
        let link = self.0.link.clone();
        Ok(PgTransaction {
            // What the pool's own `begin` does.
            transaction: link.answer(Transaction::begin(connection, None)).await?,
            link,
            _permit: permit,
        })
    }

    /// Whether nothing can be asked on them any more.
    pub(crate) fn have_ended(&self) -> bool {
        self.0.link.is_cut()
    }

    /// Aborts all statements. From now on no connection is handed out, nor kept when it is given
    /// back.
    pub(crate) fn end(&self) {
        self.0.link.cut();
        self.close_idle();
    }

    /// Waits until all connections are given back and closed.
    pub(crate) async fn close(&self) {
        self.close_idle();
        self.0.pool.close().await;
    }

    pub(crate) fn pool_use(&self) -> PoolUse {
        let pool = &self.0.pool;
        let idle = pool.num_idle().saturating_add(self.ready().len());
        PoolUse::new(
            "all",
            pool.size(),
            idle,
            pool.options().get_max_connections(),
        )
    }

    fn check(&self) -> Result<(), Error> {
        if self.have_ended() {
            return Err(no_answer());
        }
        Ok(())
    }

    async fn permit(&self) -> Result<OwnedSemaphorePermit, Error> {
        let permits = &self.0.permits;
        if let Ok(permit) = permits.clone().try_acquire_owned() {
            return Ok(permit);
        }
        let permit = timeout(ACQUIRE_TIMEOUT, permits.clone().acquire_owned());
        let permit = async { permit.await.map_err(|_| Error::PoolTimedOut) };
        let permit = self.0.link.answer(permit).await?;
        permit.map_err(|_| Error::PoolClosed)
    }

    /// Only for those who have a permit.
    async fn connection(&self) -> Result<OutOfPool, Error> {
        match self.next_ready() {
            Some(ready) if ready.since.elapsed() < ASKED_EVERY => Ok(ready),
            // In a box, as the pool's own future: they are large, and rarely needed.
            old => Box::pin(self.through_pool(old)).await,
        }
    }

    /// The old one is given back first, so that the pool needn't open another one.
    async fn through_pool(&self, old: Option<OutOfPool>) -> Result<OutOfPool, Error> {
        let link = &self.0.link;
        if let Some(mut old) = old {
            link.answer(old.connection.return_to_pool().map(Ok)).await?;
        }
        Ok(OutOfPool {
            connection: link.answer(Box::pin(self.0.pool.acquire())).await?,
            since: Instant::now(),
        })
    }

    fn next_ready(&self) -> Option<OutOfPool> {
        self.ready().pop()
    }

    fn ready(&self) -> MutexGuard<'_, Vec<OutOfPool>> {
        self.0.ready.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn close_idle(&self) {
        // Marks the pool as closed; no need to wait.
        drop(self.0.pool.close());
        self.0.permits.close();
        self.ready().clear();
    }
}

impl PgReader {
    /// The connection, for one statement.
    pub(crate) fn connection(&mut self) -> Result<CancellableConnection<'_>, Error> {
        self.answered = false;
        let connection = self.connection.as_mut().ok_or(Error::PoolClosed)?;
        Ok(CancellableConnection::new(
            &mut connection.connection,
            &self.connections.0.link,
            Some(&mut self.answered),
        ))
    }
}

impl Drop for PgReader {
    fn drop(&mut self) {
        let mut ready = self.connections.ready();
        if self.answered && !self.connections.0.pool.is_closed() {
            ready.extend(self.connection.take());
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        let ready = self.ready.get_mut().unwrap_or_else(PoisonError::into_inner);
        for ready in ready.drain(..) {
            // Giving it back to the pool needs a runtime, which may have ended.
            drop(ready.connection.detach());
        }
    }
}

impl PgTransaction {
    pub(crate) fn connection(&mut self) -> CancellableConnection<'_> {
        CancellableConnection::new(&mut self.transaction, &self.link, None)
    }

    /// The connection, for statements without a time limit.
    pub(crate) fn unlimited(&mut self) -> &mut PgConnection {
        &mut self.transaction
    }

    pub(crate) async fn commit(self) -> Result<(), Error> {
        let Self {
            transaction, link, ..
        } = self;
        link.answer(Box::pin(transaction.commit())).await
    }

    pub(crate) async fn rollback(self) -> Result<(), Error> {
        let Self {
            transaction, link, ..
        } = self;
        link.answer(Box::pin(transaction.rollback())).await
    }
}
