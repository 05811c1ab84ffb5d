//! The real binary: lists in processes that are killed, and on the command line.

use std::{path::Path, time::Duration};

use macro_rules_attribute::apply;
use serde_json::{Value, json};
use syncline_model::{Clock, SystemClock};
use syncline_sim::{Match, RunningSimulator, Simulator};
use tokio::process::{Child, Command};

use super::{jobs::people, know_people};
use crate::support::{
    CUSTOMER, Database, ENCRYPTION_KEY, MASTER_KEY, Process, on_both_databases, quiet_apollo,
    syncline,
};

const LEADS: usize = 2_500;
const JOBS: &str = "/enrichment/v2/jobs";

async fn apollo(people: usize) -> RunningSimulator {
    let apollo = Simulator::start(quiet_apollo(3)).await.unwrap();
    know_people(&apollo, 0, SystemClock::default().now(), people);
    apollo
}

fn charges(apollo: &RunningSimulator) -> usize {
    apollo.simulator().read(0, |team| team.charges().len())
}

/// A process that was killed keeps its leases until they expire; the test makes them expire now.
async fn expire_leases(database: &Database) {
    let sql =
        "UPDATE enrichment_jobs SET due_at = '2026-01-01T00:00:00.000Z' WHERE state = 'running'";
    database.execute(sql).await;
}

