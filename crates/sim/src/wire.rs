//! Response bodies that can be cut off, slow or endless.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::time::{Sleep, sleep};

use crate::request::WireFault;

/// A body with an announced length that it may not reach.
#[derive(Debug)]
pub(crate) struct WireBody {
    announced: u64,
    rest: Bytes,
    pace: Option<(usize, Duration)>,
    delay: Option<Pin<Box<Sleep>>>,
    end: End,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Proper,
    /// Ends with an error in the next poll, so that the written bytes are flushed first.
    Breaking,
    Broken,
    Hanging,
}

impl WireBody {
    pub(crate) fn new(mut body: Bytes, fault: Option<WireFault>) -> Self {
        let announced = u64::try_from(body.len()).unwrap_or(u64::MAX);
        let end = match fault {
            Some(WireFault::Truncate) => End::Breaking,
            Some(WireFault::Hang) => End::Hanging,
            _ => End::Proper,
        };
        if end != End::Proper {
            body.truncate(body.len() / 2);
        }
        let pace = match fault {
            Some(WireFault::SlowBody { chunk, delay }) => Some((chunk.max(1), delay)),
            _ => None,
        };
        Self {
            announced,
            rest: body,
            pace,
            delay: None,
            end,
        }
    }

    /// The next bytes; `None` if none are left.
    fn next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if self.rest.is_empty() {
            return Poll::Ready(None);
        }
        let Some((chunk, length)) = self.pace else {
            return Poll::Ready(Some(std::mem::take(&mut self.rest)));
        };
        let delay = self.delay.get_or_insert_with(|| Box::pin(sleep(length)));
        if delay.as_mut().poll(cx).is_pending() {
            return Poll::Pending;
        }
        self.delay = None;
        let chunk = chunk.min(self.rest.len());
        Poll::Ready(Some(self.rest.split_to(chunk)))
    }
}

impl Body for WireBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        match self.next(cx) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Some(bytes)) => return Poll::Ready(Some(Ok(Frame::data(bytes)))),
            Poll::Ready(None) => {}
        }
        match self.end {
            End::Proper => Poll::Ready(None),
            End::Hanging => Poll::Pending,
            End::Breaking => {
                self.end = End::Broken;
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            End::Broken => Poll::Ready(Some(Err(io::ErrorKind::ConnectionAborted.into()))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.end == End::Proper
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.announced)
    }
}
