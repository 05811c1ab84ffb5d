//! Waiting in the middle of a step. Production waits in real time; the simulation lets its own time
//! pass instead.

use std::{fmt, pin::Pin, sync::Arc, time::Duration};

type Waiting = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Cheap to clone.
#[derive(Clone)]
pub struct Sleep(Arc<dyn Fn(Duration) -> Waiting + Send + Sync>);

impl Sleep {
    pub fn by(sleep: impl Fn(Duration) -> Waiting + Send + Sync + 'static) -> Self {
        Self(Arc::new(sleep))
    }

    pub(crate) async fn sleep(&self, duration: Duration) {
        (self.0)(duration).await;
    }
}

impl Default for Sleep {
    fn default() -> Self {
        Self::by(|duration| Box::pin(tokio::time::sleep(duration)))
    }
}

impl fmt::Debug for Sleep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sleep")
    }
}