async fn until_ended(process: &Process, customer: &str, job: &Value) -> Value {
    let path = format!("{JOBS}/{}", job["id"].as_str().unwrap());
    loop {
        let request = process.of_customer(reqwest::Method::GET, &path, customer);
        let job: Value = request.send().await.unwrap().json().await.unwrap();
        if job["finished_at"].is_string() {
            return job;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[apply(on_both_databases)]
async fn a_list_survives_kill_9_and_pays_for_at_most_one_batch_without_its_answer(
    database: Database,
) {
    let apollo = apollo(LEADS).await;
    let gate = apollo.gate(Match::path("bulk_match").nth(100));
    let mut process = Process::serve(&database, &apollo.base_url()).await;
    process.connect().await;
    let list = json!({"people": people(LEADS)});
    let request = process
        .of_customer(reqwest::Method::POST, JOBS, CUSTOMER)
        .json(&list);
    let job: Value = request.send().await.unwrap().json().await.unwrap();
    gate.arrived(1).await;
    process.kill().await;
    gate.open();
    if database.is_postgres {
        expire_leases(&database).await;
    }
    let process = Process::serve(&database, &apollo.base_url()).await;
    let job = until_ended(&process, CUSTOMER, &job).await;
    assert_eq!(
        (
            &job["state"],
            &job["matched"],
            &job["uncertain"],
            &job["credits_spent"]
        ),
        (
            &json!("succeeded"),
            &json!(LEADS - 10),
            &json!(10),
            &json!(LEADS - 10)
        ),
        "{job}"
    );
    let charges = charges(&apollo);
    assert!(charges == LEADS || charges == LEADS - 10, "{charges}");
    let events = "SELECT count(*) FROM outbox WHERE event_type = 'enrichment.complete'";
    assert_eq!(database.count(events).await, 1);
}

#[tokio::test]
async fn another_process_goes_on_with_a_list_whose_process_was_killed() {
    let database = Database::postgres().await;
    let apollo = apollo(300).await;
    let gate = apollo.gate(Match::path("bulk_match").nth(10));
    let mut first = Process::serve(&database, &apollo.base_url()).await;
    first.connect().await;
    let request = first
        .of_customer(reqwest::Method::POST, JOBS, CUSTOMER)
        .json(&json!({"people": people(300)}));
    let job: Value = request.send().await.unwrap().json().await.unwrap();
    gate.arrived(1).await;
    let second = Process::serve(&database, &apollo.base_url()).await;
    first.kill().await;
    gate.open();
    expire_leases(&database).await;
    let job = until_ended(&second, CUSTOMER, &job).await;
    assert_eq!(
        (&job["state"], &job["matched"], &job["uncertain"]),
        (&json!("succeeded"), &json!(290), &json!(10)),
        "{job}"
    );
}

/// `syncline enrich` on a list of this many people in the database's directory.
fn enrich(database: &Database, apollo: &str, count: usize) -> Command {
    enrich_into(database, apollo, count, &output(database))
}

fn enrich_into(database: &Database, apollo: &str, count: usize, out: &Path) -> Command {
    let list = database.data_dir().join("leads.csv");
    let lines = people(count).into_iter();
    let lines = lines.map(|it| it["email"].as_str().unwrap().to_owned());
    let text: Vec<String> = std::iter::once("Email".to_owned()).chain(lines).collect();
    std::fs::write(&list, text.join("\n")).unwrap();
    let mut command = syncline();
    if database.is_postgres {
        command.env("SYNCLINE_ENCRYPTION_KEY", ENCRYPTION_KEY);
    }
    command
        .arg("enrich")
        .args([Path::new("--in"), &list])
        .args([Path::new("--out"), out])
        .args(["--api-key-env", "KEY", "--json"])
        .env("KEY", MASTER_KEY)
        .env("SYNCLINE_PROVIDERS__APOLLO__BASE_URL", apollo)
        .env("SYNCLINE_DATABASE_URL", &database.url)
        .env("SYNCLINE_DATA_DIR", database.data_dir());
    command
}

fn output(database: &Database) -> std::path::PathBuf {
    database.data_dir().join("enriched.csv")
}

async fn summary(command: &mut Command) -> Value {
    let done = command.output().await.unwrap();
    let text = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(done.status.success(), "{text}");
    serde_json::from_slice(&done.stdout).unwrap()
}

#[apply(on_both_databases)]
async fn the_command_writes_the_list_with_what_is_known_beside_it(database: Database) {
    let apollo = apollo(12).await;
    let summary = summary(&mut enrich(&database, &apollo.base_url(), 13)).await;
    assert_eq!(
        (
            &summary["matched"],
            &summary["not_matched"],
            &summary["credits_spent"]
        ),
        (&json!(12), &json!(1), &json!(12)),
        "{summary}"
    );
    let file = std::fs::read_to_string(output(&database)).unwrap();
    let lines: Vec<&str> = file.lines().collect();
    assert!(lines[0].starts_with("Email,enriched_status,"), "{file}");
    assert!(
        lines[1].starts_with("person0@heron.example,matched,,false,"),
        "{file}"
    );
    assert!(
        lines[13].starts_with("person12@heron.example,not_matched,"),
        "{file}"
    );
}

#[apply(on_both_databases)]
async fn the_command_goes_on_after_ctrl_c_and_after_kill_9_and_pays_for_nothing_twice(
    database: Database,
) {
    let apollo = apollo(60).await;
    // Ctrl-C while the third batch is asked about: it is answered, and its answer stored.
    let gate = apollo.gate(Match::path("bulk_match").nth(3));
    let mut first = spawn(&mut enrich(&database, &apollo.base_url(), 60));
    gate.arrived(1).await;
    interrupt(&first);
    gate.open();
    assert_eq!(first.wait().await.unwrap().code(), Some(1));
    let paid = charges(&apollo);
    assert!((20..=40).contains(&paid), "{paid}");
    let partial = std::fs::read_to_string(output(&database)).unwrap();
    assert_eq!(
        partial.lines().count(),
        61,
        "the file is whole, with what is known so far"
    );
    assert_eq!(partial.matches(",matched,").count(), paid);
    // kill -9 in the batch after that.
    let gate = apollo.gate(Match::path("bulk_match"));
    let mut second = spawn(&mut enrich(&database, &apollo.base_url(), 60));
    gate.arrived(1).await;
    second.kill().await.unwrap();
    gate.open();
    expire_leases(&database).await;
    let summary = summary(&mut enrich(&database, &apollo.base_url(), 60)).await;
    assert_eq!(
        (
            &summary["state"],
            &summary["matched"],
            &summary["uncertain"]
        ),
        (&json!("succeeded"), &json!(50), &json!(10)),
        "{summary}"
    );
    assert!(charges(&apollo) <= 60);
}

#[apply(on_both_databases)]
async fn the_command_stops_at_max_credits_and_goes_on_with_more(database: Database) {
    let apollo = apollo(30).await;
    let url = apollo.base_url();
    let mut limited = enrich(&database, &url, 30);
    let stopped = limited
        .args(["--max-credits", "12"])
        .output()
        .await
        .unwrap();
    let said = String::from_utf8_lossy(&stopped.stderr).into_owned();
    assert_eq!(stopped.status.code(), Some(1));
    assert!(said.contains("max_credits of 12 is reached"), "{said}");
    assert_eq!(charges(&apollo), 12);
    let summary = summary(enrich(&database, &url, 30).args(["--max-credits", "40"])).await;
    assert_eq!(
        (&summary["matched"], &summary["credits_spent"]),
        (&json!(30), &json!(30))
    );
    assert_eq!(charges(&apollo), 30);
}

#[apply(on_both_databases)]
async fn a_command_that_was_stopped_spends_nothing_more_until_it_is_run_again_and_keeps_its_ceiling(
    database: Database,
) {
    let apollo = apollo(60).await;
    let url = apollo.base_url();
    let gate = apollo.gate(Match::path("bulk_match").nth(3));
    let mut first = spawn(&mut enrich(&database, &url, 60));
    gate.arrived(1).await;
    interrupt(&first);
    gate.open();
    first.wait().await.unwrap();
    let paid = charges(&apollo);
    // A service beside it, long after, works on a list of its own only.
    expire_leases(&database).await;
    let process = Process::serve(&database, &url).await;
    let customer = "default";
    let list = json!({"companies": [{"domain": "heron.example"}]});
    let request = process
        .of_customer(reqwest::Method::POST, JOBS, customer)
        .json(&list);
    let other: Value = request.send().await.unwrap().json().await.unwrap();
    until_ended(&process, customer, &other).await;
    drop(process);
    assert!(charges(&apollo) <= paid + 1);
    // Run again, it keeps to the ceiling that it is given now.
    let most = (paid + 5).to_string();
    let mut again = enrich(&database, &url, 60);
    let again = again.args(["--max-credits", &most]).output().await.unwrap();
    let said = String::from_utf8_lossy(&again.stderr).into_owned();
    assert!(said.contains("is reached"), "{said}");
    assert!(charges(&apollo) <= paid + 6, "{paid}, {}", charges(&apollo));
}

#[tokio::test]
async fn results_are_not_written_over_the_list_or_a_link() {
    let database = Database::sqlite();
    let apollo = apollo(1).await;
    let dir = database.data_dir();
    let link = dir.join("link.csv");
    std::fs::create_dir_all(dir).unwrap();
    std::os::unix::fs::symlink(dir.join("elsewhere.csv"), &link).unwrap();
    for (out, reason) in [
        (dir.join("leads.csv"), "is the list itself"),
        (link, "is a link or a device"),
        ("/dev/null".into(), "is a link or a device"),
    ] {
        let mut command = enrich_into(&database, &apollo.base_url(), 1, &out);
        let refused = command.output().await.unwrap();
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(said.contains(reason), "{said}");
        assert_eq!(refused.status.code(), Some(1));
    }
    assert!(apollo.ledger().is_empty());
}

#[tokio::test]
async fn a_list_that_is_none_is_refused_before_anything_is_stored_or_asked() {
    let database = Database::sqlite();
    let apollo = apollo(1).await;
    for (text, reason) in [
        ("telephone\n1\n", "no column has a name that is known"),
        (
            "email\nno address\n",
            "no line can match; the first one: email: must be",
        ),
        ("email,x\na@b.example\n", "line 2 has 1 cells"),
    ] {
        let mut command = enrich(&database, &apollo.base_url(), 1);
        std::fs::write(database.data_dir().join("leads.csv"), text).unwrap();
        let refused = command.output().await.unwrap();
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(said.contains(reason), "{said}");
        assert_eq!(refused.status.code(), Some(1));
    }
    assert!(apollo.ledger().is_empty());
    assert!(!output(&database).exists());
}

fn spawn(command: &mut Command) -> Child {
    command.spawn().unwrap()
}

fn interrupt(process: &Child) {
    let id = process.id().unwrap().to_string();
    let sent = std::process::Command::new("kill")
        .args(["-INT", &id])
        .status();
    assert!(sent.unwrap().success());
}
