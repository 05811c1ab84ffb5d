//! Makes many syncs due at once, and measures how long each waits until a worker leases it.

use std::time::{Duration, Instant};

use super::{
    fill::{first_connections, moment},
    sql::seconds_since,
};
use crate::database::Open;

/// Which syncs become due.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Burst {
    /// The contacts of this many connections.
    Contacts(u32),
    /// All syncs.
    All,
}

/// How long syncs waited for their start.
#[derive(Debug, Clone)]
pub(crate) struct Waits {
    /// Seconds from due to started, of the started ones, sorted.
    started: Vec<f64>,
    pub(crate) due: u64,
    watched: Duration,
}

/// Makes them due and watches until all have started, but for at most `at_most`.
pub(crate) async fn measure(
    open: &mut Open,
    burst: Burst,
    at_most: Duration,
) -> anyhow::Result<Waits> {
    let newest = open
        .text("SELECT coalesce(max(id), '') FROM sync_runs".to_owned())
        .await?;
    let due_at = moment(open).await?;
    let which = match burst {
        Burst::Contacts(connections) => format!(
            "WHERE object = 'contact' AND connection_id IN ({})",
            first_connections(connections)
        ),
        Burst::All => String::new(),
    };
    let began = Instant::now();
    let due = open
        .execute(format!("UPDATE syncs SET next_run_at = '{due_at}' {which}"))
        .await?;
    // Scans of contacts also start runs of sequence states, which are not measured here.
    let of_these = match burst {
        Burst::Contacts(_) => "AND object = 'contact'",
        Burst::All => "",
    };
    loop {
        tokio::time::sleep(Duration::from_millis(250)).await;
        let started = open
            .count(format!(
                "SELECT count(*) FROM sync_runs
                 WHERE id > '{newest}' AND started_at IS NOT NULL {of_these}"
            ))
            .await?;
        if u64::try_from(started)? >= due || began.elapsed() >= at_most {
            break;
        }
    }
    let waited = seconds_since(open, &due_at, "started_at");
    let waits = open
        .numbers(format!(
            "SELECT {waited} FROM sync_runs
             WHERE id > '{newest}' AND started_at IS NOT NULL {of_these}"
        ))
        .await?;
    let mut started: Vec<f64> = waits.into_iter().flatten().collect();
    started.sort_by(f64::total_cmp);
    Ok(Waits {
        started,
        due,
        watched: began.elapsed(),
    })
}

impl Waits {
    pub(crate) fn started(&self) -> usize {
        self.started.len()
    }

    /// Among all that were due: if too few were started, it is more than the watched time.
    pub(crate) fn percentile(&self, percent: usize) -> String {
        let due = usize::try_from(self.due).unwrap_or(usize::MAX);
        let rank = (due.saturating_sub(1)).saturating_mul(percent) / 100;
        match self.started.get(rank) {
            Some(seconds) => format!("{seconds:.1}"),
            None => format!("> {:.0}", self.watched.as_secs_f64()),
        }
    }

    /// Starts per second, until the last start.
    pub(crate) fn rate(&self) -> f64 {
        let last = self.started.last().copied().unwrap_or(f64::INFINITY);
        #[expect(clippy::cast_precision_loss, reason = "some ten thousand runs")]
        let started = self.started.len() as f64;
        started / last.max(0.001)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_started_counts_as_later_than_everything() {
        let waits = Waits {
            started: vec![1.0, 2.0],
            due: 4,
            watched: Duration::from_secs(10),
        };
        assert_eq!(waits.percentile(50), "2.0");
        assert_eq!(waits.percentile(99), "> 10");
        let waits = Waits { due: 100, ..waits };
        assert_eq!(waits.percentile(50), "> 10");
    }
}
