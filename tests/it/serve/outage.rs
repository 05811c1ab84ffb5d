//! PostgreSQL becomes unreachable in the middle of a sync, and comes back.

use std::time::Duration;

use syncline_sim::{Match, Simulator};

use crate::support::{
    API_KEY, CUSTOMER, Database, Process, Way, Wire, http_client, quiet_apollo, syncline,
};

/// The guarantee: no request during an outage takes longer.
const SECONDS: Duration = Duration::from_secs(10);

async fn a_database_that_is_gone_is_told(way: Way) {
    let database = Database::postgres().await;
    let wire = Wire::to(&database).await;
    let apollo = Simulator::start(quiet_apollo(550)).await.unwrap();
    let gate = apollo.gate(Match::path("contacts/search").page(4));
    let mut serve = syncline();
    serve
        .env("SYNCLINE_API_KEY", API_KEY)
        .args(["--database-url", &wire.url]);
    let mut process = Process::start(&mut serve, &database, &apollo.base_url()).await;
    process.connect().await;
    gate.arrived(1).await;
    assert_eq!(status(&process, "/readyz").await, 200);

    wire.set(way);
    // One request is sent at once, and waits for a statement whose answer never comes.
    assert_eq!(status(&process, "/mgmt/v2/customers").await, 503);
    while status(&process, "/readyz").await != 503 {
        tokio::task::yield_now().await;
    }
    process.until_logged("PostgreSQL can't be reached").await;
    // The page arrives while it can't be stored.
    gate.open();
    process.until_logged("is abandoned").await;
    for path in [
        "/readyz",
        "/mgmt/v2/customers",
        "/engagement/v2/contacts?read_from_cache=true",
    ] {
        assert_eq!(status(&process, path).await, 503, "{path}");
    }
    assert_eq!(status(&process, "/healthz").await, 200);

    wire.set(Way::Open);
    process.until_logged("PostgreSQL answers again").await;
    assert_eq!(status(&process, "/readyz").await, 200);
    let run = process.until_synced().await;
    assert_eq!(run["status"], "SUCCESS");
    assert_eq!(run["num_records_synced"], 550);
    assert_eq!(run["coverage"]["verdict"], "complete");
    let count = async |sql| database.count(sql).await;
    assert_eq!(count("SELECT count(*) FROM engagement_contacts").await, 550);
    let events = "SELECT count(*) FROM outbox WHERE event_type = 'sync.complete'";
    assert_eq!(count(events).await, 6);
    let asked: Vec<_> = apollo
        .ledger()
        .requests_to("contacts/search")
        .iter()
        .filter_map(|request| request.page)
        .collect();
    // The fourth page got lost, and the third if it was not written yet.
    let [one, two] = [&[1, 2, 3, 4, 4, 5, 6][..], &[1, 2, 3, 4, 3, 4, 5, 6]];
    assert!(asked == one || asked == two, "{asked:?}");
    assert_eq!(process.terminate().await, Some(0));
}

#[tokio::test]
async fn a_database_that_is_gone_is_told_and_syncs_go_on_when_it_is_back() {
    a_database_that_is_gone_is_told(Way::Reset).await;
}

#[tokio::test]
async fn so_is_one_that_is_gone_without_a_word() {
    a_database_that_is_gone_is_told(Way::Swallow).await;
}

async fn status(process: &Process, path: &str) -> u16 {
    let request = http_client().get(format!("{}{path}", process.base));
    let request = request
        .header("x-api-key", API_KEY)
        .header("x-customer-id", CUSTOMER)
        .header("x-provider-name", "apollo")
        .timeout(SECONDS);
    let answer = request.send().await.unwrap();
    let status = answer.status().as_u16();
    if status == 503 {
        assert_eq!(answer.headers()["retry-after"], "1");
        let body = answer.text().await.unwrap();
        assert!(body.contains("SERVICE_UNAVAILABLE_ERROR"), "{body}");
    }
    status
}
