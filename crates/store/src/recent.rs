//! What was read from the database a moment ago, and is believed for a second.
//!
//! Nearly every call begins with the same look-up of its key and connection. An answer counts from
//! before its query was sent, so a change made by another process is known here within a second,
//! without a message that could get lost. A change made by this process empties the memory when its
//! transaction ends ([`Recent::forget_all`]).
//!
//! By hand, because what caches offer is the eviction, of which this needs the simplest; what it needs
//! is an answer that is replaced before it is too old.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use crate::StoreError;

const BELIEVED_FOR: Duration = Duration::from_secs(1);
/// From this age on the next caller asks again, while the others still use the answer.
const ASKED_AGAIN_AFTER: Duration = Duration::from_millis(500);
/// Answers in memory at once.
const MOST: usize = 10_000;

/// Cheap to clone; all clones are of the same memory.
pub(crate) struct Recent<K, V>(Arc<Mutex<State<K, V>>>);

struct State<K, V> {
    answers: HashMap<K, Answer<V>>,
    /// How often everything was forgotten.
    generation: u64,
    swept_at: Instant,
}

struct Answer<V> {
    value: V,
    asked_at: Instant,
    /// A caller is asking again.
    is_asked_again: bool,
}

impl<K, V> Clone for Recent<K, V> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<K, V> Default for Recent<K, V> {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(State {
            answers: HashMap::new(),
            generation: 0,
            swept_at: Instant::now(),
        })))
    }
}

impl<K, V> Recent<K, V> {
    /// What is being asked meanwhile isn't remembered either: it may be older than what changed.
    pub(crate) fn forget_all(&self) {
        let mut state = self.state();
        state.answers.clear();
        state.generation += 1;
    }

    fn state(&self) -> MutexGuard<'_, State<K, V>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Eq + Hash + Clone, V: Clone> Recent<K, V> {
    /// The value of this name, from memory or else by the query. That there is none isn't remembered.
    pub(crate) async fn get<Q>(
        &self,
        name: K,
        query: impl FnOnce() -> Q,
    ) -> Result<Option<V>, StoreError>
    where
        Q: Future<Output = Result<Option<V>, StoreError>>,
    {
        let asked_at = Instant::now();
        let generation = match self.recall(&name, asked_at) {
            Ok(value) => return Ok(Some(value)),
            Err(generation) => generation,
        };
        // In a box, or each call's future would have room for it, and be copied with it several times.
        let found = Box::pin(query()).await?;
        self.note(name, found.clone(), asked_at, generation);
        Ok(found)
    }

    /// The remembered value; otherwise the generation in which the caller asks.
    fn recall(&self, name: &K, now: Instant) -> Result<V, u64> {
        let mut state = self.state();
        let generation = state.generation;
        let answer = state.answers.get_mut(name).ok_or(generation)?;
        let age = now.saturating_duration_since(answer.asked_at);
        if age >= BELIEVED_FOR || (age >= ASKED_AGAIN_AFTER && !answer.is_asked_again) {
            answer.is_asked_again = true;
            return Err(generation);
        }
        Ok(answer.value.clone())
    }

    /// What was asked before everything was forgotten may be older than the change.
    fn note(&self, name: K, found: Option<V>, asked_at: Instant, generation: u64) {
        let mut state = self.state();
        if state.generation != generation {
            return;
        }
        let Some(value) = found else {
            state.answers.remove(&name);
            return;
        };
        state.sweep(asked_at);
        let answer = Answer {
            value,
            asked_at,
            is_asked_again: false,
        };
        state.answers.insert(name, answer);
    }
}

impl<K: Eq + Hash, V> State<K, V> {
    /// Drops what is too old, once a second, and everything where there is too much.
    fn sweep(&mut self, now: Instant) {
        if now.saturating_duration_since(self.swept_at) >= BELIEVED_FOR {
            self.swept_at = now;
            self.answers
                .retain(|_, it| now.saturating_duration_since(it.asked_at) < BELIEVED_FOR);
        }
        if self.answers.len() >= MOST {
            self.answers.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    /// Asks for the one name; the database would say this.
    async fn ask(recent: &Recent<(), u32>, stored: Option<u32>) -> Option<u32> {
        recent.get((), || async { Ok(stored) }).await.unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_is_believed_for_a_second_and_replaced_before() {
        let recent = Recent::default();
        assert_eq!(ask(&recent, Some(1)).await, Some(1));
        advance(Duration::from_millis(499)).await;
        assert_eq!(ask(&recent, Some(2)).await, Some(1));
        advance(Duration::from_millis(1)).await;
        assert_eq!(ask(&recent, Some(2)).await, Some(2));
        advance(Duration::from_millis(499)).await;
        assert_eq!(ask(&recent, Some(3)).await, Some(2));
        advance(Duration::from_secs(1)).await;
        assert_eq!(ask(&recent, None).await, None);
        assert_eq!(ask(&recent, Some(4)).await, Some(4));
    }

    #[tokio::test(start_paused = true)]
    async fn while_one_asks_again_the_others_use_the_answer_but_not_after_its_second() {
        let recent = Recent::default();
        ask(&recent, Some(1)).await;
        advance(Duration::from_millis(600)).await;
        let slow = recent.get((), || async {
            tokio::time::sleep(Duration::from_secs(3)).await;
            Ok(Some(2))
        });
        let others = async {
            assert_eq!(ask(&recent, Some(3)).await, Some(1));
            tokio::time::sleep(Duration::from_millis(500)).await;
            assert_eq!(ask(&recent, Some(3)).await, Some(3));
        };
        let (slow, ()) = tokio::join!(slow, others);
        assert_eq!(slow.unwrap(), Some(2));
        assert_eq!(
            ask(&recent, Some(4)).await,
            Some(4),
            "it is three seconds old"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_asked_before_a_change_is_not_remembered_after_it() {
        let recent = Recent::default();
        let asked = recent.get((), || async {
            recent.forget_all();
            Ok(Some(1))
        });
        assert_eq!(asked.await.unwrap(), Some(1));
        assert_eq!(ask(&recent, Some(2)).await, Some(2));
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_than_so_many_are_kept() {
        let recent = Recent::default();
        for name in 0..=MOST {
            let kept = recent.get(name, || async { Ok(Some(name)) }).await;
            assert_eq!(kept.unwrap(), Some(name));
        }
        assert!(recent.state().answers.len() <= MOST);
        advance(BELIEVED_FOR).await;
        recent
            .get(MOST + 1, || async { Ok(Some(0)) })
            .await
            .unwrap();
        assert_eq!(recent.state().answers.len(), 1);
    }
}
