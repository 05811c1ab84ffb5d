//! The change feed of several processes on one PostgreSQL.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use syncline_sim::Simulator;

use crate::support::{Database, Process, quiet_apollo};

const PROCESSES: usize = 3;
const READERS: usize = 5;
/// Contacts that each writer creates and changes.
const WRITES: usize = 40;

/// A reader's copy: the newest state of each record, by object and id.
type Copy = BTreeMap<(String, String), Value>;

#[tokio::test]
async fn five_readers_have_what_three_processes_write() {
    let database = Database::postgres().await;
    let apollo = Simulator::start(quiet_apollo(400)).await.unwrap();
    let mut processes = Vec::new();
    for _ in 0..PROCESSES {
        processes.push(Process::serve(&database, &apollo.base_url()).await);
    }
    processes[0].connect().await;
    // Syncs and writers are at work while the readers read, each at another process and pace.
    let writers = futures::future::join_all((0..PROCESSES).map(|n| write(&processes[n], n)));
    let (done, is_done) = tokio::sync::watch::channel(false);
    let readers = (0..READERS).map(|n| {
        let process = &processes[n % PROCESSES];
        read_along(process, 1 + 37 * n, is_done.clone())
    });
    let readers = futures::future::join_all(readers);
    let writing = async {
        writers.await;
        processes[0].until_synced().await;
        done.send_replace(true);
    };
    let (copies, ()) = tokio::join!(readers, writing);
    let truth = tables(&processes[1]).await;
    assert!(truth.len() > 400 + PROCESSES * WRITES);
    for (n, copy) in copies.into_iter().enumerate() {
        assert_eq!(copy.len(), truth.len(), "reader {n}");
        for (key, row) in &truth {
            assert_eq!(copy.get(key), Some(row), "reader {n} has {key:?}");
        }
    }
}

/// Creates contacts, and changes each.
async fn write(process: &Process, writer: usize) {
    for n in 0..WRITES {
        let email = format!("w{writer}.{n}@engine.example");
        let body = json!({"record": {"first_name": "Ada", "last_name": format!("Of {writer}"),
            "email_addresses": [{"email_address": email}]}});
        let created = process.post("/engagement/v2/contacts", &body).await;
        let id = created["record"]["id"].as_str().unwrap();
        let body = json!({"record": {"job_title": format!("Number {n}")}});
        process
            .patch(&format!("/engagement/v2/contacts/{id}"), &body)
            .await;
    }
}

/// Reads until everything was written and nothing is left. The order must never go back.
async fn read_along(
    process: &Process,
    limit: usize,
    is_done: tokio::sync::watch::Receiver<bool>,
) -> Copy {
    let mut copy = Copy::new();
    let mut cursor = String::new();
    let mut newest = String::new();
    loop {
        let was_done = *is_done.borrow();
        let path = format!("/engagement/v2/changes?limit={limit}&wait=1{cursor}");
        let page = process.get(&path).await;
        let changes = page["changes"].as_array().unwrap();
        for change in changes {
            let changed_at = change["changed_at"].as_str().unwrap().to_owned();
            assert!(changed_at >= newest, "{changed_at} came after {newest}");
            newest = changed_at;
            let key = |field: &str| change[field].as_str().unwrap().to_owned();
            copy.insert((key("object"), key("id")), change["record"].clone());
        }
        cursor = format!("&cursor={}", page["next_cursor"].as_str().unwrap());
        if was_done && changes.is_empty() {
            return copy;
        }
    }
}

async fn tables(process: &Process) -> Copy {
    let mut rows = Copy::new();
    for (list, object) in crate::engagement::LISTS {
        let mut cursor = String::new();
        loop {
            let path = format!(
                "/engagement/v2/{list}?read_from_cache=true&include_deleted_data=true&page_size=1000{cursor}"
            );
            let page = process.get(&path).await;
            for row in page["records"].as_array().unwrap() {
                let id = row["id"].as_str().unwrap().to_owned();
                rows.insert((object.to_owned(), id), row.clone());
            }
            match page["pagination"]["next"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
    }
    rows
}
