//! Each process's clock: slightly fast or slow, and sometimes wrong by hours or days.

use std::sync::{
    Arc, Mutex, MutexGuard,
    atomic::{AtomicI64, Ordering},
};

use chrono::TimeDelta;
use syncline_model::{Clock, ManualClock, Time};

/// The simulation's time, slightly fast or slow, plus the clock's jumps.
#[derive(Debug)]
pub(crate) struct OffsetClock {
    process: usize,
    true_time: Arc<ManualClock>,
    offset_millis: AtomicI64,
    leaps: Arc<Leaps>,
}

/// The largest difference of a process's clock from the true time, without jumps.
pub(crate) const LARGEST_OFFSET: TimeDelta = TimeDelta::seconds(5);

impl OffsetClock {
    pub(crate) fn new(process: usize, true_time: Arc<ManualClock>, leaps: Arc<Leaps>) -> Self {
        Self {
            process,
            true_time,
            offset_millis: AtomicI64::new(0),
            leaps,
        }
    }

    pub(crate) fn set_offset(&self, offset: TimeDelta) {
        self.offset_millis
            .store(offset.num_milliseconds(), Ordering::Relaxed);
    }

    /// How far it is ahead of the true time, jumps included.
    pub(crate) fn offset(&self) -> TimeDelta {
        let offset = TimeDelta::milliseconds(self.offset_millis.load(Ordering::Relaxed));
        offset + self.leaps.of(self.process)
    }
}

impl Clock for OffsetClock {
    fn now(&self) -> Time {
        self.true_time.now() + self.offset()
    }
}

/// By how much each process's clock is wrong, and since when.
#[derive(Debug)]
pub(crate) struct Leaps(Mutex<Vec<Vec<Leap>>>);

#[derive(Debug, Clone, Copy)]
struct Leap {
    at: Time,
    /// How far the clock is ahead from then on; negative if it is behind.
    ahead: TimeDelta,
}

impl Leaps {
    pub(crate) fn new(processes: usize) -> Self {
        Self(Mutex::new(vec![Vec::new(); processes]))
    }

    /// Sets how far the clock of a process is ahead from `at` on.
    pub(crate) fn set(&self, process: usize, at: Time, ahead: TimeDelta) {
        self.leaps()[process].push(Leap { at, ahead });
    }

    /// How far the clock of a process is ahead now.
    pub(crate) fn of(&self, process: usize) -> TimeDelta {
        let leaps = self.leaps();
        leaps[process]
            .last()
            .map_or(TimeDelta::zero(), |it| it.ahead)
    }

    /// Whether no clock ever jumped.
    pub(crate) fn are_none(&self) -> bool {
        self.leaps().iter().all(Vec::is_empty)
    }

    /// Whether all clocks are right.
    pub(crate) fn are_over(&self) -> bool {
        let processes = self.leaps().len();
        (0..processes).all(|process| self.of(process).is_zero())
    }

    /// Whether all clocks are wrong by the same amount, or right.
    pub(crate) fn agree(&self) -> bool {
        let processes = self.leaps().len();
        (1..processes).all(|process| self.of(process) == self.of(0))
    }

    /// The furthest that a process's clock was ahead at any moment since `since`.
    pub(crate) fn furthest_of(&self, process: usize, since: Time) -> TimeDelta {
        let leaps = self.leaps();
        in_force(&leaps[process], since).max().unwrap_or_default()
    }

    /// The furthest that any clock is ahead now.
    pub(crate) fn furthest_now(&self) -> TimeDelta {
        let processes = self.leaps().len();
        let now = (0..processes).map(|process| self.of(process));
        now.max().unwrap_or_default()
    }

    /// The least that any process's clock was ahead at any moment since `since`.
    pub(crate) fn least_since(&self, since: Time) -> TimeDelta {
        let leaps = self.leaps();
        let all = leaps.iter().flat_map(|own| in_force(own, since));
        all.min().unwrap_or_default()
    }

    fn leaps(&self) -> MutexGuard<'_, Vec<Vec<Leap>>> {
        self.0.lock().expect("nobody panics while it is held")
    }
}

/// How far a clock was ahead at each moment since `since`.
fn in_force(leaps: &[Leap], since: Time) -> impl Iterator<Item = TimeDelta> {
    let before = leaps.iter().take_while(|it| it.at <= since).count();
    let first = leaps[..before]
        .last()
        .map_or(TimeDelta::zero(), |it| it.ahead);
    let later = leaps[before..].iter().map(|it| it.ahead);
    std::iter::once(first).chain(later)
}
