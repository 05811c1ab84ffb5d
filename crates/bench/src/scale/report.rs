//! The report, as tables.

use std::fmt;

use super::{Found, Sizes, Stage};
use crate::table::Table;

pub(crate) struct Report {
    pub(crate) sizes: Sizes,
    pub(crate) found: Vec<Found>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sizes = &self.sizes;
        writeln!(
            f,
            "{} connections of {} accounts, processes: {}; history: {} days of hourly runs of {} of them, each with \
             its event and an audit entry; one core is 100 % CPU\n",
            sizes.connections,
            sizes.teams,
            sizes.processes,
            sizes.history_days,
            sizes.history_connections
        )?;
        writeln!(f, "{}", self.idle())?;
        writeln!(f, "{}", self.bursts())?;
        writeln!(f, "{}", self.statements())?;
        write!(f, "{}", self.webhooks())
    }
}

impl Report {
    fn stages(&self) -> impl Iterator<Item = (String, String, &Stage)> {
        self.found.iter().flat_map(|found| {
            found.stages.iter().map(|stage| {
                let history = match stage.history {
                    None => "none".to_owned(),
                    Some(runs) => format!("{runs} runs"),
                };
                (found.database.to_owned(), history, stage)
            })
        })
    }

    fn idle(&self) -> Table {
        let head = [
            "database",
            "history",
            "idle CPU %",
            "of PostgreSQL %",
            "memory MB",
        ];
        let mut table = Table::new(&head);
        for (database, history, stage) in self.stages() {
            let idle = stage.idle;
            table.row([
                database,
                history,
                format!("{:.2}", idle.service_cpu),
                idle.database_cpu
                    .map_or("–".to_owned(), |cpu| format!("{cpu:.2}")),
                (idle.resident_bytes >> 20).to_string(),
            ]);
        }
        table
    }

    fn bursts(&self) -> Table {
        let mut table = Table::new(&[
            "database",
            "history",
            "due at once",
            "started",
            "per second",
            "p50 s",
            "p99 s",
            "last s",
        ]);
        for (database, history, stage) in self.stages() {
            for waits in [&stage.burst, &stage.all] {
                table.row([
                    database.clone(),
                    history.clone(),
                    waits.due.to_string(),
                    waits.started().to_string(),
                    format!("{:.0}", waits.rate()),
                    waits.percentile(50),
                    waits.percentile(99),
                    waits.percentile(100),
                ]);
            }
        }
        table
    }

    fn statements(&self) -> Table {
        let mut table = Table::new(&[
            "database",
            "history",
            "queued",
            "claims",
            "median ms",
            "max ms",
            "slowest statement",
        ]);
        for (database, history, stage) in self.stages() {
            let of = |value: Option<f64>| value.map_or("–".to_owned(), |ms| format!("{ms:.1}"));
            table.row([
                database,
                history,
                stage.queued.to_string(),
                stage.claims.map_or(0, |claims| claims.count).to_string(),
                of(stage.claims.map(|claims| claims.median)),
                of(stage.claims.map(|claims| claims.max)),
                stage
                    .slowest
                    .as_ref()
                    .map_or("–".to_owned(), |(text, ms)| format!("{ms:.1} ms: {text}")),
            ]);
        }
        table
    }

    fn webhooks(&self) -> Table {
        let with = format!("beside {} delivered", self.sizes.delivered);
        let backlog = format!("{} waiting as well", self.sizes.backlog);
        let head = [
            "webhooks/s",
            "young",
            with.as_str(),
            "of young",
            backlog.as_str(),
            "of young",
        ];
        let mut table = Table::new(&head);
        for found in &self.found {
            let rates = found.rates;
            table.row([
                found.database.to_owned(),
                format!("{:.0}", rates.young),
                format!("{:.0}", rates.delivered),
                format!("{:.2}", rates.delivered / rates.young),
                format!("{:.0}", rates.backlog),
                format!("{:.2}", rates.backlog / rates.young),
            ]);
        }
        table
    }
}
