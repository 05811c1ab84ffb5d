//! `syncline keys`, while processes serve.

use std::{
    process::Output,
    time::{Duration, Instant},
};

use futures::future::join_all;
use macro_rules_attribute::apply;
use reqwest::StatusCode;
use serde_json::json;
use syncline_sim::Simulator;

use crate::support::{
    API_KEY, Database, ENCRYPTION_KEY, Process, http_client, on_both_databases, quiet_apollo,
    syncline,
};

const CUSTOMERS: &str = "/mgmt/v2/customers";
const PROXIED: &str = "/actions/v2/proxy/api/v1/users/api_profile";
/// How long a process goes on with what another one has changed (guarantee 3.2).
const BELIEVED_FOR: Duration = Duration::from_secs(1);

#[apply(on_both_databases)]
async fn a_key_is_made_listed_and_revoked_beside_a_running_serve(database: Database) {
    let process = Process::serve(&database, "http://127.0.0.1:9").await;
    let key = created(&database, &["--name", "dashboard", "--role", "read-only"]).await;
    assert_eq!(
        status(&process, &key, "GET", "/mgmt/v2/customers").await,
        200
    );
    assert_eq!(
        status(&process, &key, "PUT", "/mgmt/v2/customers").await,
        403
    );
    assert_eq!(
        status(&process, &key, "GET", "/mgmt/v2/api_keys").await,
        403
    );

    let listed = text(&keys(&database, &["list"]).await);
    let line = listed
        .lines()
        .find(|line| line.contains("dashboard"))
        .unwrap();
    assert!(
        line.contains("read-only") && line.contains("default"),
        "{line}"
    );
    assert!(
        !listed.contains(&key) && !listed.contains("sl_"),
        "{listed}"
    );
    assert!(
        listed.lines().next().unwrap().starts_with("ID "),
        "{listed}"
    );
    let id = line.split_whitespace().next().unwrap();

    let use_it = last_use(&process, &key, CUSTOMERS);
    let revoke = async {
        let revoked = keys(&database, &["revoke", id]).await;
        assert!(revoked.status.success(), "{revoked:?}");
        Instant::now()
    };
    let (used, revoked) = tokio::join!(use_it, revoke);
    assert!(used < revoked + BELIEVED_FOR);
    let again = keys(&database, &["revoke", "no-such-id"]).await;
    assert_eq!(again.status.code(), Some(1));
    assert!(said(&again).contains("there is no API key with the id no-such-id"));
}

#[apply(on_both_databases)]
async fn a_key_of_a_new_application_opens_that_one_alone(database: Database) {
    let process = Process::serve(&database, "http://127.0.0.1:9").await;
    let customer = json!({"customer_id": "ours", "name": "Ours", "email": ""});
    process.put("/mgmt/v2/customers", &customer).await;
    let key = created(&database, &["--name", "theirs", "--application", "another"]).await;
    let customers = http_client()
        .get(format!("{}/mgmt/v2/customers", process.base))
        .header("x-api-key", &key)
        .send()
        .await
        .unwrap();
    assert_eq!(customers.text().await.unwrap(), "[]");
    let listed = text(&keys(&database, &["list", "--application", "another"]).await);
    assert_eq!(listed.lines().count(), 2, "{listed}");
    let nowhere = keys(&database, &["list", "--application", "a third"]).await;
    assert!(said(&nowhere).contains("there is no application called a third"));
}

#[apply(on_both_databases)]
async fn rules_given_on_the_command_line_are_kept(database: Database) {
    let apollo = Simulator::start(quiet_apollo(5)).await.unwrap();
    let process = Process::serve(&database, &apollo.base_url()).await;
    process.connect().await;
    process.until_synced().await;
    let rules = [
        "--name",
        "search",
        "--role",
        "read-only",
        "--expires-in-days",
        "1",
        "--allow",
        "post,get /v1/contacts/search",
        "--allow-write",
        "PUT /mgmt/v2/customers",
    ];
    let key = created(&database, &rules).await;
    let proxied = "/actions/v2/proxy/api/v1/contacts/search";
    assert_eq!(status(&process, &key, "POST", proxied).await, 200);
    let other = "/actions/v2/proxy/api/v1/accounts/search";
    assert_eq!(status(&process, &key, "POST", other).await, 403);
    assert_eq!(
        status(&process, &key, "PUT", "/mgmt/v2/customers").await,
        200
    );
    assert_eq!(
        status(&process, &key, "DELETE", "/mgmt/v2/customers/a").await,
        403
    );
    let spender = created(
        &database,
        &["--name", "s", "--role", "passthrough", "--allow-credits"],
    )
    .await;
    let enrich = "/enrichment/v2/persons?email=nobody@nowhere.example";
    assert_eq!(status(&process, &spender, "GET", enrich).await, 404);
    assert_eq!(status(&process, &spender, "POST", other).await, 200);
    assert_eq!(status(&process, &key, "GET", enrich).await, 403);
}

#[tokio::test]
async fn a_revoked_key_is_refused_at_once_where_it_was_revoked_and_within_a_second_elsewhere() {
    let database = Database::postgres().await;
    let one = Process::serve(&database, "http://127.0.0.1:9").await;
    let two = Process::serve(&database, "http://127.0.0.1:9").await;
    let key = created(&database, &["--name", "shared"]).await;
    let listed = one.get("/mgmt/v2/api_keys").await;
    let id = listed["results"][0]["id"].as_str().unwrap();
    let path = format!("/mgmt/v2/api_keys/{id}");
    let revoke = async {
        assert_eq!(status(&one, API_KEY, "DELETE", &path).await, 204);
        Instant::now()
    };
    let crowd = |process| join_all((0..8).map(|_| last_use(process, &key, CUSTOMERS)));
    let (here, there, revoked) = tokio::join!(crowd(&one), crowd(&two), revoke);
    assert!(here.into_iter().all(|used| used < revoked));
    assert!(there.into_iter().all(|used| used < revoked + BELIEVED_FOR));
}

