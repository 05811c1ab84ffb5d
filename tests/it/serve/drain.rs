//! Graceful shutdown while callers are connected: requests in flight are answered, and idle
//! connections are not waited for.

use std::time::Duration;

use macro_rules_attribute::apply;
use reqwest::Method;
use syncline_sim::{Match, Simulator};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::support::{API_KEY, CUSTOMER, Process, http_client, on_both_databases, quiet_apollo};

/// The guarantee.
const STOPS_WITHIN: Duration = Duration::from_secs(10);

#[apply(on_both_databases)]
async fn sigterm_answers_what_is_in_flight_and_waits_for_nobody_else(database: Database) {
    let apollo = Simulator::start(quiet_apollo(5)).await.unwrap();
    let mut process = Process::serve(&database, &apollo.base_url()).await;
    process.connect().await;
    process.until_synced().await;
    let address = process.base.trim_start_matches("http://").to_owned();

    let silent = TcpStream::connect(&address).await.unwrap();
    let mut slow = TcpStream::connect(&address).await.unwrap();
    slow.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n")
        .await
        .unwrap();
    let mut idle = TcpStream::connect(&address).await.unwrap();
    idle.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .unwrap();
    assert!(idle.read_u8().await.unwrap() > 0);

    let gate = apollo.gate(Match::path("users/search"));
    let url = format!("{}/engagement/v2/users", process.base);
    let in_flight = http_client()
        .request(Method::GET, url)
        .header("x-api-key", API_KEY)
        .header("x-customer-id", CUSTOMER)
        .header("x-provider-name", "apollo")
        .send();
    let in_flight = tokio::spawn(in_flight);
    gate.arrived(1).await;

    let stopping = async {
        while TcpStream::connect(&address).await.is_ok() {
            tokio::task::yield_now().await;
        }
        gate.open();
        let answer = in_flight.await.unwrap().unwrap();
        assert_eq!(answer.status(), 200);
        assert!(answer.text().await.unwrap().contains("records"));
    };
    let stopped = async { tokio::join!(process.terminate(), stopping) };
    let (status, ()) = tokio::time::timeout(STOPS_WITHIN, stopped).await.unwrap();
    assert_eq!(status, Some(0));
    drop((silent, slow, idle));
}
