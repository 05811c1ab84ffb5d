//! `syncline sync`: one account, once, in the foreground.
//!
//! The same engine, store and runs as `serve`, without a server: the connection and its syncs are
//! ordinary rows, so a `serve` on the same database shows them, and may do part of the work.

mod progress;

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use secrecy::SecretString;
use serde::Serialize;
use syncline_engine::EngineConfig;
use syncline_model::{ConnectionStatus, LimitOverrides, Object, ProviderName};
use syncline_providers::{Credentials, KeyCheck, account_id};
use syncline_store::{
    Account, Connection, CredentialsUpdate, NewConnection, NewCustomer, PageRequest, Sync,
    SyncFilter, SyncRun,
};

use self::progress::{Progress, Watched};
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
    deleted: i64,
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
    // Boxed: it is large.
    let runs = Box::pin(sync_all(&parts, &connection, &objects, args.json)).await?;
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
    let (status, team) = match parts.providers.get(provider).check(&credentials).await {
        KeyCheck::Valid { account } => (ConnectionStatus::Healthy, account),
        KeyCheck::Unclear { .. } => (ConnectionStatus::Unverified, None),
        KeyCheck::Rejected { reason } => bail!("{provider} rejects the API key: {reason}"),
    };
    let key_account_id = account_id(provider, None, &credentials);
    let account_id = account_id(provider, team.as_deref(), &credentials);
    let account = Account {
        id: &account_id,
        key: &key_account_id,
        known: team.is_some(),
    };
    let application = store
        .find_or_create_application(DEFAULT_APPLICATION)
        .await?;
    let tenant = store.tenant(&application.id);
    if let Some(connection) = tenant.get_connection(customer_id, provider).await? {
        let update = CredentialsUpdate {
            api_key,
            status,
            account,
            limits: None,
        };
        store.update_credentials(&connection, &update).await?;
        return Ok(connection);
    }
    let customer = NewCustomer {
        customer_id,
        name: customer_id,
        email: "",
    };
    tenant.upsert_customer(&customer).await?;
    let providers = tenant.list_providers().await?;
    let provider_id = providers
        .into_iter()
        .find(|configured| configured.name == provider)
        .map(|configured| configured.id)
        .with_context(|| format!("{provider} is not enabled"))?;
    Ok(tenant
        .create_connection(&NewConnection {
            customer_id,
            provider_id: &provider_id,
            provider,
            api_key,
            status,
            account,
            limits: LimitOverrides::default(),
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
            store.trigger_sync(&sync, false).await?;
        } else {
            // Not asked for: its own schedule may run it later.
            store.postpone_sync(&sync).await?;
        }
    }
    let engine = parts.engine(EngineConfig {
        worker_name: compose::worker_name("sync", &*parts.clock, &parts.ids),
        only_connection: Some(connection.id.clone()),
        ..EngineConfig::default()
    });
    let mut progress = Progress::new(objects, quiet);
    // A run that has to wait goes on in one of these rounds, when its window has opened.
    let work = async {
        loop {
            engine.work_off().await?;
            let watched = look(parts, connection, objects).await?;
            if watched.len() == objects.len() && watched.iter().all(Watched::is_done) {
                return Ok::<_, anyhow::Error>(watched);
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    let watch = async {
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            if let Ok(watched) = look(parts, connection, objects).await {
                progress.show(&watched);
            }
        }
    };
    let done = tokio::select! {
        done = work => done?,
        () = watch, if !quiet => unreachable!("the watch never ends"),
    };
    progress.show(&done);
    Ok(done.into_iter().filter_map(|one| one.run).collect())
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
    let tenant = parts.store.tenant(&connection.application_id);
    Ok(tenant.list_syncs(&filter, &all).await?)
}

/// The syncs of the objects, each with its newest run.
async fn look(
    parts: &Parts,
    connection: &Connection,
    objects: &[Object],
) -> anyhow::Result<Vec<Watched>> {
    let mut syncs = syncs(parts, connection).await?;
    syncs.retain(|sync| objects.contains(&sync.object));
    let tenant = parts.store.tenant(&connection.application_id);
    let runs = tenant.last_runs(&syncs).await?;
    Ok(syncs
        .into_iter()
        .map(|sync| Watched {
            run: runs.iter().find(|run| run.sync_id == sync.id).cloned(),
            sync,
        })
        .collect())
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
            deleted: run.counters.records_deleted,
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
            "{:>16} {:>7} records: {} new, {} changed, {} unchanged, {} deleted, {} rejected",
            object.as_str(),
            own.records,
            own.created,
            own.updated,
            own.unchanged,
            own.deleted,
            own.rejected
        );
    }
    println!(
        "{} records in {:.2} s ({:.0} records/s), {} requests",
        summary.records, summary.seconds, summary.records_per_second, summary.requests
    );
    Ok(())
}
