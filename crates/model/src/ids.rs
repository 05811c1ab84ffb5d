//! Ids come from a seeded source, so that a simulation makes the same ones again.

use std::sync::Mutex;

use rand::{Rng, SeedableRng, rngs::StdRng};
use uuid::{Builder, Uuid};

use crate::Time;

/// A source of UUIDs (version 7: the leading bits are the time, so ids sort by age) and of random
/// bytes for keys.
#[derive(Debug)]
pub struct Ids(Mutex<StdRng>);

impl Ids {
    /// Seeded by the operating system; cryptographically strong.
    pub fn random() -> Self {
        Self(Mutex::new(rand::make_rng()))
    }

    /// The same seed gives the same ids.
    pub fn seeded(seed: u64) -> Self {
        Self(Mutex::new(StdRng::seed_from_u64(seed)))
    }

    pub fn uuid(&self, now: Time) -> Uuid {
        let millis = u64::try_from(now.timestamp_millis()).unwrap_or_default();
        Builder::from_unix_timestamp_millis(millis, &self.bytes()).into_uuid()
    }

    /// A new id as the text that is stored and shown.
    pub fn id(&self, now: Time) -> String {
        self.uuid(now).to_string()
    }

    pub fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.0
            .lock()
            .expect("no code panics while it holds the generator")
            .fill_bytes(&mut bytes);
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_ids_and_ids_sort_by_age() {
        let early = Time::from_timestamp_millis(1_000).unwrap();
        let late = Time::from_timestamp_millis(2_000).unwrap();
        let (a, b) = (Ids::seeded(7), Ids::seeded(7));
        assert_eq!(a.id(early), b.id(early));
        assert!(a.id(early) < b.id(late));
    }
}
