//! A socket with a timeout for every read and write.

use std::{
    io::{Error, ErrorKind, IoSlice, Result},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::{Instant, Sleep, sleep_until},
};

use crate::{
    ConnectionLimits,
    phase::{Phase, Progress},
};

pub(crate) struct Bounded {
    stream: TcpStream,
    progress: Arc<Progress>,
    limits: ConnectionLimits,
    /// The number of phase changes when `reading` was set.
    changes: u32,
    /// The deadline of the next read; `None` while a request is answered.
    reading: Option<Pin<Box<Sleep>>>,
    /// The deadline for the peer to read; `None` while nothing is left to write.
    writing: Option<Pin<Box<Sleep>>>,
}

impl Bounded {
    pub(crate) fn new(
        stream: TcpStream,
        progress: Arc<Progress>,
        limits: ConnectionLimits,
    ) -> Self {
        let mut it = Self {
            stream,
            progress,
            limits,
            changes: 0,
            reading: None,
            writing: None,
        };
        it.bound_reading();
        it
    }

    fn bound_reading(&mut self) {
        self.changes = self.progress.changes();
        let within = match self.progress.phase() {
            Phase::Serving => None,
            Phase::Head => Some(self.limits.head_within),
            Phase::Idle => Some(self.limits.idle),
        };
        self.reading = within.map(|within| Box::pin(sleep_until(Instant::now() + within)));
    }

    /// The result of a write, or a timeout if the peer doesn't read.
    fn written<T>(&mut self, poll: Poll<Result<T>>, context: &mut Context<'_>) -> Poll<Result<T>> {
        if poll.is_ready() {
            self.writing = None;
            return poll;
        }
        let stall = self.limits.write_stall;
        let until = self
            .writing
            .get_or_insert_with(|| Box::pin(sleep_until(Instant::now() + stall)));
        expired(Some(until), context)
    }
}

fn expired<T>(until: Option<&mut Pin<Box<Sleep>>>, context: &mut Context<'_>) -> Poll<Result<T>> {
    match until.map(|until| until.as_mut().poll(context)) {
        Some(Poll::Ready(())) => Poll::Ready(Err(Error::from(ErrorKind::TimedOut))),
        _ => Poll::Pending,
    }
}

impl AsyncRead for Bounded {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<Result<()>> {
        let it = self.get_mut();
        if it.progress.changes() != it.changes {
            it.bound_reading();
        }
        match Pin::new(&mut it.stream).poll_read(context, buffer) {
            Poll::Pending => {
                it.progress.task.register(context.waker());
                expired(it.reading.as_mut(), context)
            }
            ready @ Poll::Ready(_) => {
                if it.progress.phase() == Phase::Idle {
                    it.progress.set(Phase::Head);
                }
                ready
            }
        }
    }
}

impl AsyncWrite for Bounded {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<Result<usize>> {
        let it = self.get_mut();
        let poll = Pin::new(&mut it.stream).poll_write(context, bytes);
        it.written(poll, context)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<Result<usize>> {
        let it = self.get_mut();
        let poll = Pin::new(&mut it.stream).poll_write_vectored(context, slices);
        it.written(poll, context)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}
