//! Policies are carried out by whichever process is there.

use macro_rules_attribute::apply;
use reqwest::Method;
use serde_json::{Value, json};
use syncline_sim::Simulator;

use crate::support::{App, CUSTOMER, Database, Process, on_both_databases, quiet_apollo};

const CONTACTS: usize = 5000;
const WITH_RAW_DATA: &str =
    "SELECT count(*) FROM engagement_contacts WHERE CAST(raw_data AS text) <> 'null'";

/// Sets what is stored of contacts.
async fn set_policy(process: &Process, policy: Value) {
    let config = process.get("/mgmt/v2/sync_configs").await[0].clone();
    let mut body = config["config"].clone();
    for entry in body["common_objects"].as_array_mut().unwrap() {
        if entry["object"] == "contact" {
            *entry = json!({"object": "contact", "store": policy});
        }
    }
    let path = format!("/mgmt/v2/sync_configs/{}", config["id"].as_str().unwrap());
    process.put(&path, &json!({"config": body})).await;
}

async fn until_carried_out(database: &Database) {
    while database.count("SELECT count(*) FROM store_tasks").await > 0 {
        tokio::task::yield_now().await;
    }
}

#[apply(on_both_databases)]
async fn a_policy_is_carried_out_to_its_end_after_kill_9(database: Database) {
    let apollo = Simulator::start(quiet_apollo(CONTACTS)).await.unwrap();
    let mut process = Process::serve(&database, &apollo.base_url()).await;
    process.connect().await;
    process.until_synced().await;
    let all = database.count(WITH_RAW_DATA).await;
    set_policy(&process, json!("common")).await;
    while database.count(WITH_RAW_DATA).await == all {
        tokio::task::yield_now().await;
    }
    process.kill().await;
    let left = database.count(WITH_RAW_DATA).await;
    assert!(left > 0 && left < all, "{left} of {all}");
    let _process = Process::serve(&database, &apollo.base_url()).await;
    until_carried_out(&database).await;
    assert_eq!(database.count(WITH_RAW_DATA).await, 0);
}

#[tokio::test]
async fn two_processes_share_the_work() {
    let database = Database::postgres().await;
    let apollo = Simulator::start(quiet_apollo(CONTACTS)).await.unwrap();
    let one = Process::serve(&database, &apollo.base_url()).await;
    let other = Process::serve(&database, &apollo.base_url()).await;
    one.connect().await;
    one.until_synced().await;
    let all = database
        .count("SELECT count(*) FROM engagement_contacts")
        .await;
    set_policy(&other, json!("common")).await;
    until_carried_out(&database).await;
    assert_eq!(database.count(WITH_RAW_DATA).await, 0);
    assert_eq!(
        database
            .count("SELECT count(*) FROM engagement_contacts")
            .await,
        all
    );
    set_policy(&one, json!("none")).await;
    until_carried_out_but_results(&database).await;
    assert_eq!(
        database
            .count("SELECT count(*) FROM engagement_contacts")
            .await,
        0
    );
}

#[apply(on_both_databases)]
async fn the_log_tells_nothing_of_an_erased_person(database: Database) {
    let apollo = Simulator::start(quiet_apollo(5)).await.unwrap();
    let mut process = Process::serve(&database, &apollo.base_url()).await;
    process.connect().await;
    process.until_synced().await;
    let record = json!({
        "first_name": "Zqmarkerqz", "last_name": "Zqmarkerqzson",
        "email_addresses": [
            {"email_address": "lin.zqmarkerqz@heron.example", "email_address_type": "primary"}
        ],
    });
    process
        .post("/engagement/v2/contacts", &json!({"record": record}))
        .await;
    let path =
        format!("/mgmt/v2/customers/{CUSTOMER}/records?email=lin.zqmarkerqz%40heron.example");
    let erased = App::answer(process.of_customer(Method::DELETE, &path, CUSTOMER)).await;
    assert_eq!(erased.ok()["records"][0]["object"], "contact");
    process.terminate().await;
    let (out, log) = process.output().await;
    assert!(log.contains("listening on"));
    assert!(
        !format!("{out}{log}").to_lowercase().contains("zqmarkerqz"),
        "{log}"
    );
}

/// What is left looks after the results of enrichment, again and again.
async fn until_carried_out_but_results(database: &Database) {
    let sql = "SELECT count(*) FROM store_tasks WHERE connection_id IS NOT NULL";
    while database.count(sql).await > 0 {
        tokio::task::yield_now().await;
    }
}
