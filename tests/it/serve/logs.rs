//! What the log says about runs: the customer and object, what went wrong, and what happens next.

use macro_rules_attribute::apply;
use serde_json::{Value, json};
use syncline_sim::{Action, Fault, Match, Simulator};

use crate::support::{
    API_KEY, CUSTOMER, Database, Process, SCOPED_KEY, on_both_databases, quiet_apollo, syncline,
};

/// The fields that say which run a line is about.
const WHOSE: [&str; 4] = ["customer", "connection", "object", "run"];

/// The log of a process whose customer has a key that may not read everything, and whose provider
/// fails once on a page of contacts; with the ids of its runs and of its connection.
async fn log_of_a_first_sync(database: &Database, format: &str) -> (String, Vec<String>, String) {
    let apollo = Simulator::start(quiet_apollo(120)).await.unwrap();
    let contacts = Match::path("contacts/search").page(2);
    apollo
        .faults()
        .push(Fault::new(contacts, Action::unavailable()));
    let mut command = syncline();
    command
        .env("SYNCLINE_API_KEY", API_KEY)
        .env("SYNCLINE_LOG__FORMAT", format)
        .args(["--database-url", &database.url]);
    let mut process = Process::start(&mut command, database, &apollo.base_url()).await;
    let customer = json!({"customer_id": CUSTOMER, "name": "A", "email": "a@customer.example"});
    process.put("/mgmt/v2/customers", &customer).await;
    let connection =
        json!({"provider_name": "apollo", "category": "engagement", "api_key": SCOPED_KEY});
    let path = format!("/mgmt/v2/customers/{CUSTOMER}/connections");
    let connection = process.post(&path, &connection).await;
    process.until_synced().await;
    let runs = process.get("/mgmt/v2/sync-runs").await;
    let runs = runs["results"].as_array().unwrap().iter();
    let runs = runs
        .map(|run| run["id"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(process.terminate().await, Some(0));
    let (_, log) = process.output().await;
    (log, runs, connection["id"].as_str().unwrap().to_owned())
}

#[apply(on_both_databases)]
async fn every_line_about_a_run_says_whose_it_is(database: Database) {
    let (log, runs, connection) = log_of_a_first_sync(&database, "json").await;
    let lines: Vec<Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let about_runs: Vec<&Value> = lines
        .iter()
        .filter(|line| {
            line["target"]
                .as_str()
                .unwrap()
                .starts_with("syncline_engine")
        })
        .collect();
    assert!(
        about_runs.len() > 10,
        "each of five readings begins and ends: {log}"
    );
    for line in &about_runs {
        let span = &line["span"];
        assert_eq!(span["customer"], CUSTOMER, "{line}");
        assert_eq!(span["connection"], connection, "{line}");
        assert!(span["object"].is_string(), "{line}");
        for id in span["run"].as_str().unwrap().split(',') {
            assert!(runs.iter().any(|run| run == id), "{line}");
        }
    }
    let said = |level: &str, words: &[&str]| {
        about_runs
            .iter()
            .filter(|line| line["level"] == level)
            .any(|line| {
                let message = line["fields"]["message"].as_str().unwrap();
                words.iter().all(|word| message.contains(word))
            })
    };
    assert!(
        said("WARN", &["retrying page 2 of contacts in 1s", "503"]),
        "{log}"
    );
    assert!(
        said("WARN", &["of users failed", "not authorized", "once a day"]),
        "{log}"
    );
    assert!(said("INFO", &["read 120 contacts"]), "{log}");
    let others = lines.iter().filter(|line| line["span"].is_null());
    for line in others {
        let message = line["fields"]["message"].as_str().unwrap();
        let of_the_process = ["listening on", "shutting down", "Worker serve-"]
            .iter()
            .any(|it| message.contains(it));
        assert!(of_the_process, "nobody knows whose this is: {line}");
    }
}

#[tokio::test]
async fn the_text_of_a_line_about_a_run_says_whose_it_is() {
    let (log, runs, connection) = log_of_a_first_sync(&Database::sqlite(), "text").await;
    let about_runs: Vec<&str> = log
        .lines()
        .filter(|line| line.contains("contacts"))
        .collect();
    assert!(about_runs.len() >= 3, "{log}");
    for line in about_runs {
        for field in WHOSE {
            assert!(line.contains(&format!("{field}=\"")), "{field}: {line}");
        }
        assert!(line.contains(&format!("customer=\"{CUSTOMER}\"")), "{line}");
        assert!(line.contains(&connection), "{line}");
        assert!(runs.iter().any(|run| line.contains(run)), "{line}");
    }
}
