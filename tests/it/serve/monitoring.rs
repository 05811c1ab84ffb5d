//! The metrics that docs/monitoring.md, the dashboard and the alerts name are those of a running
//! process.

use std::{collections::BTreeSet, fs, path::Path};

use macro_rules_attribute::apply;
use serde_json::{Value, json};
use syncline_sim::Simulator;
use yaml_rust2::YamlLoader;

use crate::support::{CUSTOMER, Process, on_both_databases, quiet_apollo};

#[apply(on_both_databases)]
async fn every_metric_has_help_and_is_in_the_documents(database: Database) {
    let apollo = Simulator::start(quiet_apollo(5)).await.unwrap();
    let process = Process::serve(&database, &apollo.base_url()).await;
    process.connect().await;
    process.until_synced().await;
    let text = process.get("/metrics").await;
    let text = text.as_str().unwrap();
    let names = names_of(text);
    for name in &names {
        for comment in ["HELP", "TYPE"] {
            assert!(
                text.contains(&format!("# {comment} {name} ")),
                "{comment} of {name}"
            );
        }
    }
    assert!(!text.contains(CUSTOMER), "{text}");
    let document = read("docs/monitoring.md");
    let listed: BTreeSet<&str> = document
        .lines()
        .filter_map(|line| line.strip_prefix("| `syncline_"))
        .map(|rest| rest.split('`').next().unwrap())
        .collect();
    let served: BTreeSet<&str> = names
        .iter()
        .map(|name| name.strip_prefix("syncline_").unwrap())
        .collect();
    assert_eq!(served, listed);
    let board: Value = serde_json::from_str(&read("docs/monitoring/grafana.json")).unwrap();
    for used in [expressions_of(&board), expressions_of_alerts()].concat() {
        let known = named_in(&used)
            .into_iter()
            .all(|name| names.contains(base(&name)));
        assert!(known, "{used} names what nobody serves");
    }
}

#[test]
fn every_alert_says_what_to_do() {
    let alerts = YamlLoader::load_from_str(&read("docs/monitoring/alerts.yaml")).unwrap();
    let rules = alerts[0]["groups"][0]["rules"].as_vec().unwrap();
    assert!(rules.len() >= 6);
    for rule in rules {
        for annotation in ["summary", "action"] {
            let text = rule["annotations"][annotation].as_str().unwrap_or_default();
            assert!(!text.is_empty(), "{annotation} of {rule:?}");
        }
    }
}

fn read(file: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    fs::read_to_string(root.join(file)).unwrap()
}

/// The names of the metric families.
fn names_of(text: &str) -> BTreeSet<String> {
    let samples = text
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty());
    let name = |line: &str| base(line.split(['{', ' ']).next().unwrap()).to_owned();
    samples.map(name).collect()
}

/// The samples of a histogram have suffixes.
fn base(name: &str) -> &str {
    ["_bucket", "_sum", "_count"]
        .iter()
        .find_map(|end| name.strip_suffix(end))
        .unwrap_or(name)
}

fn named_in(expression: &str) -> Vec<String> {
    let words = expression.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words
        .filter(|word| word.starts_with("syncline_"))
        .map(str::to_owned)
        .collect()
}

fn expressions_of(board: &Value) -> Vec<String> {
    let panels = board["panels"].as_array().unwrap().iter();
    let targets = panels.flat_map(|panel| panel["targets"].as_array().unwrap());
    let expressions: Vec<String> = targets
        .map(|target| target["expr"].as_str().unwrap().to_owned())
        .collect();
    assert!(expressions.len() > 10, "{}", json!(expressions));
    expressions
}

fn expressions_of_alerts() -> Vec<String> {
    let alerts = YamlLoader::load_from_str(&read("docs/monitoring/alerts.yaml")).unwrap();
    let rules = alerts[0]["groups"][0]["rules"].as_vec().unwrap().iter();
    rules
        .map(|rule| rule["expr"].as_str().unwrap().to_owned())
        .collect()
}
