//! The commands in the pages for people who need help: each block is run, with a customer that is
//! connected, a run, a webhook endpoint and the ids that the page uses.

use std::path::PathBuf;

use reqwest::Method;
use serde_json::{Value, json};
use syncline_sim::Simulator;
use tokio::process::Command;

use crate::support::{
    API_KEY, App, Database, MASTER_KEY, Process, Receiver, quiet_apollo, shell, syncline,
};

/// The customer in the pages' examples.
const CUSTOMER: &str = "acme";

#[tokio::test]
async fn the_commands_for_troubleshooting_work() {
    assert!(run_blocks("docs/troubleshooting.md").await > 15);
}

#[tokio::test]
async fn the_commands_for_moving_from_supaglue_work() {
    assert!(run_blocks("docs/moving-from-supaglue.md").await > 5);
}

#[tokio::test]
async fn the_commands_for_the_forecast_enrichment_magic_links_passthrough_and_webhooks_work() {
    for (page, blocks) in [
        ("docs/agents.md", 6),
        ("docs/console.md", 1),
        ("docs/enrichment.md", 4),
        ("docs/magic-links.md", 1),
        ("docs/passthrough.md", 3),
        ("docs/webhooks.md", 3),
    ] {
        assert_eq!(run_blocks(page).await, blocks, "{page}");
    }
}

/// A stream goes on until somebody ends it.
#[tokio::test]
async fn the_commands_of_the_pages_on_changes_and_destinations_work() {
    let ended = |script: String| {
        if script.contains("/_stream") {
            let ended = script.replace("curl -N", "timeout 2 curl -N");
            return format!("{} || test $? = 124\n", ended.trim_end());
        }
        script
    };
    assert_eq!(run_blocks_as("docs/changes.md", ended).await, 2);
    assert_eq!(run_blocks("docs/destinations.md").await, 1);
}

#[tokio::test]
async fn the_commands_of_the_page_on_scim_work() {
    assert_eq!(run_blocks("docs/scim.md").await, 1);
}

/// The backup is restored to another directory, because the service is at work in its own.
#[tokio::test]
async fn the_commands_of_the_page_on_settings_work() {
    let here = |script: String| {
        let elsewhere = "mkdir restored
            cp \"$SYNCLINE_DATA_DIR/encryption.key\" restored
            env -u SYNCLINE_DATABASE_URL SYNCLINE_DATA_DIR=restored syncline restore";
        let id = "\"$(syncline keys list | grep dashboard | cut -d ' ' -f 1)\"";
        script
            .replace("/backups/", "./")
            .replace("syncline restore", elsewhere)
            .replace("keys revoke ID", &format!("keys revoke {id}"))
    };
    assert_eq!(run_blocks_as("docs/configuration.md", here).await, 4);
}

/// With fewer seeds, days and contacts, which would take minutes.
#[tokio::test]
async fn the_commands_of_the_page_on_the_simulation_work() {
    let small = |script: String| {
        script
            .replace("--seeds 50", "--seeds 2")
            .replace("--days 30 --contacts 3000", "--days 2 --contacts 300")
    };
    assert_eq!(run_blocks_as("docs/simulation.md", small).await, 1);
}

async fn run_blocks(page: &str) -> usize {
    run_blocks_as(page, |script| script).await
}

/// Runs a page's shell blocks in one shell, as `adapt` changes them, and returns how many there were.
async fn run_blocks_as(page: &str, adapt: impl Fn(String) -> String) -> usize {
    let text = std::fs::read_to_string(root().join(page)).unwrap();
    let parts = text.split("```sh\n").skip(1);
    let blocks: Vec<&str> = parts
        .filter_map(|it| Some(it.split_once("```")?.0))
        .collect();

    let apollo = Simulator::start(quiet_apollo(20)).await.unwrap();
    let database = Database::sqlite();
    let mut command = syncline();
    command
        .env("SYNCLINE_API_KEY", API_KEY)
        .env("SYNCLINE_WEBHOOKS__ALLOW_PRIVATE_TARGETS", "true");
    let process = Process::start(&mut command, &database, &apollo.base_url()).await;
    let receiver = Receiver::start().await;
    let endpoint = json!({"url": receiver.url()});
    let endpoint = process.post("/mgmt/v2/webhook_endpoints", &endpoint).await;
    let mut command = shell_of(&database, &apollo.base_url());
    command.env("ENDPOINT", text_of(&endpoint, "id"));
    let customer = json!({"customer_id": CUSTOMER, "name": "Acme", "email": "ops@acme.example"});
    process.put("/mgmt/v2/customers", &customer).await;
    // In the page about moving, the page's own commands create the connection.
    if !page.contains("moving") {
        let connection =
            json!({"provider_name": "apollo", "category": "engagement", "api_key": MASTER_KEY});
        let path = format!("/mgmt/v2/customers/{CUSTOMER}/connections");
        process.post(&path, &connection).await;
        let run = process.until_synced().await;
        let contacts = process.of_customer(Method::GET, "/engagement/v2/contacts", CUSTOMER);
        let contacts = App::answer(contacts).await.ok();
        let message = process.get("/mgmt/v2/webhook_messages").await["results"][0].clone();
        command
            .env("RUN", text_of(&run, "id"))
            .env("MESSAGE", text_of(&message, "id"))
            .env("EMAIL", address_of(&contacts["records"]))
            .env("CONTACT", text_of(&contacts["records"][0], "id"));
    }

    let prelude = "set -euo pipefail
        curl() { command curl --silent --show-error --fail-with-body \"$@\"; echo; }\n";
    let script = blocks
        .join("\n")
        .replace("http://localhost:8080", "localhost:8080");
    let script = adapt(script.replace("localhost:8080", &process.base));
    let output = command
        .args(["-c", &format!("{prelude}{script}")])
        .env("OLD", &process.base)
        .output()
        .await
        .unwrap();
    let out = String::from_utf8_lossy(&output.stdout);
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{page}: {out}\n{err}");
    blocks.len()
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn text_of(value: &Value, field: &str) -> String {
    value[field].as_str().unwrap().to_owned()
}

/// The first e-mail address of these contacts.
fn address_of(contacts: &Value) -> String {
    let mut addresses = contacts.as_array().unwrap().iter();
    let first = addresses.find_map(|it| it["email_addresses"][0]["email_address"].as_str());
    first.unwrap().to_owned()
}

/// A shell with the settings of the service.
fn shell_of(database: &Database, apollo: &str) -> Command {
    let mut command = shell();
    command
        .current_dir(database.data_dir())
        .env("SYNCLINE_DATA_DIR", database.data_dir())
        .env("SYNCLINE_DATABASE_URL", &database.url)
        .env("SYNCLINE_PROVIDERS__APOLLO__BASE_URL", apollo)
        .env("NO_PROXY", "*")
        .env("KEY", API_KEY)
        .env("OLD_KEY", API_KEY)
        .env("APOLLO_KEY", MASTER_KEY);
    command
}
