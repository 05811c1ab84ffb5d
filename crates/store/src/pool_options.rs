//! The options that all connection pools have.

use std::time::Duration;

use sqlx::{Database, pool::PoolOptions};

/// The longest wait for a connection, for example while all are in use.
pub(crate) const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(10);
/// A connection is replaced after this time, so that what the server keeps for it doesn't grow for
/// ever.
const MAX_LIFETIME: Duration = Duration::from_mins(30);

pub(crate) fn pool_options<DB: Database>(max_connections: u32) -> PoolOptions<DB> {
    PoolOptions::new()
        .max_connections(max_connections)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        // A ping before every use would add a round trip to each query.
        .test_before_acquire(false)
        // With either of these, sqlx 0.9 starts a task that closes connections and that can loop
        // for ever, which uses up a core and keeps the process from ending: a connection that is
        // acquired while it is still being released makes the count of idle ones wrap around.
        .idle_timeout(None)
        .max_lifetime(None)
        .after_release(|_, meta| Box::pin(async move { Ok(meta.age < MAX_LIFETIME) }))
}

#[cfg(test)]
mod tests {
    use sqlx::{Postgres, Sqlite};

    use super::*;

    #[test]
    fn no_pool_has_the_task_that_can_loop_for_ever() {
        let postgres = pool_options::<Postgres>(4);
        assert_eq!(postgres.get_idle_timeout(), None);
        assert_eq!(postgres.get_max_lifetime(), None);
        let sqlite = pool_options::<Sqlite>(1);
        assert_eq!(sqlite.get_idle_timeout(), None);
        assert_eq!(sqlite.get_max_lifetime(), None);
    }
}
