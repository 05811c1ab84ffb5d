//! `syncline demo`: what it shows, and the commands that it prints for the next steps.

use std::process::Stdio;

use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
};

use crate::support::syncline;

#[tokio::test]
async fn the_demo_syncs_three_customers_and_ends_with_status_0() {
    let output = syncline()
        .args(["demo", "--exit", "--listen", "127.0.0.1:0"])
        .output()
        .await
        .unwrap();
    let out = String::from_utf8(output.stdout).unwrap();
    let err = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{out}{err}");
    for words in [
        "brightwater",
        "Outreach",
        "Apollo",
        "Salesloft",
        "contacts",
        "2,500",
        "records/s",
        "requests",
    ] {
        assert!(out.contains(words), "{words} is missing in {out}");
    }
    let done = err.lines().filter(|line| line.ends_with(" records"));
    assert_eq!(
        done.count(),
        17,
        "a line for each sync where no bar can be drawn: {err}"
    );
    assert!(!out.contains("curl"), "nobody is there any more: {out}");
}

#[tokio::test]
async fn the_demo_shows_a_change_a_deletion_a_webhook_and_what_is_left_of_the_hour() {
    let output = syncline()
        .args(["demo", "--exit", "--listen", "127.0.0.1:0", "--seed", "7"])
        .output()
        .await
        .unwrap();
    let out = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{out}");
    let line = |name: &str| {
        let found = out.lines().find(|line| line.trim_start().starts_with(name));
        found.unwrap_or_else(|| panic!("no line says {name}: {out}"))
    };
    assert!(line("updated").ends_with("is now Chief Robot Officer"));
    assert!(line("deleted").contains("Apollo says: "), "{out}");
    let counted = line("counted");
    assert!(
        counted.contains("1 updated, 1 marked as deleted, 638 unchanged"),
        "{counted}"
    );
    assert!(line("webhook").contains("sync.complete SUCCESS, its signature verified"));
    assert!(line("budget").contains("of 10,000 records of this hour are left"));
}

#[tokio::test]
async fn every_line_that_the_demo_prints_to_go_on_with_works() {
    let mut demo = syncline()
        .args(["demo", "--listen", "127.0.0.1:0"])
        .spawn()
        .unwrap();
    let printed = until_serving(&mut demo).await;
    let commands = commands(&printed);
    assert_eq!(commands.len(), 5, "{printed}");
    for command in &commands {
        let answer = run(command).await;
        if let Some(sql) = command.trim_start().strip_prefix("sqlite3") {
            assert!(answer.contains("brightwater|2500"), "{sql}: {answer}");
            assert!(answer.contains("fernhill|639"), "{sql}: {answer}");
            continue;
        }
        let answer: Value = serde_json::from_str(&answer).expect(&answer);
        let records = answer["records"].as_array().map(Vec::len);
        match command {
            it if it.contains("page_size=2") => assert_eq!(records, Some(2)),
            it if it.contains("modified_after") => assert_eq!(records, Some(2), "{answer}"),
            it if it.contains("_trigger") => assert_eq!(answer["object"], "contact"),
            _ => assert_eq!(answer["total_count"], 17),
        }
    }
    let docs = printed
        .lines()
        .find_map(|line| line.split_once("API: "))
        .expect(&printed);
    let page = run(&format!("curl --location {}", docs.1)).await;
    assert!(page.contains("<title>Syncline API</title>"), "{page}");
    assert_eq!(interrupt(demo).await, Some(0));
}

/// Returns what it prints until it serves.
async fn until_serving(demo: &mut Child) -> String {
    let mut lines = BufReader::new(demo.stdout.take().unwrap()).lines();
    let mut printed = String::new();
    while let Some(line) = lines.next_line().await.unwrap() {
        printed.push_str(&line);
        printed.push('\n');
        if line.starts_with("Serving until Ctrl-C") {
            return printed;
        }
    }
    panic!("it does not serve: {printed}");
}

/// The indented paragraphs that a user would paste.
fn commands(printed: &str) -> Vec<String> {
    let is_command = |it: &&str| it.starts_with("  curl ") || it.starts_with("  sqlite3 ");
    let paragraphs = printed.split("\n\n");
    paragraphs.filter(is_command).map(str::to_owned).collect()
}

async fn run(command: &str) -> String {
    let script = format!(
        "curl() {{ command curl --silent --show-error --fail-with-body --noproxy '*' \"$@\"; }}\n\
         {command}"
    );
    let output = Command::new("bash")
        .args(["-euc", &script])
        .stdin(Stdio::null())
        .output()
        .await
        .unwrap();
    let out = String::from_utf8(output.stdout).unwrap();
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command}: {out}{err}");
    out
}

async fn interrupt(mut demo: Child) -> Option<i32> {
    let pid = demo.id().unwrap().to_string();
    let sent = Command::new("kill").args(["-INT", &pid]).status().await;
    assert!(sent.unwrap().success());
    demo.wait().await.unwrap().code()
}
