//! Gates: hold requests at the server until a test releases them, so that a client can be stopped
//! or killed in the middle of something, independent of timing.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Semaphore, watch};

use crate::fault::{Match, Watch};
use crate::request::SimRequest;

#[derive(Debug)]
struct Barrier {
    watch: Mutex<Watch>,
    passes: Semaphore,
    arrived: watch::Sender<usize>,
}

/// All gates of a simulator.
#[derive(Debug, Clone, Default)]
pub(crate) struct Gates(Arc<Mutex<Vec<Arc<Barrier>>>>);

impl Gates {
    pub(crate) fn add(&self, on: Match) -> Gate {
        let barrier = Arc::new(Barrier {
            watch: Mutex::new(Watch::new(on)),
            passes: Semaphore::new(0),
            arrived: watch::Sender::new(0),
        });
        self.barriers().push(Arc::clone(&barrier));
        Gate(barrier)
    }

    /// Returns when no gate holds the request.
    pub(crate) async fn pass(&self, request: &SimRequest, page: Option<u64>) {
        let held: Vec<Arc<Barrier>> = {
            let mut barriers = self.barriers();
            barriers.retain(|barrier| !barrier.passes.is_closed());
            barriers
                .iter()
                .filter(|barrier| barrier.holds(request, page))
                .cloned()
                .collect()
        };
        for barrier in held {
            barrier.arrived.send_modify(|arrived| *arrived += 1);
            // An error means that the gate was opened permanently.
            if let Ok(pass) = barrier.passes.acquire().await {
                pass.forget();
            }
        }
    }

    fn barriers(&self) -> MutexGuard<'_, Vec<Arc<Barrier>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Barrier {
    fn holds(&self, request: &SimRequest, page: Option<u64>) -> bool {
        let mut watch = self.watch.lock().unwrap_or_else(PoisonError::into_inner);
        watch.hit(request, page)
    }
}

/// Holds matching requests until they are released. Dropping it opens it.
#[derive(Debug)]
pub struct Gate(Arc<Barrier>);

impl Gate {
    /// Returns when `count` requests in total have arrived at the gate.
    pub async fn arrived(&self, count: usize) {
        let mut arrived = self.0.arrived.subscribe();
        // The sender lives as long as the gate.
        let _ = arrived.wait_for(|arrived| *arrived >= count).await;
    }

    /// The number of requests that have arrived at the gate.
    pub fn count(&self) -> usize {
        *self.0.arrived.borrow()
    }

    /// Releases `count` requests: the waiting ones first, then later ones.
    pub fn release(&self, count: usize) {
        self.0.passes.add_permits(count);
    }

    /// Releases all requests from now on.
    pub fn open(&self) {
        self.0.passes.close();
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.open();
    }
}
