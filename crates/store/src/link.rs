//! Aborts statements on PostgreSQL connections that broke while their response is awaited.

use std::{
    future::Future,
    io::{Error as IoError, ErrorKind},
    pin::pin,
    task::Poll,
    time::Duration,
};

use futures::{
    FutureExt, StreamExt,
    future::BoxFuture,
    stream::{self, BoxStream},
};
use sqlx::{
    Either, Error, Execute, Executor, PgConnection, Postgres, SqlStr,
    postgres::{PgQueryResult, PgRow, PgStatement, PgTypeInfo},
};
use tokio_util::sync::CancellationToken;

/// A single connection may break while the others work; then only a timeout of its statement can
/// tell.
const STATEMENT_WITHIN: Duration = Duration::from_mins(2);

/// Shared by the connections between two outages.
#[derive(Debug, Clone, Default)]
pub(crate) struct Link(CancellationToken);

impl Link {
    pub(crate) fn cut(&self) {
        self.0.cancel();
    }

    pub(crate) fn is_cut(&self) -> bool {
        self.0.is_cancelled()
    }

    /// The statement's result, or an error as soon as no response can come.
    pub(crate) async fn answer<T>(
        &self,
        statement: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        let mut statement = pin!(statement);
        tokio::select! {
            biased;
            answer = &mut statement => answer,
            () = self.broken() => Err(no_answer()),
        }
    }

    async fn broken(&self) {
        // The result doesn't matter: in both cases no response will come.
        let _ = tokio::time::timeout(STATEMENT_WITHIN, self.0.cancelled()).await;
    }
}

fn note(answered: &mut Option<&mut bool>) {
    if let Some(answered) = answered {
        **answered = true;
    }
}

pub(crate) fn no_answer() -> Error {
    Error::Io(IoError::new(
        ErrorKind::TimedOut,
        "PostgreSQL does not answer",
    ))
}

/// A connection whose statements are aborted when its link is cut.
#[derive(Debug)]
pub(crate) struct CancellableConnection<'c> {
    connection: &'c mut PgConnection,
    link: Link,
    /// Set when the statement was answered, to the end and without an error.
    answered: Option<&'c mut bool>,
}

impl<'c> CancellableConnection<'c> {
    pub(crate) fn new(
        connection: &'c mut PgConnection,
        link: &Link,
        answered: Option<&'c mut bool>,
    ) -> Self {
        Self {
            connection,
            link: link.clone(),
            answered,
        }
    }

    /// Runs a `COPY … FROM STDIN` with this data.
    pub(crate) async fn copy_in(self, statement: &str, data: &[u8]) -> Result<(), Error> {
        let Self {
            connection, link, ..
        } = self;
        let copied = async {
            let mut copy = connection.copy_in_raw(statement).await?;
            copy.send(data).await?;
            copy.finish().await
        };
        link.answer(copied).await.map(drop)
    }
}

impl<'c> Executor<'c> for CancellableConnection<'c> {
    type Database = Postgres;

    fn fetch_many<'e, 'q: 'e, E>(
        self,
        query: E,
    ) -> BoxStream<'e, Result<Either<PgQueryResult, PgRow>, Error>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        let Self {
            connection,
            link,
            mut answered,
        } = self;
        let mut answer = connection.fetch_many(query);
        let mut broken = async move { link.broken().await }.boxed();
        stream::poll_fn(move |context| {
            let next = match answer.poll_next_unpin(context) {
                Poll::Pending => broken.poll_unpin(context).map(|()| Some(Err(no_answer()))),
                next @ Poll::Ready(_) => next,
            };
            match &next {
                Poll::Ready(Some(Err(_))) => answered = None,
                Poll::Ready(None) => note(&mut answered),
                _ => {}
            }
            next
        })
        .boxed()
    }

    fn fetch_optional<'e, 'q: 'e, E>(self, query: E) -> BoxFuture<'e, Result<Option<PgRow>, Error>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        let Self {
            connection,
            link,
            mut answered,
        } = self;
        let answer = connection.fetch_optional(query);
        async move {
            let row = link.answer(answer).await?;
            note(&mut answered);
            Ok(row)
        }
        .boxed()
    }

    fn prepare_with<'e>(
        self,
        sql: SqlStr,
        parameters: &'e [PgTypeInfo],
    ) -> BoxFuture<'e, Result<PgStatement, Error>>
    where
        'c: 'e,
    {
        let Self {
            connection, link, ..
        } = self;
        let answer = connection.prepare_with(sql, parameters);
        async move { link.answer(answer).await }.boxed()
    }
}
