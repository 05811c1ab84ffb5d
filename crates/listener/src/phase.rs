//! The phase of a connection: between requests, reading the headers of one, or answering one.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU8, AtomicU32, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Phase {
    /// The headers of the first request, or of a later one that has begun to arrive.
    Head,
    /// A request is being answered.
    Serving,
    /// A request was answered, and nothing of the next one has arrived.
    Idle,
}

/// One connection's phase, known to its socket and to its requests.
pub(crate) struct Progress {
    phase: AtomicU8,
    /// Counts the changes, so that the socket notices a change even if the phase is the same again.
    changes: AtomicU32,
    number: Mutex<u64>,
    waiting: Waiting,
    /// Another connection needs the slot.
    pub(crate) ended: CancellationToken,
}

impl Progress {
    pub(crate) fn begin(waiting: Waiting) -> Arc<Self> {
        let ended = CancellationToken::new();
        let number = waiting.enter(&ended, false);
        Arc::new(Self {
            phase: AtomicU8::new(Phase::Head as u8),
            changes: AtomicU32::new(0),
            number: Mutex::new(number),
            waiting,
            ended,
        })
    }

    pub(crate) fn phase(&self) -> Phase {
        match self.phase.load(Ordering::Acquire) {
            0 => Phase::Head,
            1 => Phase::Serving,
            _ => Phase::Idle,
        }
    }

    pub(crate) fn changes(&self) -> u32 {
        self.changes.load(Ordering::Acquire)
    }

    pub(crate) fn set(&self, phase: Phase) {
        let was = self.phase();
        self.phase.store(phase as u8, Ordering::Release);
        self.changes.fetch_add(1, Ordering::AcqRel);
        let mut number = lock(&self.number);
        match (was == Phase::Serving, phase == Phase::Serving) {
            (false, true) => self.waiting.leave(*number),
            (true, false) => *number = self.waiting.enter(&self.ended, true),
            _ => {}
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.waiting.leave(*lock(&self.number));
    }
}

/// The connections without a request in flight; each kind ordered by waiting time, longest first.
#[derive(Clone, Default)]
pub(crate) struct Waiting(Arc<Mutex<Queue>>);

#[derive(Default)]
struct Queue {
    next: u64,
    /// Those that have sent a request before.
    known: BTreeMap<u64, CancellationToken>,
    /// Those that have not, with the time they began.
    silent: BTreeMap<u64, (Instant, CancellationToken)>,
}

/// How long the headers of a first request may take before its connection is closed first.
const GRACE_PERIOD: Duration = Duration::from_secs(1);

impl Waiting {
    fn enter(&self, ended: &CancellationToken, known: bool) -> u64 {
        let mut queue = lock(&self.0);
        queue.next += 1;
        let number = queue.next;
        if known {
            queue.known.insert(number, ended.clone());
        } else {
            let silent = (Instant::now(), ended.clone());
            queue.silent.insert(number, silent);
        }
        number
    }

    fn leave(&self, number: u64) {
        let mut queue = lock(&self.0);
        queue.known.remove(&number);
        queue.silent.remove(&number);
    }

    /// Closes the least important connection, if one may be closed.
    pub(crate) fn end_one(&self) {
        let mut queue = lock(&self.0);
        let oldest = queue.silent.first_key_value();
        let had_time = oldest.is_some_and(|(_, (begun, _))| begun.elapsed() >= GRACE_PERIOD);
        let ended = if had_time || queue.known.is_empty() {
            queue.silent.pop_first().map(|(_, (_, ended))| ended)
        } else {
            queue.known.pop_first().map(|(_, ended)| ended)
        };
        if let Some(ended) = ended {
            ended.cancel();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
