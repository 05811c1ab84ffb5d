//! Each process's own view of the time.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use chrono::TimeDelta;
use syncline_model::{Clock, ManualClock, Time};

/// The simulation's time, a little fast or slow.
#[derive(Debug)]
pub(crate) struct OffsetClock {
    true_time: Arc<ManualClock>,
    offset_millis: AtomicI64,
}

/// How far a process's clock may be from the true time.
pub(crate) const LARGEST_OFFSET: TimeDelta = TimeDelta::seconds(5);

impl OffsetClock {
    pub(crate) fn new(true_time: Arc<ManualClock>) -> Self {
        Self {
            true_time,
            offset_millis: AtomicI64::new(0),
        }
    }

    pub(crate) fn set_offset(&self, offset: TimeDelta) {
        self.offset_millis
            .store(offset.num_milliseconds(), Ordering::Relaxed);
    }

    pub(crate) fn offset(&self) -> TimeDelta {
        TimeDelta::milliseconds(self.offset_millis.load(Ordering::Relaxed))
    }
}

impl Clock for OffsetClock {
    fn now(&self) -> Time {
        self.true_time.now() + self.offset()
    }
}
