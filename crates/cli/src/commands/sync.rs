//! `syncline sync`: one account, once, in the foreground.
//!
//! It uses the same engine, store and runs as `serve`, without a server: the connection, its syncs
//! and its runs are ordinary rows, so a `serve` on the same database shows them. That `serve`
//! doesn't work on these runs, and nothing is scheduled.

mod progress;
mod summary;

use std::{
    convert::Infallible,
    pin::pin,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};
use syncline_engine::{Engine, EngineConfig, ForegroundEnd};
use syncline_model::{Object, StateName};
use syncline_store::{Connection, PageRequest, Sync, SyncFilter, SyncRun};

use self::{
    progress::{Progress, Watched},
    summary::{Summary, print},
};
use crate::{
    cli::SyncArgs,
    commands::account::{Account, Secret, check_customer, connect},
    compose::{self, Exclusive, Parts},
    config::{Config, LogFormat},
    lifecycle::{SHUTDOWN_TIMEOUT, Signals},
    logging,
};

/// How often the progress is read.
const LOOK_EVERY: Duration = Duration::from_millis(100);

pub(crate) async fn run(args: &SyncArgs) -> anyhow::Result<()> {
    let mut signals = Signals::catch()?;
    let config = Config::load(&args.settings)?;
    if args.json || std::env::var_os("RUST_LOG").is_some() || config.log.format == LogFormat::Json {
        logging::init(config.log.format);
    }
    let providers = compose::connect_providers(&config)?;
    let provider = providers.named(&args.provider)?;
    let chosen = chosen_objects(&args.objects)?;
    check_customer(&args.customer)?;
    let secret = Secret::of(&args.secret, &**provider)?;
    let parts = Parts::open(&config, Exclusive::No).await?;
    let engine = parts.engine(EngineConfig {
        worker_name: compose::worker_name("sync", &*parts.clock, &parts.ids),
        ..EngineConfig::default()
    });
    let account = Account {
        customer_id: &args.customer,
        provider: &**provider,
    };
    let connection = connect(&parts, &engine, &account, &secret).await?;
    let objects = configured_objects(&parts, &connection, chosen, !args.objects.is_empty()).await?;

    let began = Instant::now();
    // Boxed, because it is large.
    let mut progress = Progress::new(&objects, args.json);
    let reading = Reading {
        parts: &parts,
        engine: &engine,
        connection: &connection,
        objects: &objects,
    };
    let runs = Box::pin(reading.read(&mut progress, &mut signals)).await?;
    print(&Summary::new(&runs, began.elapsed()), args.json)?;
    parts.store.close().await;
    match runs.iter().find(|run| run.state != StateName::Succeeded) {
        Some(run) => bail!(
            "the sync of {} failed: {}",
            run.object.plural(),
            run.error_message.as_deref().unwrap_or(run.state.as_str())
        ),
        None => Ok(()),
    }
}

fn chosen_objects(named: &[String]) -> anyhow::Result<Vec<Object>> {
    if named.is_empty() {
        return Ok(Object::ALL.to_vec());
    }
    Ok(named
        .iter()
        .map(|name| name.trim().parse())
        .collect::<Result<_, _>>()?)
}

/// Those of the chosen objects that the sync config has. An object that was named must be among
/// them.
async fn configured_objects(
    parts: &Parts,
    connection: &Connection,
    chosen: Vec<Object>,
    named: bool,
) -> anyhow::Result<Vec<Object>> {
    let syncs = syncs(parts, connection).await?;
    let (configured, missing): (Vec<_>, Vec<_>) = chosen
        .into_iter()
        .partition(|object| syncs.iter().any(|sync| sync.object == *object));
    match missing.first() {
        Some(object) if named => bail!("the sync config has no {object}: add it there first"),
        _ if configured.is_empty() => bail!("the sync config has no objects"),
        _ => Ok(configured),
    }
}

/// What is read.
struct Reading<'a> {
    parts: &'a Parts,
    engine: &'a Engine,
    connection: &'a Connection,
    objects: &'a [Object],
}

impl Reading<'_> {
    /// Reads each object once and returns the runs.
    async fn read(
        &self,
        progress: &mut Progress,
        signals: &mut Signals,
    ) -> anyhow::Result<Vec<SyncRun>> {
        let (parts, engine, connection) = (self.parts, self.engine, self.connection);
        let started = Started::default();
        let mut reading = pin!(
            engine.read_in_foreground(connection, self.objects, |run_id| {
                started.note(run_id);
            })
        );
        let end = tokio::select! {
            end = &mut reading => end?,
            never = watch(parts, connection, &started, progress) => match never {},
            () = signals.received() => {
                engine.shutdown();
                let stopped = tokio::time::timeout(SHUTDOWN_TIMEOUT, reading).await;
                stopped.unwrap_or(Ok(ForegroundEnd::Interrupted))?
            }
        };
        progress.show(&look(parts, connection, &started).await?);
        progress.end();
        match end {
            ForegroundEnd::Done => runs_of(parts, connection, &started).await,
            ForegroundEnd::Interrupted => {
                bail!("interrupted: run the same command again to continue")
            }
        }
    }
}

async fn watch(
    parts: &Parts,
    connection: &Connection,
    started: &Started,
    progress: &mut Progress,
) -> Infallible {
    loop {
        if let Ok(watched) = look(parts, connection, started).await {
            progress.show(&watched);
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// The syncs of the connection, each with this command's run, and whether another run keeps it from
/// starting.
async fn look(
    parts: &Parts,
    connection: &Connection,
    started: &Started,
) -> anyhow::Result<Vec<Watched>> {
    let tenant = parts.store.tenant(&connection.application_id);
    let syncs = syncs(parts, connection).await?;
    let newest = tenant.last_runs(&syncs).await?;
    let own = runs_of(parts, connection, started).await?;
    Ok(syncs
        .iter()
        .map(|sync| Watched {
            object: sync.object,
            run: own.iter().find(|run| run.sync_id == sync.id).cloned(),
            is_blocked: newest
                .iter()
                .any(|run| run.sync_id == sync.id && run.finished_at.is_none()),
        })
        .collect())
}

/// The existing runs of this command.
async fn runs_of(
    parts: &Parts,
    connection: &Connection,
    started: &Started,
) -> anyhow::Result<Vec<SyncRun>> {
    let tenant = parts.store.tenant(&connection.application_id);
    let mut runs = Vec::new();
    for run_id in started.run_ids() {
        let run = tenant.get_run(&run_id).await?;
        runs.push(run.context("the connection was deleted meanwhile")?);
    }
    Ok(runs)
}

async fn syncs(parts: &Parts, connection: &Connection) -> anyhow::Result<Vec<Sync>> {
    let filter = SyncFilter {
        customer_id: Some(connection.customer_id.clone()),
        provider_name: Some(connection.provider.to_string()),
        object: None,
        ..SyncFilter::default()
    };
    let all = PageRequest {
        limit: i64::try_from(Object::ALL.len()).unwrap_or(i64::MAX),
        ..PageRequest::default()
    };
    let tenant = parts.store.tenant(&connection.application_id);
    Ok(tenant.list_syncs(&filter, &all).await?)
}

/// The runs that this command started.
#[derive(Default)]
struct Started(Mutex<Vec<String>>);

impl Started {
    fn note(&self, run_id: &str) {
        self.lock().push(run_id.to_owned());
    }

    fn run_ids(&self) -> Vec<String> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
