//! The world's source of randomness: the same seed gives the same numbers.

use chrono::{DateTime, TimeDelta, Utc};
use rand::{Rng as _, SeedableRng as _, rngs::StdRng};

/// A seeded source of random choices.
#[derive(Debug)]
pub(crate) struct Dice(StdRng);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(StdRng::seed_from_u64(seed))
    }

    pub(crate) fn number(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// A number below `limit`; 0 if `limit` is 0.
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        let limit = u64::try_from(limit).unwrap_or(u64::MAX).max(1);
        usize::try_from(self.0.next_u64() % limit).unwrap_or(0)
    }

    pub(crate) fn between(&mut self, low: i64, high: i64) -> i64 {
        let span = u64::try_from(high - low).unwrap_or(0) + 1;
        low + i64::try_from(self.0.next_u64() % span).unwrap_or(0)
    }

    /// A number from 0 to less than 1.
    pub(crate) fn share(&mut self) -> f64 {
        f64::from(u32::try_from(self.0.next_u64() >> 32).unwrap_or(0)) / (f64::from(u32::MAX) + 1.0)
    }

    /// True with a probability of `percent` percent.
    pub(crate) fn percent(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    pub(crate) fn pick<'a, T>(&mut self, from: &'a [T]) -> Option<&'a T> {
        from.get(self.below(from.len()))
    }

    /// A pick from a list that is known not to be empty.
    pub(crate) fn word(&mut self, from: &[&'static str]) -> &'static str {
        self.pick(from).copied().unwrap_or_default()
    }

    pub(crate) fn instant(&mut self, from: DateTime<Utc>, to: DateTime<Utc>) -> DateTime<Utc> {
        let span = (to - from).num_milliseconds().max(0);
        from + TimeDelta::milliseconds(self.between(0, span))
    }
}

/// Generates ids.
#[derive(Debug)]
pub(crate) enum Mint {
    /// Mongo `ObjectId`s: 8 hex digits of creation time, 10 of the machine, 6 of a counter.
    ObjectIds { machine: u64, counter: u64 },
    /// Consecutive numbers, shared by all kinds of records.
    Numbers { next: u64 },
}

impl Mint {
    pub(crate) fn object_ids(dice: &mut Dice) -> Self {
        Self::ObjectIds {
            machine: dice.number() & 0xff_ffff_ffff,
            counter: dice.number() & 0x7f_ffff,
        }
    }

    /// Begins with `first`, or with a random number below 1,000 if that is 0.
    pub(crate) fn numbers(dice: &mut Dice, first: u64) -> Self {
        let drawn = 1 + dice.number() % 900;
        Self::Numbers {
            next: if first == 0 { drawn } else { first },
        }
    }

    pub(crate) fn id(&mut self, created: DateTime<Utc>) -> String {
        match self {
            Self::ObjectIds { machine, counter } => {
                *counter += 1;
                let seconds = created.timestamp() & 0xffff_ffff;
                let count = *counter & 0xff_ffff;
                format!("{seconds:08x}{machine:010x}{count:06x}")
            }
            Self::Numbers { next } => {
                let id = *next;
                *next += 1;
                id.to_string()
            }
        }
    }
}
