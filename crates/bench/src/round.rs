//! One round: every database starts empty, is synced, and synced again without changes; then the
//! bare `COPY`, and what somebody would use instead.

use std::path::Path;

use anyhow::ensure;

use crate::{
    alternatives::{self, Alternative},
    database::{Database, Server},
    nginx::Nginx,
    passing::{self, Passing},
    plain_copy,
    reading::{self, Reading},
    service::Service,
    simulator::Simulator,
    sync::{Measured, Pass, Syncline},
};

/// The results of one round.
pub(crate) struct Round {
    pub(crate) sqlite: Passes,
    pub(crate) postgres: Passes,
    /// Rows per second of a bare `COPY` on PostgreSQL.
    pub(crate) copy: f64,
    pub(crate) dlt: Option<alternatives::Passes>,
    pub(crate) supaglue: Option<alternatives::Passes>,
    pub(crate) simplest_loop: Option<alternatives::Passes>,
}

/// The two syncs of one database, and the measurements of a service on it.
pub(crate) struct Passes {
    pub(crate) first: Measured,
    pub(crate) unchanged: Measured,
    pub(crate) reading: Reading,
    pub(crate) passing: Passing,
}

/// An unmeasured sync, after which the simulator has built all of its pages once.
pub(crate) async fn warm_up(
    syncline: &Syncline,
    simulator: &Simulator,
    scratch: &Path,
) -> anyhow::Result<()> {
    let dir = tempfile::tempdir_in(scratch)?;
    let database = Database::sqlite(&dir.path().join("syncline.db"));
    sync(&database, Pass::First, syncline, simulator).await?;
    Ok(())
}

/// What runs beside the binary that is measured.
#[derive(Clone, Copy)]
pub(crate) struct Peers<'p> {
    pub(crate) simulator: &'p Simulator,
    pub(crate) nginx: Option<&'p Nginx>,
    pub(crate) server: &'p Server,
}

pub(crate) async fn run(
    number: u32,
    syncline: &Syncline,
    peers: Peers<'_>,
    scratch: &Path,
) -> anyhow::Result<Round> {
    let server = peers.server;
    let dir = tempfile::tempdir_in(scratch)?;
    let sqlite = Database::sqlite(&dir.path().join("syncline.db"));
    let sqlite = passes(&sqlite, syncline, peers, scratch).await?;

    let name = format!("bench_{}_{number}", std::process::id());
    let options = server.create(&name).await?;
    let postgres = Database::Postgres(options.clone());
    let postgres = passes(&postgres, syncline, peers, scratch).await?;
    let copy = plain_copy::rows_per_second(&options).await?;
    server.drop(&name).await?;
    let alternative = |which| alternatives::measure(which, number, peers, scratch);
    Ok(Round {
        sqlite,
        postgres,
        copy,
        dlt: alternative(Alternative::Dlt).await?,
        supaglue: alternative(Alternative::Supaglue).await?,
        simplest_loop: alternative(Alternative::Loop).await?,
    })
}

async fn passes(
    database: &Database,
    syncline: &Syncline,
    peers: Peers<'_>,
    scratch: &Path,
) -> anyhow::Result<Passes> {
    let simulator = peers.simulator;
    let first = sync(database, Pass::First, syncline, simulator).await?;
    let mark = database.mark().await?;
    let unchanged = sync(database, Pass::Unchanged, syncline, simulator).await?;
    let written = database.written_since(&mark).await?;
    ensure!(
        written == 0,
        "{}: a sync without changes wrote {written} row versions",
        database.name()
    );
    let (reading, passing) = serve(database, syncline, peers, scratch).await?;
    Ok(Passes {
        first,
        unchanged,
        reading,
        passing,
    })
}

/// Measures a service on the synced database: cached lists and the proxy.
async fn serve(
    database: &Database,
    syncline: &Syncline,
    peers: Peers<'_>,
    scratch: &Path,
) -> anyhow::Result<(Reading, Passing)> {
    let simulator = peers.simulator;
    let home = tempfile::tempdir_in(scratch)?;
    let service = Service::start(syncline.serve_command(&database.url(), home.path())).await?;
    let contacts = simulator.world().contacts;
    let reading = reading::measure(&service, database, contacts).await?;
    // A fraction of the contacts, but at least 64.
    let requests = usize::try_from(contacts / 5)?.max(64);
    let passing = passing::measure(&service, peers.nginx, simulator, requests).await?;
    Ok((reading, passing))
}

/// Runs one sync, and checks the tables and the simulator's count of requests.
async fn sync(
    database: &Database,
    pass: Pass,
    syncline: &Syncline,
    simulator: &Simulator,
) -> anyhow::Result<Measured> {
    simulator.reset_ledger().await?;
    let world = simulator.world();
    let measured = syncline.sync(&database.url(), world, pass).await?;
    let requests = simulator.page_requests().await?;
    ensure!(
        measured.requests == requests,
        "{}: {} requests were counted, the simulator answered {requests}",
        database.name(),
        measured.requests
    );
    let rows = database.rows().await?;
    let expected = [world.contacts, world.states];
    ensure!(
        rows == expected,
        "{}: {rows:?} rows instead of {expected:?}",
        database.name()
    );
    Ok(measured)
}
