//! `kill -9` in the middle of a scan of Outreach and Salesloft: the next process goes on from the
//! checkpoint, with the cursor or window and the tokens that are stored.

use macro_rules_attribute::apply;
use serde_json::{Value, json};
use syncline_sim::{Match, Simulator};

use super::{OUTREACH, Provider, SALESLOFT};
use crate::support::{API_KEY, CUSTOMER, Database, Process, on_both_databases, syncline};

const PEOPLE: usize = 2_300;

async fn serve(provider: Provider, database: &Database, base_url: &str) -> Process {
    let setting = format!("SYNCLINE_PROVIDERS__{}", provider.name.to_uppercase());
    let mut command = syncline();
    command
        .env("SYNCLINE_API_KEY", API_KEY)
        .env(format!("{setting}__BASE_URL"), base_url)
        .env(
            format!("{setting}__TOKEN_URL"),
            format!("{base_url}/oauth/token"),
        )
        .args(["--database-url", &database.url]);
    Process::start(&mut command, database, base_url).await
}

async fn connect(provider: Provider, process: &Process) {
    process
        .post("/mgmt/v2/providers", &provider.enabling())
        .await;
    let config = json!({
        "provider_name": provider.name, "destination_name": "Syncline",
        "config": {
            "default_config": {"period_ms": 3_600_000, "strategy": "full then incremental"},
            "common_objects": [{"object": "contact"}],
        },
    });
    process.post("/mgmt/v2/sync_configs", &config).await;
    let customer = json!({"customer_id": CUSTOMER, "name": "A", "email": "a@customer.example"});
    process.put("/mgmt/v2/customers", &customer).await;
    let path = format!("/mgmt/v2/customers/{CUSTOMER}/connections");
    process.post(&path, &provider.importing()).await;
}

/// The contacts' run, when it has ended.
async fn ended(process: &Process) -> Value {
    loop {
        let runs = process
            .get("/mgmt/v2/sync-runs?object_type=common&object=contact")
            .await;
        let run = &runs["results"][0];
        if !run["end_timestamp"].is_null() {
            return run.clone();
        }
        tokio::task::yield_now().await;
    }
}

/// Kills the process while its last page is on its way, and lets another one go on.
async fn a_killed_scan_goes_on(
    provider: Provider,
    database: &Database,
    (list, pages): (&str, usize),
) {
    let simulator = Simulator::start((provider.options)(PEOPLE)).await.unwrap();
    let nth = u64::try_from(pages).unwrap();
    let gate = simulator.gate(Match::path(list).nth(nth));
    let mut process = serve(provider, database, &simulator.base_url()).await;
    connect(provider, &process).await;
    gate.arrived(1).await;
    process.kill().await;
    gate.open();
    if database.is_postgres {
        // Its lease expires now, not in half a minute.
        let sql =
            "UPDATE sync_runs SET due_at = '2026-01-01T00:00:00.000Z' WHERE state = 'running'";
        database.execute(sql).await;
    }
    let process = serve(provider, database, &simulator.base_url()).await;
    let run = ended(&process).await;
    assert_eq!(run["status"], "SUCCESS", "{run}");
    assert_eq!(run["num_records_synced"], PEOPLE, "{run}");
    assert_eq!(run["coverage"]["verdict"], "complete", "{run}");
    let asked = simulator.ledger().requests_to(list).len();
    // The last page was not answered, and the one before it may not have been written yet.
    assert!((pages..=pages + 1).contains(&asked), "{asked} pages");
    let tokens = simulator.ledger().requests_to("/oauth/token").len();
    assert_eq!(tokens, 1, "the import: the stored tokens are good");
    let rows = database
        .count("SELECT count(*) FROM engagement_contacts")
        .await;
    assert_eq!(usize::try_from(rows).unwrap(), PEOPLE);
}

#[apply(on_both_databases)]
async fn a_killed_scan_of_outreach_goes_on_from_its_cursor(database: Database) {
    a_killed_scan_goes_on(OUTREACH, &database, ("/api/v2/prospects", 3)).await;
}

#[apply(on_both_databases)]
async fn a_killed_scan_of_salesloft_goes_on_from_its_page(database: Database) {
    a_killed_scan_goes_on(SALESLOFT, &database, ("/v2/people", 23)).await;
}
