//! Where secrets could leak: logs, metrics, answers, the database, the output of other commands.

use std::fs;

use macro_rules_attribute::apply;
use reqwest::{Method, RequestBuilder};
use serde_json::json;
use syncline_sim::{Action, Fault, KeyOptions, Match, RunningSimulator, Simulator};

use crate::support::{
    API_KEY, App, CUSTOMER, Database, ENCRYPTION_KEY, MASTER_KEY, Process, Receiver,
    on_both_databases, quiet_apollo, syncline,
};

const NEW_KEY: &str = "//////////////////////////////////////////8=";
const SECOND: &str = "second-provider-key-4711";
const REJECTED: &str = "rejected-provider-key-4711";
const MISPLACED: &str = "misplaced-provider-key-4711";
const UNKNOWN: &str = "unknown-service-key-4711";
const CALLERS_OWN: &str = "callers-own-token-4711";

const CONNECTIONS: &str = "/mgmt/v2/customers/customer-1/connections";
const CONNECTION: &str = "/mgmt/v2/customers/customer-1/connections/apollo";

#[apply(on_both_databases)]
async fn no_secret_comes_out_anywhere(database: Database) {
    let apollo = Simulator::start(quiet_apollo(20)).await.unwrap();
    apollo.edit(0, |team| team.add_key(KeyOptions::master(SECOND)));
    let keys = format!("{ENCRYPTION_KEY},{NEW_KEY}");
    let mut command = syncline();
    command
        .env("SYNCLINE_API_KEY", API_KEY)
        .env("SYNCLINE_WEBHOOKS__ALLOW_PRIVATE_TARGETS", "true")
        .env("RUST_LOG", "trace")
        .args(["--database-url", &database.url]);
    if database.is_postgres {
        command.env("SYNCLINE_ENCRYPTION_KEY", &keys);
    }
    let mut process = Process::start(&mut command, &database, &apollo.base_url()).await;

    let receiver = Receiver::start().await;
    let mut shown_once = webhook_secrets(&process, &receiver).await;
    let mut answers = everything(&process, &apollo).await;
    shown_once.push(key_made_over_http(&process).await);
    receiver.until(1).await;
    let made = command_output(&database, &["keys", "create", "--name", "a reader"], &keys).await;
    let made_key = made.trim().rsplit(' ').next().unwrap().to_owned();
    let rotated = format!("{NEW_KEY},{ENCRYPTION_KEY}");
    answers += &command_output(&database, &["encryption", "rotate"], &rotated).await;
    answers += &command_output(&database, &["keys", "list"], &rotated).await;
    answers += &command_output(&database, &["doctor"], &rotated).await;
    let request = process.of_customer(Method::GET, "/metrics", CUSTOMER);
    answers += &text_of(request).await;
    let stored = dump(&database).await;
    assert!(stored.contains(CUSTOMER), "the dump has what is stored");
    assert_eq!(process.terminate().await, Some(0));
    let (out, log) = process.output().await;
    assert!(log.contains("TRACE"), "everything is logged");

    let line = log.lines().find(|line| line.contains("of-the-receiver"));
    assert_eq!(
        line, None,
        "what an endpoint's URL has for a secret is in the log"
    );

    let mut secrets: Vec<String> = [
        MASTER_KEY,
        SECOND,
        REJECTED,
        MISPLACED,
        UNKNOWN,
        CALLERS_OWN,
        API_KEY,
        ENCRYPTION_KEY,
        NEW_KEY,
    ]
    .map(str::to_owned)
    .into();
    secrets.push(made_key);
    secrets.extend(shown_once);
    if !database.is_postgres {
        let file = fs::read_to_string(database.data_dir().join("encryption.key")).unwrap();
        secrets.extend(file.lines().map(str::to_owned));
    }
    for (place, text) in [
        ("the answers", &answers),
        ("stdout", &out),
        ("the log", &log),
        ("the database", &stored),
    ] {
        for secret in &secrets {
            let line = text.lines().find(|line| line.contains(secret.as_str()));
            assert_eq!(line, None, "{secret} is in {place}");
        }
    }
}

