//! Sends the callbacks that are due, over plain HTTP: who receives them is on the same machine.

use std::sync::Arc;
use std::time::Duration;

use http::header::{CONTENT_TYPE, HOST};
use http::{Request, Uri};
use http_body_util::Full;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::callback::Callback;
use crate::server::NowFn;
use crate::simulator::Simulator;

/// How often to look for due callbacks.
const ROUND: Duration = Duration::from_millis(100);

/// How often a callback is sent until the receiver takes it.
const TRIES: u32 = 3;

/// How long to wait for the receiver's answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// The most callbacks that are on their way at a time.
const AT_A_TIME: usize = 8;

/// Never ends; dropping it abandons what is on its way.
pub(crate) async fn deliver(simulator: Simulator, now: NowFn) {
    let turns = Arc::new(Semaphore::new(AT_A_TIME));
    let mut on_their_way = JoinSet::new();
    if simulator.options().apollo.callbacks_held {
        return std::future::pending().await;
    }
    loop {
        sleep(ROUND).await;
        while on_their_way.try_join_next().is_some() {}
        if simulator.pending_callbacks() == 0 {
            continue;
        }
        for callback in simulator.take_callbacks(now()) {
            let (simulator, now) = (simulator.clone(), Arc::clone(&now));
            let turns = Arc::clone(&turns);
            on_their_way.spawn(async move {
                // Nobody closes the semaphore.
                let _turn = turns.acquire().await;
                let delivery = send_until_taken(&callback).await;
                simulator.note_delivery(now(), &callback, delivery);
            });
        }
    }
}

async fn send_until_taken(callback: &Callback) -> Result<(), String> {
    let mut failure = String::new();
    for attempt in 0..TRIES {
        if attempt > 0 {
            sleep(ROUND).await;
        }
        failure = match timeout(PATIENCE, send(callback)).await {
            Ok(Ok(status)) if (200..300).contains(&status) => return Ok(()),
            Ok(Ok(status)) => format!("the receiver answered {status}"),
            Ok(Err(error)) => error,
            Err(_) => "the receiver didn't answer".to_owned(),
        };
    }
    Err(failure)
}

/// Returns the status of the receiver's answer.
async fn send(callback: &Callback) -> Result<u16, String> {
    let uri: Uri = callback.url.parse().map_err(said)?;
    let authority = uri.authority().filter(|_| uri.scheme_str() == Some("http"));
    let authority = authority.ok_or("the simulator sends callbacks to http:// addresses only")?;
    let port = authority.port_u16().unwrap_or(80);
    let stream = TcpStream::connect((authority.host(), port)).await;
    let stream = TokioIo::new(stream.map_err(said)?);
    let (mut sender, connection) = http1::handshake(stream).await.map_err(said)?;
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let request = Request::post(path)
        .header(HOST, authority.as_str())
        .header(CONTENT_TYPE, "application/json")
        .body(Full::new(callback.body.clone()))
        .map_err(said)?;
    let answer = sender.send_request(request);
    tokio::pin!(answer, connection);
    // The connection has to be driven until the answer is there; its own end is no answer.
    let answer = tokio::select! {
        answer = &mut answer => answer,
        _ = &mut connection => answer.await,
    };
    Ok(answer.map_err(said)?.status().as_u16())
}

fn said(error: impl std::fmt::Display) -> String {
    error.to_string()
}
