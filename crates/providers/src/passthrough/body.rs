//! Streams bodies in both directions, with an idle timeout.
//!
//! The duration of an exchange is unlimited, so only inactivity is limited: it continues as long as
//! bytes move in either direction. Once the response has ended, or its reader has left, the rest of
//! the upload is dropped.

use std::{
    error::Error,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker, ready},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::time::{Instant, Sleep};

use crate::error::{ErrorKind, ProviderError};

pub(super) type BoxError = Box<dyn Error + Send + Sync>;

/// The state shared by the two directions of an exchange.
#[derive(Clone)]
pub(super) struct Exchange {
    shared: Arc<Mutex<Shared>>,
    pub(super) idle: Duration,
}

struct Shared {
    /// When data last moved.
    moved: Instant,
    /// The response has ended, or its reader has left.
    over: bool,
    upload: Option<Waker>,
    /// Drops the caller's body. The task that polls the upload may be blocked because the provider
    /// has stopped reading, and would not notice.
    release: Option<Box<dyn FnOnce() + Send>>,
}

impl Exchange {
    pub(super) fn begin(idle: Duration) -> Self {
        let shared = Shared {
            moved: Instant::now(),
            over: false,
            upload: None,
            release: None,
        };
        Self {
            shared: Arc::new(Mutex::new(shared)),
            idle,
        }
    }

    /// When the exchange times out if no more data moves.
    pub(super) fn deadline(&self) -> Instant {
        self.shared().moved + self.idle
    }

    pub(super) fn is_idle(&self) -> bool {
        self.deadline() <= Instant::now()
    }

    fn note_movement(&self) {
        self.shared().moved = Instant::now();
    }

    pub(super) fn end(&self) {
        let (release, waker) = {
            let mut shared = self.shared();
            shared.over = true;
            (shared.release.take(), shared.upload.take())
        };
        if let Some(release) = release {
            release();
        }
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Whether the upload is no longer needed. If it still is, `context` is woken when that
    /// changes.
    fn is_over(&self, context: &Context<'_>) -> bool {
        let mut shared = self.shared();
        shared.upload = Some(context.waker().clone());
        shared.over
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        lock(&self.shared)
    }

    pub(super) fn given_up(&self) -> ProviderError {
        let message = format!(
            "the request timed out: no data was sent or received for {} s",
            self.idle.as_secs_f64()
        );
        ProviderError::new(ErrorKind::Timeout, None, &message)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The caller's body, streamed to the provider.
pub(super) struct Upload<B> {
    /// `None` after the exchange has ended.
    body: Arc<Mutex<Option<Pin<Box<B>>>>>,
    exchange: Exchange,
    size: SizeHint,
}

impl<B: Body + Send + 'static> Upload<B> {
    pub(super) fn new(body: B, exchange: Exchange) -> Self {
        let size = body.size_hint();
        let body = Arc::new(Mutex::new(Some(Box::pin(body))));
        let released = body.clone();
        exchange.shared().release = Some(Box::new(move || {
            let body = lock(&released).take();
            drop(body);
        }));
        Self {
            body,
            exchange,
            size,
        }
    }
}

impl<B> Body for Upload<B>
where
    B: Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let over = || Poll::Ready(Some(Err("the response has already ended".into())));
        if self.exchange.is_over(context) {
            return over();
        }
        let frame = match &mut *lock(&self.body) {
            Some(body) => ready!(body.as_mut().poll_frame(context)),
            None => return over(),
        };
        self.exchange.note_movement();
        Poll::Ready(frame.map(|frame| frame.map_err(Into::into)))
    }

    fn size_hint(&self) -> SizeHint {
        self.size
    }
}

/// The provider's body, streamed to the caller.
pub struct Answer {
    body: reqwest::Body,
    exchange: Exchange,
    /// Only runs while waiting for the provider, not while waiting for the caller.
    silence: Option<Pin<Box<Sleep>>>,
}

impl Answer {
    pub(super) fn new(body: reqwest::Body, exchange: Exchange) -> Self {
        exchange.note_movement();
        Self {
            body,
            exchange,
            silence: None,
        }
    }

    /// The complete body; `None` if it is larger than `max`.
    pub async fn read_up_to(mut self, max: usize) -> Result<Option<Bytes>, ProviderError> {
        let mut whole = Vec::new();
        loop {
            let frame = std::future::poll_fn(|context| Pin::new(&mut self).poll_frame(context));
            match frame.await {
                None => return Ok(Some(whole.into())),
                Some(Err(error)) => return Err(broken_off(error)),
                Some(Ok(frame)) => {
                    let Ok(data) = frame.into_data() else {
                        continue;
                    };
                    if whole.len() + data.len() > max {
                        return Ok(None);
                    }
                    whole.extend_from_slice(&data);
                }
            }
        }
    }
}

fn broken_off(error: BoxError) -> ProviderError {
    match error.downcast::<ProviderError>() {
        Ok(error) => *error,
        Err(error) => {
            let message = format!("the provider's response broke off: {error}");
            ProviderError::new(ErrorKind::Connection, None, &message)
        }
    }
}

impl Body for Answer {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = &mut *self;
        loop {
            if let Poll::Ready(frame) = Pin::new(&mut this.body).poll_frame(context) {
                this.silence = None;
                match &frame {
                    Some(Ok(_)) => this.exchange.note_movement(),
                    None | Some(Err(_)) => this.exchange.end(),
                }
                return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
            }
            let silence = match &mut this.silence {
                Some(silence) => silence,
                none => {
                    this.exchange.note_movement();
                    none.insert(Box::pin(tokio::time::sleep_until(this.exchange.deadline())))
                }
            };
            ready!(silence.as_mut().poll(context));
            if this.exchange.is_idle() {
                this.exchange.end();
                return Poll::Ready(Some(Err(Box::new(this.exchange.given_up()))));
            }
            // The upload made progress meanwhile.
            silence.as_mut().reset(this.exchange.deadline());
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        self.exchange.end();
    }
}
