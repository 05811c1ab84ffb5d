//! The providers side by side: as many contacts and their sequence states from each, by a service that
//! a customer's backend has connected, and once more without changes.

use std::{path::Path, time::Duration};

use anyhow::{Context, ensure};
use chrono::{DateTime, Utc};
use reqwest::Method;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};

use crate::{
    database::{Database, Server},
    service::Service,
    simulator::{APOLLO, OUTREACH, Provider, SALESLOFT, Simulator},
    sync::{Syncline, per_second},
};

const CUSTOMER: &str = "bench";
const OBJECTS: [&str; 2] = ["contact", "sequence_state"];
/// How often the runs are looked at: their own times are measured.
const LOOK_EVERY: Duration = Duration::from_millis(100);
const WITHIN: Duration = Duration::from_mins(10);

/// What was measured of one provider.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rates {
    pub(crate) provider: &'static str,
    pub(crate) sqlite: Both,
    pub(crate) postgres: Both,
    /// Of one pass.
    pub(crate) requests: i64,
}

/// Records per second of the first pass and of the unchanged one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Both {
    pub(crate) first: f64,
    pub(crate) unchanged: f64,
}

#[derive(Deserialize)]
struct Runs {
    results: Vec<Run>,
}

#[derive(Deserialize)]
struct Run {
    status: String,
    start_timestamp: DateTime<Utc>,
    end_timestamp: Option<DateTime<Utc>>,
    num_records_synced: Option<i64>,
    error_message: Option<String>,
}

/// One round over all providers.
pub(crate) async fn run(
    number: u32,
    program: &Path,
    contacts: u32,
    server: &Server,
    scratch: &Path,
) -> anyhow::Result<Vec<Rates>> {
    let mut rates = Vec::new();
    for provider in [APOLLO, OUTREACH, SALESLOFT] {
        let dir = tempfile::tempdir_in(scratch)?;
        let database = Database::sqlite(&dir.path().join("syncline.db"));
        let (sqlite, _) = passes(&database, (provider, program, contacts), scratch).await?;
        let name = format!("bench_{}_{}_{number}", provider.name, std::process::id());
        let database = Database::Postgres(server.create(&name).await?);
        let (postgres, requests) =
            passes(&database, (provider, program, contacts), scratch).await?;
        server.drop(&name).await?;
        rates.push(Rates {
            provider: provider.name,
            sqlite,
            postgres,
            requests,
        });
    }
    Ok(rates)
}

/// The rates of both passes, and the requests of the first one.
async fn passes(
    database: &Database,
    (provider, program, contacts): (Provider, &Path, u32),
    scratch: &Path,
) -> anyhow::Result<(Both, i64)> {
    // A simulator of its own: providers give a user new tokens once a minute.
    let simulator = Simulator::of(provider, program, contacts, 1).await?;
    let syncline = Syncline::new(program.to_owned(), &simulator, scratch);
    let home = tempfile::tempdir_in(scratch)?;
    let service = syncline.whole_service(&database.url(), home.path());
    let service = Service::start(service).await?;
    connect(&service, simulator.provider).await?;
    let first = pass(&service, &simulator, 1).await?;
    let requests = simulator.page_requests().await?;
    let mark = database.mark().await?;
    for object in OBJECTS {
        let body = json!({
            "object_type": "common", "object": object, "perform_full_refresh": true,
        });
        let whose = (CUSTOMER, simulator.provider.name);
        service
            .send_for(whose, "/mgmt/v2/syncs/_trigger", &body)
            .await?;
    }
    let unchanged = pass(&service, &simulator, 2).await?;
    let written = database.written_since(&mark).await?;
    ensure!(
        written == 0,
        "{}, {}: a sync without changes wrote {written} row versions",
        simulator.provider.name,
        database.name()
    );
    service.stop().await?;
    Ok((Both { first, unchanged }, requests))
}

