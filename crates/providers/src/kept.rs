//! Connections that are kept, and that the other side may close just as the next request arrives.
//!
//! A request that was sent on a kept connection and got no byte of an answer may have been carried out
//! or not. One that may be repeated (RFC 9110, 9.2.2) is sent once more, on a new connection, so that
//! the second try can't meet the same; any other never. Whoever counts requests asks [`counted`] how
//! many that were.

use std::{
    cell::Cell,
    error::Error as _,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use reqwest::{Client, ClientBuilder, Error, Method, Request, Response};
use tower::{Layer, Service};

tokio::task_local! {
    /// Whether a connection was opened for the request that is being sent.
    static OPENED: Cell<bool>;
    /// Requests that were sent once more.
    static REPEATED: Cell<i64>;
}

/// What the work comes to, and how many requests were sent beyond those it meant to send.
pub async fn counted<T>(work: impl Future<Output = T>) -> (T, i64) {
    let work = async {
        let result = work.await;
        (result, REPEATED.with(Cell::get))
    };
    REPEATED.scope(Cell::new(0), work).await
}

/// A client that keeps its connections, and one that keeps none.
#[derive(Debug)]
pub(crate) struct Clients {
    keeping: Client,
    fresh: Client,
}

impl Clients {
    pub(crate) fn build(builder: impl Fn() -> ClientBuilder) -> Result<Self, Error> {
        Ok(Self {
            keeping: builder().connector_layer(Watch).build()?,
            fresh: builder().pool_max_idle_per_host(0).build()?,
        })
    }

    pub(crate) fn request(&self, method: Method, url: reqwest::Url) -> reqwest::RequestBuilder {
        self.keeping.request(method, url)
    }

    /// `within`: the time for both tries together.
    pub(crate) async fn send(
        &self,
        request: Request,
        within: Option<Duration>,
    ) -> Result<Response, Error> {
        if !is_idempotent(request.method()) {
            return self.keeping.execute(request).await;
        }
        let Some(mut again) = request.try_clone() else {
            // Its body is there only once.
            return self.fresh.execute(request).await;
        };
        let begun = Instant::now();
        let first = async {
            let answer = self.keeping.execute(request).await;
            (answer, OPENED.with(Cell::get))
        };
        match OPENED.scope(Cell::new(false), first).await {
            (Err(error), false) if ended_without_an_answer(&error) => {
                let left = within.map(|within| within.saturating_sub(begun.elapsed()));
                *again.timeout_mut() = left.filter(|left| !left.is_zero());
                let _ = REPEATED.try_with(|repeated| repeated.set(repeated.get() + 1));
                self.fresh.execute(again).await
            }
            (answer, _) => answer,
        }
    }
}

fn is_idempotent(method: &Method) -> bool {
    matches!(
        *method,
        Method::GET | Method::HEAD | Method::OPTIONS | Method::PUT | Method::DELETE
    )
}

/// The connection ended, and no answer had begun.
fn ended_without_an_answer(error: &Error) -> bool {
    if error.is_timeout() {
        return false;
    }
    let mut cause = error.source();
    while let Some(error) = cause {
        let incomplete = error.downcast_ref::<hyper::Error>();
        let broken = error.downcast_ref::<io::Error>();
        if incomplete.is_some_and(hyper::Error::is_incomplete_message)
            || broken.is_some_and(|error| is_end(error.kind()))
        {
            return true;
        }
        cause = error.source();
    }
    false
}

fn is_end(kind: io::ErrorKind) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    matches!(
        kind,
        BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof
    )
}

/// Notes that a connection was opened. Where another becomes free first, the request goes there, and the
/// new one is opened for later by somebody else.
#[derive(Clone, Copy)]
struct Watch;

#[derive(Clone)]
struct Watched<S>(S);

struct Opening<F>(Pin<Box<F>>);

impl<S> Layer<S> for Watch {
    type Service = Watched<S>;

    fn layer(&self, connector: S) -> Watched<S> {
        Watched(connector)
    }
}

impl<S: Service<R>, R> Service<R> for Watched<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = Opening<S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, request: R) -> Opening<S::Future> {
        Opening(Box::pin(self.0.call(request)))
    }
}

impl<F: Future> Future for Opening<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let opened = ready!(self.0.as_mut().poll(context));
        let _ = OPENED.try_with(|it| it.set(true));
        Poll::Ready(opened)
    }
}
