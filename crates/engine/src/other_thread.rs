//! Work on another thread of the runtime, which ends when nobody waits for it any more.

use tokio::task::JoinSet;
use tracing::Instrument;

pub(crate) struct OtherThread<T>(JoinSet<T>);

impl<T: Send + 'static> OtherThread<T> {
    pub(crate) fn start(work: impl Future<Output = T> + Send + 'static) -> Self {
        let mut working = JoinSet::new();
        working.spawn(work.in_current_span());
        Self(working)
    }

    /// `None` if the runtime ends before. A panic goes on here.
    pub(crate) async fn outcome(mut self) -> Option<T> {
        match self.0.join_next().await? {
            Ok(outcome) => Some(outcome),
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            Err(_) => None,
        }
    }
}
