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
    /// The number of phase changes when `read_by` was set.
    changes: u32,
    /// The deadline of the next read; `None` while a request is answered.
    read_by: Option<Instant>,
    /// Fires at `read_by` or before it. A later deadline doesn't move it before it has fired: moving it
    /// for every request would cost more than waking once too often.
    timer: Pin<Box<Sleep>>,
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
            read_by: None,
            timer: Box::pin(sleep_until(Instant::now() + limits.head_within)),
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
        self.read_by = within.map(|within| Instant::now() + within);
    }

    /// A timeout once the deadline of the next read has passed.
    fn poll_read_by<T>(&mut self, context: &mut Context<'_>) -> Poll<Result<T>> {
        let Some(read_by) = self.read_by else {
            return Poll::Pending;
        };
        if read_by < self.timer.deadline() {
            self.timer.as_mut().reset(read_by);
        }
        while self.timer.as_mut().poll(context).is_ready() {
            if read_by <= self.timer.deadline() {
                return timed_out();
            }
            self.timer.as_mut().reset(read_by);
        }
        Poll::Pending
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
        match until.as_mut().poll(context) {
            Poll::Ready(()) => timed_out(),
            Poll::Pending => Poll::Pending,
        }
    }
}

fn timed_out<T>() -> Poll<Result<T>> {
    Poll::Ready(Err(Error::from(ErrorKind::TimedOut)))
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
            Poll::Pending => it.poll_read_by(context),
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

    /// Comes after the last byte of an answer, when no read may follow until the next request arrives:
    /// so the wait for that begins here.
    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        let it = self.get_mut();
        if it.progress.changes() != it.changes {
            it.bound_reading();
            if let expired @ Poll::Ready(_) = it.poll_read_by(context) {
                return expired;
            }
        }
        Pin::new(&mut it.stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}