/// Enables the provider, and connects a customer.
async fn connect(service: &Service, provider: Provider) -> anyhow::Result<()> {
    let name = provider.name;
    let config = json!({
        "destination_name": "Syncline", "provider_name": name,
        "config": {
            "default_config": {"period_ms": 86_400_000, "strategy": "full only"},
            "common_objects": OBJECTS.map(|object| json!({"object": object})),
        },
    });
    let customer = json!({"customer_id": CUSTOMER, "name": "Bench", "email": "bench@example.com"});
    let connection = if provider == APOLLO {
        let configs: Vec<Value> = get(service, "/mgmt/v2/sync_configs").await?;
        let id = configs.first().and_then(|config| config["id"].as_str());
        let path = format!(
            "/mgmt/v2/sync_configs/{}",
            id.context("Apollo is configured")?
        );
        service.send(Method::PUT, &path, &config).await?;
        json!({
            "provider_name": name, "category": "engagement", "api_key": Simulator::API_KEY,
        })
    } else {
        let enabling = json!({
            "category": "engagement", "auth_type": "oauth2", "name": name,
            "config": {
                "provider_app_id": "", "use_managed_oauth": false,
                "oauth": {
                    "oauth_scopes": [],
                    "credentials": {
                        "oauth_client_id": format!("sim-{name}-client"),
                        "oauth_client_secret": format!("sim-{name}-secret"),
                    },
                },
            },
        });
        service
            .send(Method::POST, "/mgmt/v2/providers", &enabling)
            .await?;
        service
            .send(Method::POST, "/mgmt/v2/sync_configs", &config)
            .await?;
        json!({
            "provider_name": name, "category": "engagement", "type": "oauth2",
            "refresh_token": format!("sim-{name}-refresh"),
        })
    };
    service
        .send(Method::PUT, "/mgmt/v2/customers", &customer)
        .await?;
    let path = format!("/mgmt/v2/customers/{CUSTOMER}/connections");
    service.send(Method::POST, &path, &connection).await?;
    Ok(())
}

/// Waits for the next run of each object, and returns the records per second of both together.
async fn pass(service: &Service, simulator: &Simulator, number: usize) -> anyhow::Result<f64> {
    let world = simulator.world();
    let ended = async {
        let mut runs = Vec::new();
        for (object, records) in OBJECTS.into_iter().zip([world.contacts, world.states]) {
            let run = run_of(service, object, number).await?;
            ensure!(
                run.status == "SUCCESS" && run.num_records_synced == Some(records),
                "{}: the run of {object} is {} with {:?} records instead of {records}: {:?}",
                simulator.provider.name,
                run.status,
                run.num_records_synced,
                run.error_message
            );
            runs.push(run);
        }
        anyhow::Ok(runs)
    };
    let runs = tokio::time::timeout(WITHIN, ended)
        .await
        .context("the runs did not end within ten minutes")??;
    let began = runs.iter().map(|run| run.start_timestamp).min();
    let ended = runs.iter().filter_map(|run| run.end_timestamp).max();
    let took = ended.context("both have ended")? - began.context("both have begun")?;
    Ok(per_second(
        world.contacts + world.states,
        took.as_seconds_f64(),
    ))
}

/// The object's run of that number, when it has ended.
async fn run_of(service: &Service, object: &str, number: usize) -> anyhow::Result<Run> {
    let path = format!(
        "/mgmt/v2/sync-runs?customer_id={CUSTOMER}&object_type=common&object={object}&page_size=10"
    );
    loop {
        // The newest comes first.
        let mut runs: Runs = get(service, &path).await?;
        let is_there = runs.results.len() >= number;
        if is_there
            && runs
                .results
                .first()
                .is_some_and(|run| run.end_timestamp.is_some())
        {
            return Ok(runs.results.swap_remove(0));
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

async fn get<T: DeserializeOwned>(service: &Service, path: &str) -> anyhow::Result<T> {
    let body = service.get(path).await?;
    serde_json::from_slice(&body)
        .with_context(|| format!("{path}: {}", String::from_utf8_lossy(&body)))
}
