//! A large installation with a long history: its cost while nothing is due, how long syncs wait
//! that are due at once, the cost of leasing with a long queue, and the rate of webhooks.
//!
//! The service creates the connections itself; what it couldn't write within minutes is written
//! with bulk statements (`fill`). Slow results are no failure; a service that starts nothing is
//! one.

mod due;
mod fill;
mod idle;
mod report;
mod sql;
mod statements;
mod webhooks;

use std::{path::Path, process::Command, time::Duration};

use crate::{
    database::{Database, Open, Server},
    service::Service,
    simulator::Simulator,
    sync::Syncline,
};

use self::{
    due::{Burst, Waits},
    fill::Deliveries,
    idle::Idle,
    statements::{Statements, Times},
    webhooks::Receiver,
};

pub(crate) use report::Report;

/// Records of each object at the provider: few, so that the service is measured and not the
/// provider.
const CONTACTS: u32 = 5;

/// The size of the installation, and the duration of each measurement.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sizes {
    pub(crate) connections: u32,
    /// Processes that share the database.
    pub(crate) processes: u32,
    pub(crate) postgres_only: bool,
    /// Provider accounts; the connections share them evenly.
    pub(crate) teams: u32,
    /// Connections whose contacts become due at once.
    pub(crate) burst: u32,
    /// The connections with a history: an hourly run of each sync.
    pub(crate) history_connections: u32,
    pub(crate) history_days: u32,
    /// How long the service is left alone after its start.
    pub(crate) settle: Duration,
    pub(crate) idle: Duration,
    /// How long a burst is watched.
    pub(crate) watch: Duration,
    /// How long the statements are measured with a long queue.
    pub(crate) claims: Duration,
    pub(crate) delivered: u64,
    pub(crate) backlog: u64,
    /// The number of webhooks for a rate.
    pub(crate) sample: u64,
}

/// A service with or without a history.
pub(crate) struct Stage {
    pub(crate) history: Option<u64>,
    pub(crate) idle: Idle,
    pub(crate) burst: Waits,
    pub(crate) all: Waits,
    /// The queue that was left after all syncs were due.
    pub(crate) queued: i64,
    pub(crate) claims: Option<Times>,
    pub(crate) slowest: Option<(String, f64)>,
}

/// Webhooks per second.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rates {
    pub(crate) young: f64,
    pub(crate) delivered: f64,
    pub(crate) backlog: f64,
}

/// The results on one database.
pub(crate) struct Found {
    pub(crate) database: &'static str,
    pub(crate) stages: Vec<Stage>,
    pub(crate) rates: Rates,
}

/// Measures the databases, one after the other. Processes can't share an embedded one.
pub(crate) async fn run(
    sizes: Sizes,
    program: &Path,
    server: &Server,
    scratch: &Path,
    progress: fn(&str),
) -> anyhow::Result<Report> {
    let simulator = Simulator::with_teams(program, CONTACTS, sizes.teams).await?;
    let syncline = Syncline::new(program.to_owned(), &simulator, scratch);
    let bench = Bench {
        sizes,
        syncline,
        scratch,
        progress,
    };
    let mut found = Vec::new();
    if sizes.processes == 1 && !sizes.postgres_only {
        let dir = tempfile::tempdir_in(scratch)?;
        let files = ["syncs.db", "webhooks.db"];
        let files = files.map(|name| Database::sqlite(&dir.path().join(name)));
        found.push(bench.on(&files).await?);
    }
    let names = ["syncs", "webhooks"].map(|name| format!("scale_{name}_{}", std::process::id()));
    let [syncs, webhooks] = &names;
    let databases = [
        Database::Postgres(server.create(syncs).await?),
        Database::Postgres(server.create(webhooks).await?),
    ];
    found.push(bench.on(&databases).await?);
    for name in &names {
        server.drop(name).await?;
    }
    Ok(Report { sizes, found })
}

struct Bench<'a> {
    sizes: Sizes,
    syncline: Syncline,
    scratch: &'a Path,
    progress: fn(&str),
}