/// A full use of the service: syncs, reads, writes, passthrough requests, and failures of each.
/// Returns all answers.
async fn everything(process: &Process, apollo: &RunningSimulator) -> String {
    let ask = |method, path: &str| process.of_customer(method, path, CUSTOMER);
    let connect =
        |key| json!({"provider_name": "apollo", "category": "engagement", "api_key": key});
    let mut all = String::new();
    let customer = json!({"customer_id": CUSTOMER, "name": "A", "email": "a@customer.example"});
    let put = ask(Method::PUT, "/mgmt/v2/customers").json(&customer);
    all += &text_of(put).await;
    for body in [
        connect(json!(REJECTED)),
        connect(json!({"key": MISPLACED})),
        connect(json!([MISPLACED])),
        json!({"provider_name": "apollo", "category": "engagement", "credentials": MISPLACED}),
        connect(json!(format!("{MISPLACED}\n"))),
        connect(json!(MASTER_KEY)),
        connect(json!(MASTER_KEY)),
    ] {
        all += &text_of(ask(Method::POST, CONNECTIONS).json(&body)).await;
    }
    let broken = format!("{{\"api_key\": \"{MISPLACED}\", ");
    let broken = ask(Method::POST, CONNECTIONS)
        .header("content-type", "application/json")
        .body(broken);
    all += &text_of(broken).await;
    process.until_synced().await;

    let proxy = "/actions/v2/proxy/api/v1/users/search";
    let envelope = json!({"method": "GET", "path": "/api/v1/users/search"});
    let person = "/enrichment/v2/persons?email=nobody@nowhere.example";
    let contact = json!({"record": {"first_name": "Lin"}});
    for round in 0..2 {
        let own = ask(Method::GET, proxy).header("authorization", format!("Bearer {CALLERS_OWN}"));
        all += &text_of(own).await;
        all += &text_of(ask(Method::POST, "/actions/v2/passthrough").json(&envelope)).await;
        all += &text_of(ask(Method::GET, person)).await;
        all += &text_of(ask(Method::GET, "/engagement/v2/contacts")).await;
        let write = ask(Method::POST, "/engagement/v2/contacts").header("idempotency-key", "4711");
        all += &text_of(write.json(&contact)).await;
        all += &text_of(ask(Method::GET, CONNECTION)).await;
        if round == 0 {
            let everything = Fault::new(Match::any(), Action::server_error()).always();
            apollo.faults().push(everything);
        }
    }
    apollo.faults().clear();

    // New credentials, one after the other, until none is valid any more.
    for key in [REJECTED, SECOND] {
        all += &text_of(ask(Method::PUT, CONNECTION).json(&json!({"api_key": key}))).await;
    }
    let stranger = reqwest::Client::builder().no_proxy().build().unwrap();
    let stranger = stranger.get(format!("{}/mgmt/v2/customers", process.base));
    all += &text_of(stranger.header("x-api-key", UNKNOWN)).await;
    let in_the_url = format!("/mgmt/v2/customers?x-api-key={UNKNOWN}");
    all += &text_of(ask(Method::GET, &in_the_url)).await;
    apollo.edit(0, |team| team.revoke_key(SECOND));
    all += &text_of(ask(Method::GET, proxy)).await;
    let user = json!({"object_type": "common", "object": "user"});
    all += &text_of(ask(Method::POST, "/mgmt/v2/syncs/_trigger").json(&user)).await;
    process.until_paused().await;
    for list in ["syncs", "sync-runs", "customers"] {
        all += &text_of(ask(Method::GET, &format!("/mgmt/v2/{list}"))).await;
    }
    all
}

/// The answer that creates a key is the only place where the key is shown.
async fn key_made_over_http(process: &Process) -> String {
    let request = process.of_customer(Method::POST, "/mgmt/v2/api_keys", CUSTOMER);
    let body = json!({"name": "a dashboard", "role": "read-only"});
    let made = request.header("idempotency-key", "4712").json(&body);
    let made = App::answer(made).await.ok();
    made["api_key"].as_str().unwrap().to_owned()
}

/// The secrets of an endpoint that gets every event, without their prefix.
async fn webhook_secrets(process: &Process, receiver: &Receiver) -> Vec<String> {
    let endpoints = "/mgmt/v2/webhook_endpoints";
    let post = |path: &str| process.of_customer(Method::POST, path, CUSTOMER);
    let made = App::answer(post(endpoints).json(&json!({"url": receiver.url()})))
        .await
        .ok();
    let rotation = format!(
        "{endpoints}/{}/_rotate_secret",
        made["id"].as_str().unwrap()
    );
    let rotated = App::answer(post(&rotation)).await.ok();
    [made, rotated]
        .map(|answer| {
            let secret = answer["secret"].as_str().unwrap();
            secret.trim_start_matches("whsec_").to_owned()
        })
        .into()
}

/// The whole answer: status, headers and body.
async fn text_of(request: RequestBuilder) -> String {
    let answer = request.send().await.unwrap();
    let head = format!("\n{} {:?}\n", answer.status(), answer.headers());
    head + &answer.text().await.unwrap() + "\n"
}

/// What another command prints on stdout and stderr, with the most verbose logging.
async fn command_output(database: &Database, args: &[&str], keys: &str) -> String {
    let mut command = syncline();
    command
        .args(args)
        .args(["--database-url", &database.url])
        .env("SYNCLINE_DATA_DIR", database.data_dir())
        .env("RUST_LOG", "trace");
    if database.is_postgres {
        command.env("SYNCLINE_ENCRYPTION_KEY", keys);
    }
    let output = command.output().await.unwrap();
    let err = String::from_utf8(output.stderr).unwrap();
    let out = String::from_utf8(output.stdout).unwrap();
    format!("{err}\n{out}")
}

/// Everything in the database, as an attacker with a copy of it would see it.
async fn dump(database: &Database) -> String {
    if !database.is_postgres {
        let mut all = String::new();
        for file in ["syncline.db", "syncline.db-wal"] {
            let bytes = fs::read(database.data_dir().join(file)).unwrap();
            all += &String::from_utf8_lossy(&bytes);
        }
        return all;
    }
    let tables = "SELECT string_agg(tablename, ' ') FROM pg_tables WHERE schemaname = 'public'";
    let mut all = String::new();
    for table in database.text(tables).await.unwrap().split(' ') {
        let rows = format!("SELECT string_agg(t::text, chr(10)) FROM {table} t");
        all += &database.text(&rows).await.unwrap_or_default();
    }
    all
}
