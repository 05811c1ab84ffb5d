//! Where a connection is: between requests, in the head of one, or at work on one.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU8, AtomicU32, Ordering},
    },
};

use futures::task::AtomicWaker;
use tokio_util::sync::CancellationToken;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Phase {
    /// The first request, or a later one that has begun to arrive.
    Head,
    /// A request is being answered.
    Serving,
    /// A request was answered, and of the next nothing has come.
    Idle,
}

/// One connection's phase, known to its socket and to its requests.
pub(super) struct Progress {
    phase: AtomicU8,
    /// Grows whenever it changes, also if it is back before the socket looks.
    changes: AtomicU32,
    /// The connection's task: where nothing is read, its socket learns of a change through this alone.
    pub(super) task: AtomicWaker,
    number: Mutex<u64>,
    waiting: Waiting,
    /// Another connection needs the slot.
    pub(super) ended: CancellationToken,
}

impl Progress {
    pub(super) fn begin(waiting: Waiting) -> Arc<Self> {
        let ended = CancellationToken::new();
        let number = waiting.enter(&ended);
        Arc::new(Self {
            phase: AtomicU8::new(Phase::Head as u8),
            changes: AtomicU32::new(0),
            task: AtomicWaker::new(),
            number: Mutex::new(number),
            waiting,
            ended,
        })
    }

    pub(super) fn phase(&self) -> Phase {
        match self.phase.load(Ordering::Acquire) {
            0 => Phase::Head,
            1 => Phase::Serving,
            _ => Phase::Idle,
        }
    }

    pub(super) fn changes(&self) -> u32 {
        self.changes.load(Ordering::Acquire)
    }

    pub(super) fn set(&self, phase: Phase) {
        let was = self.phase();
        self.phase.store(phase as u8, Ordering::Release);
        self.changes.fetch_add(1, Ordering::AcqRel);
        if phase == Phase::Idle {
            self.task.wake();
        }
        let mut number = lock(&self.number);
        match (was == Phase::Serving, phase == Phase::Serving) {
            (false, true) => self.waiting.leave(*number),
            (true, false) => *number = self.waiting.enter(&self.ended),
            _ => {}
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.waiting.leave(*lock(&self.number));
    }
}

/// The connections without a request in flight, the longest waiting first.
#[derive(Clone, Default)]
pub(super) struct Waiting(Arc<Mutex<Queue>>);

#[derive(Default)]
struct Queue {
    next: u64,
    connections: BTreeMap<u64, CancellationToken>,
}

impl Waiting {
    fn enter(&self, ended: &CancellationToken) -> u64 {
        let mut queue = lock(&self.0);
        queue.next += 1;
        let number = queue.next;
        queue.connections.insert(number, ended.clone());
        number
    }

    fn leave(&self, number: u64) {
        lock(&self.0).connections.remove(&number);
    }

    pub(super) fn end_longest(&self) {
        if let Some((_, ended)) = lock(&self.0).connections.pop_first() {
            ended.cancel();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