#[tokio::test]
async fn a_deleted_connection_is_gone_at_once_where_it_was_deleted_and_within_a_second_elsewhere() {
    let apollo = Simulator::start(quiet_apollo(5)).await.unwrap();
    let database = Database::postgres().await;
    let one = Process::serve(&database, &apollo.base_url()).await;
    let two = Process::serve(&database, &apollo.base_url()).await;
    one.connect().await;
    let path = format!(
        "{CUSTOMERS}/{}/connections/apollo",
        crate::support::CUSTOMER
    );
    let delete = async {
        assert_eq!(status(&one, API_KEY, "DELETE", &path).await, 204);
        Instant::now()
    };
    let crowd = |process| join_all((0..8).map(|_| last_use(process, API_KEY, PROXIED)));
    let (here, there, deleted) = tokio::join!(crowd(&one), crowd(&two), delete);
    assert!(here.into_iter().all(|used| used < deleted));
    assert!(there.into_iter().all(|used| used < deleted + BELIEVED_FOR));
}

#[tokio::test]
async fn a_set_key_that_was_revoked_stays_revoked() {
    let database = Database::sqlite();
    let mut process = Process::serve(&database, "http://127.0.0.1:9").await;
    let listed = process.get("/mgmt/v2/api_keys").await;
    let id = listed["results"][0]["id"].as_str().unwrap();
    assert!(keys(&database, &["revoke", id]).await.status.success());
    assert_eq!(process.terminate().await, Some(0));
    let mut process = Process::serve(&database, "http://127.0.0.1:9").await;
    assert_eq!(
        status(&process, API_KEY, "GET", "/mgmt/v2/customers").await,
        401
    );
    assert_eq!(process.terminate().await, Some(0));
    let (_, log) = process.output().await;
    assert!(log.contains("SYNCLINE_API_KEY is a revoked key"), "{log}");
}

#[tokio::test]
async fn keys_that_can_not_be_are_refused_with_what_would() {
    let database = Database::sqlite();
    for (args, status, says) in [
        (
            &["--name", "n", "--role", "root"][..],
            2,
            "none of admin, read-only, passthrough",
        ),
        (&["--role", "admin"], 2, "--name"),
        (
            &["--name", "n", "--allow", "/v1/contacts"],
            2,
            "write a method and a path",
        ),
        (
            &["--name", "n", "--allow", "SEND /v1"],
            2,
            "'SEND' is none of GET",
        ),
        (
            &["--name", "n", "--allow-write", "POST /v1"],
            1,
            "must begin with one of /mgmt/v2/",
        ),
        (
            &["--name", "n", "--expires-at", "2020-01-01T00:00:00Z"],
            1,
            "must be in the future",
        ),
        (&["--name", "n", "--expires-at", "soon"], 2, "--expires-at"),
        (&["--name", " "], 1, "--name must have 1 to 255 characters"),
    ] {
        let refused = keys(&database, &[&["create"], args].concat()).await;
        assert_eq!(
            refused.status.code(),
            Some(status),
            "{args:?}: {}",
            said(&refused)
        );
        assert!(
            said(&refused).contains(says),
            "{args:?}: {}",
            said(&refused)
        );
        assert_eq!(text(&refused), "");
    }
}

/// Creates a key: the command prints one line, with the key.
async fn created(database: &Database, args: &[&str]) -> String {
    let output = keys(database, &[&["create"], args].concat()).await;
    assert!(output.status.success(), "{}", said(&output));
    let out = text(&output);
    let key = out
        .strip_prefix("API key: ")
        .and_then(|rest| rest.strip_suffix('\n'));
    let key = key.unwrap_or_else(|| panic!("{out}"));
    assert!(!key.contains(char::is_whitespace) && !said(&output).contains(key));
    key.to_owned()
}

async fn keys(database: &Database, args: &[&str]) -> Output {
    syncline()
        .arg("keys")
        .args(args)
        .env("SYNCLINE_DATABASE_URL", &database.url)
        .env("SYNCLINE_DATA_DIR", database.data_dir())
        .envs(
            database
                .is_postgres
                .then_some(("SYNCLINE_ENCRYPTION_KEY", ENCRYPTION_KEY)),
        )
        .output()
        .await
        .unwrap()
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Calls until that is refused, and returns when the last call was sent that was not.
async fn last_use(process: &Process, key: &str, path: &str) -> Instant {
    let mut last = Instant::now();
    loop {
        let sent = Instant::now();
        match status(process, key, "GET", path).await.as_u16() {
            200 => last = sent,
            401 | 404 => return last,
            other => panic!("{other}"),
        }
    }
}

async fn status(process: &Process, key: &str, method: &str, path: &str) -> StatusCode {
    let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
    let body = json!({"customer_id": "a", "name": "A", "email": ""});
    let mut request = http_client()
        .request(method.clone(), format!("{}{path}", process.base))
        .header("x-api-key", key)
        .header("x-customer-id", crate::support::CUSTOMER)
        .header("x-provider-name", "apollo");
    if ["PUT", "POST"].contains(&method.as_str()) {
        request = request.json(&body);
    }
    request.send().await.unwrap().status()
}
