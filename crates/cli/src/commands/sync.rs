//! `syncline sync`: one account, once, in the foreground.
//!
//! The same engine, store and runs as `serve`, without a server: the connection and its syncs are
//! ordinary rows, so a `serve` on the same database shows them, and may do part of the work.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use secrecy::SecretString;
use serde::Serialize;
use syncline_engine::EngineConfig;
use syncline_model::{ConnectionStatus, Object, ProviderName};
use syncline_providers::{Credentials, KeyCheck};
use syncline_store::{
    Connection, CredentialsUpdate, Customer, NewConnection, PageRequest, Sync, SyncFilter, SyncRun,
};

use crate::{
    cli::SyncArgs,
    compose::{self, DEFAULT_APPLICATION, Exclusive, Parts},
    config::{Config, LogFormat},
    logging,
};

/// How often the progress is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(100);

#[derive(Serialize)]
struct Summary {
    objects: BTreeMap<Object, ObjectSummary>,
    seconds: f64,
    records: i64,
    records_per_second: f64,
    requests: i64,
}

#[derive(Serialize)]
struct ObjectSummary {
    status: &'static str,
    records: i64,
    created: i64,
    updated: i64,
    unchanged: i64,
    rejected: i64,
    requests: i64,
    coverage: Option<syncline_model::Coverage>,
    error: Option<String>,
}