impl Bench<'_> {
    /// Uses one database for syncs and one for webhooks.
    async fn on(&self, [syncs, webhooks]: &[Database; 2]) -> anyhow::Result<Found> {
        Ok(Found {
            database: syncs.name(),
            stages: self.stages(syncs).await?,
            rates: self.rates(webhooks).await?,
        })
    }

    async fn stages(&self, database: &Database) -> anyhow::Result<Vec<Stage>> {
        let name = database.name();
        let home = tempfile::tempdir_in(self.scratch)?;
        let connections = self.sizes.connections;
        (self.progress)(&format!("{name}: {connections} connections"));
        let service = Service::start(self.command(database, home.path())).await?;
        let mut open = database.open_to_write().await?;
        fill::connect_all(&service, &mut open, &self.sizes).await?;
        fill::run_some(&mut open, self.sizes.history_connections).await?;
        service.stop().await?;
        let young = self.stage(database, home.path(), &mut open, None).await?;
        let days = self.sizes.history_days;
        (self.progress)(&format!("{name}: {days} days of history"));
        let runs = fill::write_history(&mut open, &self.sizes).await?;
        let old = self.stage(database, home.path(), &mut open, Some(runs));
        Ok(vec![young, old.await?])
    }

    async fn stage(
        &self,
        database: &Database,
        home: &Path,
        open: &mut Open,
        history: Option<u64>,
    ) -> anyhow::Result<Stage> {
        let say = |what: &str| (self.progress)(&format!("{}: {what}", database.name()));
        fill::make_quiet(open).await?;
        let mut services = Vec::new();
        for _ in 0..self.sizes.processes {
            services.push(Service::start(self.command(database, home)).await?);
        }
        tokio::time::sleep(self.sizes.settle).await;
        say("nothing is due");
        let idle = idle::measure(&services, open, self.sizes.idle).await?;
        say("some are due at once");
        let some = Burst::Contacts(self.sizes.burst);
        let burst = due::measure(open, some, self.sizes.watch).await?;
        fill::make_quiet(open).await?;
        say("all are due at once");
        let all = due::measure(open, Burst::All, self.sizes.watch).await?;
        for service in services {
            service.stop().await?;
        }
        say("claims with a long queue");
        let queued = open
            .count("SELECT count(*) FROM sync_runs WHERE state = 'queued'".to_owned())
            .await?;
        let statements = self.statements(database, home).await?;
        Ok(Stage {
            history,
            idle,
            burst,
            all,
            queued,
            claims: statements.claims(),
            slowest: statements.slowest(),
        })
    }

    /// The service's database statements and their durations, for a while.
    async fn statements(&self, database: &Database, home: &Path) -> anyhow::Result<Statements> {
        let statements = Statements::default();
        let taken = statements.clone();
        let mut command = self.command(database, home);
        command.env("SYNCLINE_LOG__FORMAT", "json");
        let handle = move |line: String| taken.take_in(&line);
        let service = Service::start_logged(command, statements::LEVEL, handle).await?;
        tokio::time::sleep(self.sizes.claims).await;
        service.stop().await?;
        Ok(statements)
    }

    async fn rates(&self, database: &Database) -> anyhow::Result<Rates> {
        let Sizes {
            delivered,
            backlog,
            sample,
            ..
        } = self.sizes;
        // Slightly more than are counted.
        let few = sample + sample / 10;
        let home = tempfile::tempdir_in(self.scratch)?;
        let receiver = Receiver::start().await?;
        let service = Service::start(self.command(database, home.path())).await?;
        let endpoint = receiver.register(&service).await?;
        service.stop().await?;
        let mut open = database.open_to_write().await?;
        let mut rates = Vec::new();
        for (already, waiting) in [(0, few), (delivered, few), (0, backlog.max(few))] {
            (self.progress)(&format!(
                "{}: {waiting} webhooks wait, {already} more were delivered",
                database.name()
            ));
            fill::forget_pending(&mut open).await?;
            if already > 0 {
                let state = Deliveries::Delivered;
                fill::write_deliveries(&mut open, &endpoint, state, already).await?;
            }
            fill::write_deliveries(&mut open, &endpoint, Deliveries::Pending, waiting).await?;
            let service = Service::start(self.command(database, home.path())).await?;
            rates.push(receiver.rate(sample).await?);
            service.stop().await?;
        }
        Ok(Rates {
            young: rates[0],
            delivered: rates[1],
            backlog: rates[2],
        })
    }

    fn command(&self, database: &Database, home: &Path) -> Command {
        self.syncline.whole_service(&database.url(), home)
    }
}
