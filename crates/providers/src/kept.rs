//! Kept-alive connections, which the server may close just as the next request arrives.
//!
//! If a request on a kept-alive connection gets no byte of a response, it is unknown whether it was
//! carried out. An idempotent request (RFC 9110, 9.2.2) is retried once, on a new connection, so
//! that it can't fail in the same way; other requests are never retried. [`counted`] returns the
//! number of these retries to callers that count requests.

use std::{
    cell::Cell,
    error::Error as _,
    io,
    pin::Pin,
    sync::OnceLock,
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use reqwest::{Client, ClientBuilder, Error, Method, Request, Response};
use tower::{Layer, Service};

tokio::task_local! {
    /// Whether a connection was opened for the current request.
    static OPENED: Cell<bool>;
    /// The number of retried requests.
    static REPEATED: Cell<i64>;
}

/// The result of `work`, and how many additional requests were sent as retries.
pub async fn counted<T>(work: impl Future<Output = T>) -> (T, i64) {
    // In a box: each of the futures around it would have room for it.
    let work = Box::pin(work);
    let work = async {
        let result = work.await;
        (result, REPEATED.with(Cell::get))
    };
    REPEATED.scope(Cell::new(0), work).await
}

/// A client with kept-alive connections, and one that opens a new connection for each request. Each is
/// built when it is first needed: few processes use all providers, and a client reads all certificates.
pub(crate) struct Clients {
    builder: Box<dyn Fn() -> ClientBuilder + Send + Sync>,
    keeping: OnceLock<Client>,
    fresh: OnceLock<Client>,
}

impl Clients {
    pub(crate) fn of(builder: impl Fn() -> ClientBuilder + Send + Sync + 'static) -> Self {
        Self {
            builder: Box::new(builder),
            keeping: OnceLock::new(),
            fresh: OnceLock::new(),
        }
    }

    fn keeping(&self) -> Result<&Client, Error> {
        built_once(&self.keeping, || (self.builder)().connector_layer(Watch))
    }

    fn fresh(&self) -> Result<&Client, Error> {
        built_once(&self.fresh, || (self.builder)().pool_max_idle_per_host(0))
    }

    pub(crate) fn request(
        &self,
        method: Method,
        url: reqwest::Url,
    ) -> Result<reqwest::RequestBuilder, Error> {
        Ok(self.keeping()?.request(method, url))
    }

    /// `within`: the timeout for both attempts together.
    pub(crate) async fn send(
        &self,
        request: Request,
        within: Option<Duration>,
    ) -> Result<Response, Error> {
        if !is_idempotent(request.method()) {
            return self.keeping()?.execute(request).await;
        }
        let Some(mut again) = request.try_clone() else {
            // Its body can be sent only once.
            return self.fresh()?.execute(request).await;
        };
        let begun = Instant::now();
        let first = async {
            let answer = match self.keeping() {
                Ok(keeping) => keeping.execute(request).await,
                Err(error) => Err(error),
            };
            (answer, OPENED.with(Cell::get))
        };
        match OPENED.scope(Cell::new(false), first).await {
            (Err(error), false) if ended_without_an_answer(&error) => {
                let left = within.map(|within| within.saturating_sub(begun.elapsed()));
                *again.timeout_mut() = left.filter(|left| !left.is_zero());
                let _ = REPEATED.try_with(|repeated| repeated.set(repeated.get() + 1));
                self.fresh()?.execute(again).await
            }
            (answer, _) => answer,
        }
    }
}

fn built_once(
    client: &OnceLock<Client>,
    builder: impl Fn() -> ClientBuilder,
) -> Result<&Client, Error> {
    if let Some(client) = client.get() {
        return Ok(client);
    }
    // The binary installs it first; for tests and tools the same one is installed here. An error only
    // means that there is one already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let built = builder().build()?;
    Ok(client.get_or_init(|| built))
}

fn is_idempotent(method: &Method) -> bool {
    matches!(
        *method,
        Method::GET | Method::HEAD | Method::OPTIONS | Method::PUT | Method::DELETE
    )
}

/// Whether the connection ended before a response had begun.
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

/// Records that a connection was opened. If another connection becomes free first, the request uses
/// that one, and the new one is opened for later requests.
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