pub(crate) async fn run(args: &SyncArgs) -> anyhow::Result<()> {
    let config = Config::load(&args.settings)?;
    if args.json || std::env::var_os("RUST_LOG").is_some() || config.log.format == LogFormat::Json {
        logging::init(config.log.format);
    }
    let provider: ProviderName = args.provider.parse()?;
    let chosen = chosen_objects(&args.objects)?;
    let api_key = std::env::var(&args.api_key_env)
        .ok()
        .filter(|key| !key.is_empty())
        .with_context(|| format!("the environment variable {} is not set", args.api_key_env))?;
    let parts = Parts::open(&config, Exclusive::No).await?;
    let connection = connect(&parts, &args.customer, provider, &api_key.into()).await?;
    let objects = configured_objects(&parts, &connection, chosen, !args.objects.is_empty()).await?;

    let started = Instant::now();
    let runs = sync_all(&parts, &connection, &objects, args.json).await?;
    let summary = Summary::new(&runs, started.elapsed());
    print(&summary, args.json)?;
    parts.store.close().await;
    match runs.iter().find(|run| run.state != "succeeded") {
        Some(run) => bail!(
            "the sync of {} failed: {}",
            run.object.plural(),
            run.error_message.as_deref().unwrap_or(&run.state)
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
        .map(|name| name.parse())
        .collect::<Result<_, _>>()?)
}

/// Those of the chosen objects that the sync config has. One that was named must be among them.
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

/// The customer's connection, with this key.
async fn connect(
    parts: &Parts,
    customer_id: &str,
    provider: ProviderName,
    api_key: &SecretString,
) -> anyhow::Result<Connection> {
    let store = &parts.store;
    let credentials = Credentials {
        api_key: api_key.clone(),
    };
    let status = match parts.providers.get(provider).check(&credentials).await {
        KeyCheck::Valid => ConnectionStatus::Healthy,
        KeyCheck::Unclear { .. } => ConnectionStatus::Unverified,
        KeyCheck::Rejected { reason } => bail!("{provider} rejects the API key: {reason}"),
    };
    let application = store
        .find_or_create_application(DEFAULT_APPLICATION)
        .await?;
    if let Some(connection) = store
        .get_connection(&application.id, customer_id, provider)
        .await?
    {
        let update = CredentialsUpdate { api_key, status };
        store.update_credentials(&connection, &update).await?;
        return Ok(connection);
    }
    let customer = Customer {
        application_id: application.id.clone(),
        customer_id: customer_id.to_owned(),
        name: customer_id.to_owned(),
        email: String::new(),
    };
    store.upsert_customer(&customer).await?;
    let providers = store.list_providers(&application.id).await?;
    let provider_id = providers
        .into_iter()
        .find(|configured| configured.name == provider)
        .map(|configured| configured.id)
        .with_context(|| format!("{provider} is not enabled"))?;
    Ok(store
        .create_connection(&NewConnection {
            application_id: &application.id,
            customer_id,
            provider_id: &provider_id,
            provider,
            api_key,
            status,
        })
        .await?)
}

/// Runs a sync of each object and gives back the runs.
async fn sync_all(
    parts: &Parts,
    connection: &Connection,
    objects: &[Object],
    quiet: bool,
) -> anyhow::Result<Vec<SyncRun>> {
    let store = &parts.store;
    for sync in syncs(parts, connection).await? {
        if objects.contains(&sync.object) {
            store.trigger_sync(&sync.id, false).await?;
        } else {
            // Not asked for: its own schedule may run it later.
            store.postpone_sync(&sync.id).await?;
        }
    }
    let engine = parts.engine(EngineConfig {
        worker_name: compose::worker_name("sync", &*parts.clock, &parts.ids),
        only_connection: Some(connection.id.clone()),
        ..EngineConfig::default()
    });
    let bars = Bars::new(objects, quiet);
    let work = async {
        loop {
            engine.work_off().await?;
            let runs = last_runs(parts, connection, objects).await?;
            let done =
                runs.len() == objects.len() && runs.iter().all(|run| run.finished_at.is_some());
            if done {
                bars.show(&runs);
                return Ok::<_, anyhow::Error>(runs);
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    let watch = async {
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            if let Ok(runs) = last_runs(parts, connection, objects).await {
                bars.show(&runs);
            }
        }
    };
    tokio::select! {
        runs = work => runs,
        () = watch, if !quiet => unreachable!("the watch never ends"),
    }
}

async fn syncs(parts: &Parts, connection: &Connection) -> anyhow::Result<Vec<Sync>> {
    let filter = SyncFilter {
        customer_id: Some(connection.customer_id.clone()),
        provider_name: Some(connection.provider.to_string()),
        object: None,
    };
    let all = PageRequest {
        limit: i64::try_from(Object::ALL.len()).unwrap_or(i64::MAX),
        ..PageRequest::default()
    };
    Ok(parts
        .store
        .list_syncs(&connection.application_id, &filter, &all)
        .await?)
}

async fn last_runs(
    parts: &Parts,
    connection: &Connection,
    objects: &[Object],
) -> anyhow::Result<Vec<SyncRun>> {
    let syncs = syncs(parts, connection).await?;
    if syncs.iter().any(|sync| sync.triggered) {
        return Ok(Vec::new());
    }
    let ids: Vec<&str> = syncs
        .iter()
        .filter(|sync| objects.contains(&sync.object))
        .map(|sync| sync.id.as_str())
        .collect();
    Ok(parts.store.last_runs(&ids).await?)
}

/// A progress bar per object.
struct Bars(Vec<(Object, ProgressBar)>);

impl Bars {
    fn new(objects: &[Object], quiet: bool) -> Self {
        let style = ProgressStyle::with_template("{prefix:>16} {bar:30} {pos:>6}/{len:<6} {msg}")
            .unwrap_or_else(|_| ProgressStyle::default_bar());
        let all = MultiProgress::new();
        let bars = objects.iter().map(|object| {
            let bar = if quiet {
                ProgressBar::hidden()
            } else {
                all.add(ProgressBar::new(0))
            };
            bar.set_style(style.clone());
            bar.set_prefix(object.as_str());
            (*object, bar)
        });
        Self(bars.collect())
    }

    fn show(&self, runs: &[SyncRun]) {
        for (object, bar) in &self.0 {
            let Some(run) = runs.iter().find(|run| run.object == *object) else {
                continue;
            };
            let read = u64::try_from(run.counters.records_read).unwrap_or_default();
            let reported = run
                .records_reported
                .and_then(|total| u64::try_from(total).ok());
            let total = match object {
                // Their number is known only when their contacts are read.
                Object::SequenceState => None,
                _ => reported,
            };
            // An empty bar, not a full one, until something is read.
            bar.set_length(total.unwrap_or(read).max(read).max(1));
            bar.set_position(read);
            bar.set_message(run.state.clone());
            if run.finished_at.is_some() {
                bar.abandon();
            }
        }
    }
}

impl Summary {
    fn new(runs: &[SyncRun], elapsed: Duration) -> Self {
        let seconds = elapsed.as_secs_f64();
        let objects: BTreeMap<_, _> = runs
            .iter()
            .map(|run| (run.object, ObjectSummary::new(run)))
            .collect();
        let records: i64 = objects.values().map(|object| object.records).sum();
        // A scan's requests are counted on each run that it serves.
        let requests = runs
            .iter()
            .filter(|run| {
                run.object != Object::SequenceState || !objects.contains_key(&Object::Contact)
            })
            .map(|run| run.counters.requests_made)
            .sum();
        #[expect(clippy::cast_precision_loss, reason = "a rate for people to read")]
        let records_per_second = records as f64 / seconds;
        Self {
            objects,
            seconds,
            records,
            records_per_second,
            requests,
        }
    }
}

impl ObjectSummary {
    fn new(run: &SyncRun) -> Self {
        Self {
            status: if run.state == "succeeded" {
                "SUCCESS"
            } else {
                "FAILURE"
            },
            records: run.num_records_synced.unwrap_or_default(),
            created: run.counters.records_created,
            updated: run.counters.records_updated,
            unchanged: run.counters.records_unchanged,
            rejected: run.counters.records_rejected,
            requests: run.counters.requests_made,
            coverage: run.coverage.clone(),
            error: run.error_message.clone(),
        }
    }
}

#[expect(clippy::print_stdout, reason = "the command's answer")]
fn print(summary: &Summary, json: bool) -> anyhow::Result<()> {
    if json {
        println!("{}", serde_json::to_string(summary)?);
        return Ok(());
    }
    for (object, own) in &summary.objects {
        println!(
            "{:>16} {:>7} records: {} new, {} changed, {} unchanged, {} rejected",
            object.as_str(),
            own.records,
            own.created,
            own.updated,
            own.unchanged,
            own.rejected
        );
    }
    println!(
        "{} records in {:.2} s ({:.0} records/s), {} requests",
        summary.records, summary.seconds, summary.records_per_second, summary.requests
    );
    Ok(())
}
