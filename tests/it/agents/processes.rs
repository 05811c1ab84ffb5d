//! Real processes: killed while an approved call is made, and several that share an agent's ceiling.

use std::time::Duration;

use futures::future::join_all;
use macro_rules_attribute::apply;
use reqwest::Method;
use serde_json::{Value, json};
use syncline_sim::{Action, Fault, Match, RunningSimulator, Simulator, Team, WireFault};

use crate::support::{
    Answer, App, CUSTOMER, Database, Process, http_client, on_both_databases, quiet_apollo,
};

const CONTACTS: usize = 20;

async fn apollo() -> RunningSimulator {
    Simulator::start(quiet_apollo(CONTACTS)).await.unwrap()
}

/// An agent's key, made by a process.
async fn agent(process: &Process, grants: Value) -> String {
    let body = json!({"name": "of a test", "role": "agent", "grants": grants});
    let created = process.post("/mgmt/v2/api_keys", &body).await;
    created["api_key"].as_str().unwrap().to_owned()
}

async fn call(process: &Process, key: &str, action: &str, input: &Value) -> Answer {
    let address = format!("{}/actions/v2/actions/{action}", process.base);
    let request = http_client()
        .request(Method::POST, address)
        .header("x-api-key", key)
        .header("x-customer-id", CUSTOMER)
        .header("x-provider-name", "apollo")
        .json(input);
    App::answer(request).await
}

fn ada() -> Value {
    json!({"email": "ada@engine.example"})
}

/// A call that waits: the agent's key, and the approval's id.
async fn held(process: &Process) -> (String, String) {
    let key = agent(process, json!({"actions": {"contacts.create": "ask"}})).await;
    let held = call(process, &key, "contacts.create", &ada()).await;
    let id = held.body["approval"]["id"].as_str().unwrap().to_owned();
    (key, id)
}

/// How many contacts there are that no workspace began with.
fn created(apollo: &RunningSimulator) -> usize {
    apollo.read(0, Team::counts).contacts - CONTACTS
}

async fn until_status(process: &Process, id: &str, status: &str) -> Value {
    loop {
        let approval = process.get(&format!("/mgmt/v2/approvals/{id}")).await;
        if approval["status"] == status {
            return approval;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[apply(on_both_databases)]
async fn a_call_whose_process_is_killed_is_not_made_again_and_said_to_have_failed(
    database: Database,
) {
    let apollo = apollo().await;
    let mut process = Process::serve(&database, &apollo.base_url()).await;
    process.connect().await;
    let (key, id) = held(&process).await;
    let silent = Action::Wire(WireFault::Silence);
    apollo
        .faults()
        .push(Fault::new(Match::path("/contacts"), silent).always());
    let approve = process.with_key(
        &format!("/mgmt/v2/approvals/{id}/_approve"),
        "k",
        &json!({}),
    );
    let approving = tokio::spawn(approve.send());
    while created(&apollo) == 0 {
        tokio::task::yield_now().await;
    }
    process.kill().await;
    approving.await.unwrap().unwrap_err();
    apollo.faults().clear();

    // In five minutes its process counts as dead.
    let later = "UPDATE approvals SET running_until = requested_at";
    database.execute(later).await;
    let process = Process::serve(&database, &apollo.base_url()).await;
    let failed = until_status(&process, &id, "failed").await;
    let why = failed["result"]["error"]["title"].as_str().unwrap();
    assert!(
        why.contains("it is not known whether it was carried out"),
        "{why}"
    );
    let told = call(&process, &key, "contacts.create", &ada()).await;
    assert_eq!(told.body["status"], "failed", "{}", told.body);
    assert_eq!(created(&apollo), 1, "it was sent once");
}

#[apply(on_both_databases)]
async fn a_call_that_was_approved_before_a_kill_is_made_by_the_next_process(database: Database) {
    let apollo = apollo().await;
    let mut process = Process::serve(&database, &apollo.base_url()).await;
    process.connect().await;
    let (key, id) = held(&process).await;
    process.kill().await;
    // What a process leaves that is killed between the decision and the call.
    database
        .execute("UPDATE approvals SET status = 'approved', decided_at = requested_at")
        .await;
    let process = Process::serve(&database, &apollo.base_url()).await;
    until_status(&process, &id, "done").await;
    let told = call(&process, &key, "contacts.create", &ada()).await;
    assert_eq!(told.body["status"], "done", "{}", told.body);
    assert_eq!(created(&apollo), 1);
}

#[tokio::test]
async fn three_processes_never_spend_more_than_an_agents_ceiling() {
    let database = Database::postgres().await;
    let apollo = apollo().await;
    let mut processes = Vec::new();
    for _ in 0..3 {
        processes.push(Process::serve(&database, &apollo.base_url()).await);
    }
    processes[0].connect().await;
    let found = json!({"method": "POST", "path": "/api/v1/contacts/search", "body": {}});
    let found = processes[0].post("/actions/v2/passthrough", &found).await;
    let contacts = found["body"]["contacts"].as_array().unwrap();
    let mut emails = contacts
        .iter()
        .filter_map(|contact| contact["email"].as_str());
    let input = json!({"email": emails.next_back().unwrap()});
    let grants = json!({"actions": {"people.enrich": "allow"}, "credits_per_day": 7});
    let key = agent(&processes[0], grants).await;
    let calls = (0..30).map(|number| call(&processes[number % 3], &key, "people.enrich", &input));
    let answers = join_all(calls).await;
    let made = answers.iter().filter(|answer| answer.status == 200).count();
    assert_eq!(made, 7);
    assert!(
        answers
            .iter()
            .all(|answer| [200, 429].contains(&answer.status.as_u16()))
    );
    assert_eq!(apollo.ledger().requests_to("people/match").len(), 7);
}
