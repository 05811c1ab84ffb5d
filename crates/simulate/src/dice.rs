//! The only source of randomness: every number in a run comes from its seed.

use chrono::TimeDelta;
use rand::{Rng as _, SeedableRng as _, rngs::StdRng};

/// A seeded stream of random choices.
#[derive(Debug)]
pub(crate) struct Dice(StdRng);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(StdRng::seed_from_u64(seed))
    }

    /// An independent stream: draws from it don't change this one.
    pub(crate) fn split(&mut self) -> Self {
        Self::new(self.number())
    }

    pub(crate) fn number(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// A number below `limit`; 0 if `limit` is 0.
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        let limit = u64::try_from(limit).unwrap_or(u64::MAX).max(1);
        usize::try_from(self.number() % limit).unwrap_or_default()
    }

    /// Both ends are included.
    pub(crate) fn between(&mut self, low: i64, high: i64) -> i64 {
        let span = u64::try_from(high - low).unwrap_or_default() + 1;
        low + i64::try_from(self.number() % span).unwrap_or_default()
    }

    /// True with this probability, in ten thousandths.
    pub(crate) fn chance(&mut self, in_ten_thousand: u32) -> bool {
        self.number() % 10_000 < u64::from(in_ten_thousand)
    }

    pub(crate) fn pick<'a, T>(&mut self, from: &'a [T]) -> Option<&'a T> {
        from.get(self.below(from.len()))
    }

    /// A pick from a list that is known not to be empty.
    pub(crate) fn one<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    /// A random index, with these weights. At least one weight must be above 0.
    pub(crate) fn weighted(&mut self, weights: impl Iterator<Item = u32> + Clone) -> usize {
        let sum: u64 = weights.clone().map(u64::from).sum();
        let mut drawn = self.number() % sum.max(1);
        for (place, weight) in weights.enumerate() {
            match drawn.checked_sub(u64::from(weight)) {
                Some(rest) => drawn = rest,
                None => return place,
            }
        }
        0
    }

    /// A random duration between the two, in whole milliseconds.
    pub(crate) fn span(&mut self, low: TimeDelta, high: TimeDelta) -> TimeDelta {
        TimeDelta::milliseconds(self.between(low.num_milliseconds(), high.num_milliseconds()))
    }
}
