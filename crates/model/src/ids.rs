//! Ids come from a seeded source, so that a simulation is reproducible.

use std::sync::{Mutex, MutexGuard};

use rand::{Rng, SeedableRng, rngs::StdRng};
use uuid::{Builder, Uuid};

use crate::Time;

/// A source of UUIDs (version 7) and of random bytes for keys.
///
/// Ids of one source sort by creation order, even within a millisecond: lists ordered by id are
/// ordered by age.
#[derive(Debug)]
pub struct Ids(Mutex<State>);

#[derive(Debug)]
struct State {
    rng: StdRng,
    /// The newest id's time and its sequence number within that millisecond.
    newest: (u64, u16),
}

/// The smallest id that can be made at this time or later.
pub fn first_id_of(time: Time) -> String {
    let millis = u64::try_from(time.timestamp_millis()).unwrap_or_default();
    let first = Builder::from_unix_timestamp_millis(millis, &[0; 10]);
    first.into_uuid().to_string()
}

/// How many ids a millisecond can have: version 7 leaves 12 bits for a counter.
const IDS_PER_MILLISECOND: u16 = 1 << 12;

impl Ids {
    /// Seeded by the operating system; cryptographically strong.
    pub fn random() -> Self {
        Self::from_rng(rand::make_rng())
    }

    /// The same seed gives the same ids.
    pub fn seeded(seed: u64) -> Self {
        Self::from_rng(StdRng::seed_from_u64(seed))
    }

    fn from_rng(rng: StdRng) -> Self {
        Self(Mutex::new(State {
            rng,
            newest: (0, 0),
        }))
    }

    pub fn uuid(&self, now: Time) -> Uuid {
        let mut state = self.state();
        let (newest_millis, newest_count) = state.newest;
        let millis = u64::try_from(now.timestamp_millis()).unwrap_or_default();
        let (millis, count) = if millis > newest_millis {
            (millis, 0)
        } else if newest_count + 1 < IDS_PER_MILLISECOND {
            (newest_millis, newest_count + 1)
        } else {
            (newest_millis + 1, 0)
        };
        state.newest = (millis, count);
        let mut bytes = [0; 10];
        state.rng.fill_bytes(&mut bytes);
        bytes[..2].copy_from_slice(&count.to_be_bytes());
        Builder::from_unix_timestamp_millis(millis, &bytes).into_uuid()
    }

    /// A new id in its text form, which is stored and shown.
    pub fn id(&self, now: Time) -> String {
        self.uuid(now).to_string()
    }

    pub fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.state().rng.fill_bytes(&mut bytes);
        bytes
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0
            .lock()
            .expect("no code panics while it holds the generator")
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
        assert!(a.id(early) < first_id_of(late) && first_id_of(late) <= b.id(late));
    }

    #[test]
    fn ids_of_one_millisecond_sort_by_the_order_in_which_they_were_made() {
        let (ids, now) = (Ids::seeded(7), Time::from_timestamp_millis(1_000).unwrap());
        let made: Vec<_> = (0..10_000).map(|_| ids.id(now)).collect();
        assert!(made.is_sorted());
    }
}
