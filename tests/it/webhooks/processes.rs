//! The real process: what it sends by default, and what a `kill -9` can't lose.

use macro_rules_attribute::apply;
use serde_json::{Value, json};
use syncline_sim::Simulator;

use super::{ENDPOINTS, MESSAGES};
use crate::support::{
    Database, Delivery, Process, Receiver, Reply, on_both_databases, quiet_apollo, syncline,
};

#[apply(on_both_databases)]
async fn an_event_survives_kill_9_between_its_commit_and_its_delivery(database: Database) {
    let apollo = Simulator::start(quiet_apollo(0)).await.unwrap();
    let receiver = Receiver::start().await;
    receiver.next([Reply::Hang]);
    let mut process = serve(&database, &apollo.base_url()).await;
    let endpoint = process
        .post(
            ENDPOINTS,
            &json!({"url": receiver.url(), "event_types": ["connection.created"]}),
        )
        .await;
    process.connect().await;
    // It was sent, but the delivery was not recorded.
    receiver.until(1).await;
    process.kill().await;
    // A process on PostgreSQL can't know that the other one is gone, and waits until its lease
    // expires; the test makes it expire now.
    if database.is_postgres {
        database
            .execute("UPDATE webhook_endpoints SET leased_until = '2026-01-01T00:00:00.000Z'")
            .await;
    }

    let process = serve(&database, &apollo.base_url()).await;
    let arrived = receiver.until(2).await;
    assert_eq!(
        arrived[0].id(),
        arrived[1].id(),
        "the same event under the same id"
    );
    assert_eq!(arrived[0].body, arrived[1].body);
    let secret = endpoint["secret"].as_str().unwrap();
    assert!(arrived.iter().all(|it| it.is_verified_by(secret)));
    let path = format!("{MESSAGES}/{}", arrived[0].id());
    loop {
        let message = process.get(&path).await;
        if message["deliveries"][0]["status"] == "delivered" {
            assert_eq!(message["attempts"].as_array().unwrap().len(), 1);
            break;
        }
        tokio::task::yield_now().await;
    }
}

#[apply(on_both_databases)]
async fn events_written_while_nothing_delivers_are_delivered_later(database: Database) {
    let apollo = Simulator::start(quiet_apollo(0)).await.unwrap();
    let receiver = Receiver::start().await;
    receiver.always(Reply::Hang);
    let mut process = serve(&database, &apollo.base_url()).await;
    process
        .post(ENDPOINTS, &json!({"url": receiver.url()}))
        .await;
    process.connect().await;
    process.until_synced().await;
    process.kill().await;
    if database.is_postgres {
        database
            .execute("UPDATE webhook_endpoints SET leased_until = '2026-01-01T00:00:00.000Z'")
            .await;
    }
    receiver.always(Reply::Status(200));
    let sent = receiver.ids().len();
    let _process = serve(&database, &apollo.base_url()).await;
    let arrived = receiver.until(sent + 7).await;
    let types: Vec<String> = arrived[sent..].iter().map(Delivery::event_type).collect();
    assert_eq!(types[0], "connection.created");
    assert_eq!(types[1..], ["sync.complete"; 6]);
}

#[tokio::test]
async fn a_target_on_this_machine_is_refused_unless_it_is_allowed() {
    let database = Database::sqlite();
    let apollo = Simulator::start(quiet_apollo(0)).await.unwrap();
    let receiver = Receiver::start().await;
    let mut process = serve(&database, &apollo.base_url()).await;
    let stored = process
        .post(ENDPOINTS, &json!({"url": receiver.url()}))
        .await;
    process.terminate().await;

    let process = Process::serve(&database, &apollo.base_url()).await;
    for url in [
        receiver.url(),
        "http://localhost/".to_owned(),
        "http://169.254.169.254/latest/meta-data/".to_owned(),
        "http://[::ffff:10.0.0.1]/".to_owned(),
        "http://0x7f.1/".to_owned(),
    ] {
        let answer = process.try_post(ENDPOINTS, &json!({"url": url})).await;
        let (status, _, field) = answer.error();
        assert_eq!(status, 400, "{url}: {}", answer.body);
        assert!(field.ends_with("url"), "{url}: {}", answer.body);
    }
    // An endpoint that was stored while private targets were allowed is rejected when a message is
    // sent.
    let path = format!("{ENDPOINTS}/{}/_test", stored["id"].as_str().unwrap());
    let message = process.post(&path, &Value::Null).await;
    let path = format!("{MESSAGES}/{}", message["id"].as_str().unwrap());
    let error = loop {
        let message = process.get(&path).await;
        if let Some(error) = message["attempts"][0]["error"].as_str() {
            break error.to_owned();
        }
        tokio::task::yield_now().await;
    };
    assert!(error.contains("public internet"), "{error}");
    assert!(receiver.ids().is_empty());
}

/// With targets on this machine allowed.
async fn serve(database: &Database, apollo: &str) -> Process {
    let mut command = syncline();
    command
        .env("SYNCLINE_WEBHOOKS__ALLOW_PRIVATE_TARGETS", "true")
        .env("SYNCLINE_API_KEY", crate::support::API_KEY)
        .args(["--database-url", &database.url]);
    Process::start(&mut command, database, apollo).await
}
