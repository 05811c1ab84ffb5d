//! Time is passed in, so that a test or a simulation can hold it still.

use std::sync::{
    Mutex,
    atomic::{AtomicI64, Ordering},
};

use chrono::{DurationRound, TimeDelta};

use crate::Time;

/// The source of time for the engine, the store and the server.
pub trait Clock: Send + Sync + 'static {
    /// Now, in whole milliseconds: the precision of everything that is stored or shown.
    fn now(&self) -> Time;
}

/// The machine's clock, corrected by its difference to the database's clock.
///
/// Several processes on one PostgreSQL must agree on what is expired and what is due, so each of
/// them regularly measures its difference to the database's clock and adds it to its own time.
#[derive(Debug, Default)]
pub struct SystemClock {
    offset_millis: AtomicI64,
}

impl SystemClock {
    /// From now on the time is the machine's plus `offset`.
    pub fn set_offset(&self, offset: TimeDelta) {
        self.offset_millis
            .store(offset.num_milliseconds(), Ordering::Relaxed);
    }

    /// The machine's own time without the correction; offsets are measured against it.
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place where the machine's clock is read"
    )]
    pub fn machine_now(&self) -> Time {
        whole_millis(chrono::Utc::now())
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Time {
        self.machine_now() + TimeDelta::milliseconds(self.offset_millis.load(Ordering::Relaxed))
    }
}

/// The clocks of two processes differ by less: each may be 5 s fast or slow. A timestamp further in
/// the future was written by a clock that was wrong.
pub const CLOCKS_DIFFER_BY: TimeDelta = TimeDelta::seconds(10);

/// A clock that stands still until it is told to move.
#[derive(Debug)]
pub struct ManualClock(Mutex<Time>);

impl ManualClock {
    pub fn at(now: Time) -> Self {
        Self(Mutex::new(whole_millis(now)))
    }

    pub fn advance(&self, by: TimeDelta) {
        let mut now = self
            .0
            .lock()
            .expect("no code panics while it holds the clock");
        *now += by;
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Time {
        *self
            .0
            .lock()
            .expect("no code panics while it holds the clock")
    }
}

fn whole_millis(time: Time) -> Time {
    time.duration_trunc(TimeDelta::milliseconds(1))
        .unwrap_or(time)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offset_moves_the_clock_by_as_much() {
        let clock = SystemClock::default();
        clock.set_offset(TimeDelta::hours(3));
        let ahead = clock.now() - clock.machine_now();
        assert!(ahead > TimeDelta::minutes(179) && ahead <= TimeDelta::hours(3));
    }
}
