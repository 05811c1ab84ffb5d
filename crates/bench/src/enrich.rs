//! Enrichment jobs: leads per second with one key and with four of other teams, at a provider whose
//! answers take some time, and how much memory the service needs for it.

use std::{
    fmt,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use futures::{StreamExt, TryStreamExt, stream};
use reqwest::Method;
use serde::Deserialize;
use serde_json::json;

use crate::{
    cost,
    database::{Database, Server},
    service::Service,
    simulator::{APOLLO, Simulator},
    sync::Syncline,
    table::Table,
};

const KEYS: [u32; 2] = [1, 4];
/// The most leads of a request.
const BATCH: f64 = 10.0;
const AT_ONCE: usize = 64;
const CUSTOMER: (&str, &str) = ("default", "apollo");

/// The measurements of both databases.
pub(crate) struct Report {
    leads: u32,
    latency_ms: u32,
    jobs: Vec<Measured>,
}

struct Measured {
    database: &'static str,
    keys: u32,
    took: Duration,
    /// The service's memory, before and after.
    resident: [Option<u64>; 2],
}

#[derive(Deserialize)]
struct Job {
    id: String,
    state: String,
    matched: i64,
    error: Option<String>,
}

pub(crate) async fn run(
    leads: u32,
    latency_ms: u32,
    program: &Path,
    server: &Server,
    scratch: &Path,
) -> anyhow::Result<Report> {
    let teams = KEYS[1];
    let simulator = Simulator::with_latency(APOLLO, program, (5, teams), latency_ms).await?;
    simulator.set_credits(teams, 1_000_000).await?;
    know_leads(&simulator, teams, leads).await?;
    let syncline = Syncline::new(program.to_owned(), &simulator, scratch);
    let mut jobs = Vec::new();
    for keys in KEYS {
        let dir = tempfile::tempdir_in(scratch)?;
        let sqlite = Database::sqlite(&dir.path().join("syncline.db"));
        jobs.push(measure(&sqlite, &syncline, (keys, leads), scratch).await?);
        let name = format!("enrich_{}_{keys}", std::process::id());
        let postgres = Database::Postgres(server.create(&name).await?);
        jobs.push(measure(&postgres, &syncline, (keys, leads), scratch).await?);
        server.drop(&name).await?;
    }
    jobs.sort_by_key(|job| job.database);
    Ok(Report {
        leads,
        latency_ms,
        jobs,
    })
}

/// Makes the same people in every team.
async fn know_leads(simulator: &Simulator, teams: u32, leads: u32) -> anyhow::Result<()> {
    let all = (0..teams).flat_map(|team| (0..leads).map(move |lead| (team, lead)));
    let made = stream::iter(all).map(|(team, lead)| async move {
        let contact = json!({
            "first_name": format!("Ines{lead}"), "last_name": "Heron", "email": email(lead),
        });
        simulator.make_contact(team, &contact).await
    });
    made.buffer_unordered(AT_ONCE).try_collect::<()>().await
}

fn email(lead: u32) -> String {
    format!("lead{lead}@heron.example")
}

async fn measure(
    database: &Database,
    syncline: &Syncline,
    (keys, leads): (u32, u32),
    scratch: &Path,
) -> anyhow::Result<Measured> {
    let url = database.url();
    cost::of(&syncline.connect_command(&url)).await?;
    let home = tempfile::tempdir_in(scratch)?;
    let service = Service::start(syncline.whole_service(&url, home.path())).await?;
    for team in 1..keys {
        let path = "/mgmt/v2/customers/default/connections/apollo/keys";
        let key = json!({"api_key": Simulator::key_of(team), "label": format!("team {team}")});
        service.send(Method::POST, path, &key).await?;
    }
    let people = (0..leads).map(|lead| json!({"email": email(lead)}));
    let list = json!({"people": people.collect::<Vec<_>>()});
    let before = service.resident_bytes();
    let began = Instant::now();
    let answer = service.send_for(CUSTOMER, "/enrichment/v2/jobs", &list);
    let created: Job = serde_json::from_slice(&answer.await?).context("no job")?;
    let path = format!("/enrichment/v2/jobs/{}", created.id);
    let job = loop {
        let job: Job = serde_json::from_slice(&service.get(&path).await?).context("no job")?;
        match job.state.as_str() {
            "queued" | "running" | "waiting" => tokio::time::sleep(Duration::from_millis(20)).await,
            _ => break job,
        }
    };
    let took = began.elapsed();
    ensure!(
        job.state == "succeeded" && job.matched == i64::from(leads),
        "the job ended as {} with {} matched: {:?}",
        job.state,
        job.matched,
        job.error
    );
    let resident = [before, service.resident_bytes()];
    service.stop().await?;
    Ok(Measured {
        database: database.name(),
        keys,
        took,
        resident,
    })
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} leads at {} ms a call, ten in each; one key alone can't ask for more than {:.0}/s",
            self.leads,
            self.latency_ms,
            BATCH * 1000.0 / f64::from(self.latency_ms.max(1))
        )?;
        let mut table = Table::new(&[
            "database",
            "keys",
            "leads/s",
            "× one key",
            "MB before, after",
        ]);
        for job in &self.jobs {
            let rate = |job: &Measured| f64::from(self.leads) / job.took.as_secs_f64();
            let alone = self.jobs.iter();
            let mut alone = alone.filter(|it| it.database == job.database && it.keys == 1);
            let ratio = alone.next().map_or(1.0, |alone| rate(job) / rate(alone));
            let megabytes = |bytes: Option<u64>| {
                bytes.map_or_else(|| "?".to_owned(), |it| (it / 1_000_000).to_string())
            };
            table.row([
                job.database.to_owned(),
                job.keys.to_string(),
                format!("{:.0}", rate(job)),
                format!("{ratio:.2}"),
                job.resident.map(megabytes).join(", "),
            ]);
        }
        write!(f, "{table}")
    }
}
