//! How many webhooks per second reach one endpoint, which receives them one after the other.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use reqwest::Method;
use serde::Deserialize;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

use crate::service::Service;

/// The timeouts of the first webhook and of the whole sample.
const FIRST_WITHIN: Duration = Duration::from_mins(2);
const AT_MOST: Duration = Duration::from_secs(20);
const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok";

/// A receiver of webhooks that answers at once.
pub(crate) struct Receiver {
    url: String,
    arrived: Arc<AtomicU64>,
    /// Ends with this.
    _server: JoinSet<()>,
}

#[derive(Deserialize)]
struct Endpoint {
    id: String,
}

impl Receiver {
    pub(crate) async fn start() -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}/hooks", listener.local_addr()?);
        let arrived = Arc::<AtomicU64>::default();
        let count = arrived.clone();
        let mut server = JoinSet::new();
        server.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                while connections.try_join_next().is_some() {}
                let count = count.clone();
                connections.spawn(async move {
                    if answer(stream).await.is_ok() {
                        count.fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
        });
        Ok(Self {
            url,
            arrived,
            _server: server,
        })
    }

    /// Registers this receiver for all events; returns the endpoint's id.
    pub(crate) async fn register(&self, service: &Service) -> anyhow::Result<String> {
        let body = json!({"url": self.url});
        let created = service.send(Method::POST, "/mgmt/v2/webhook_endpoints", &body);
        let created: Endpoint = serde_json::from_slice(&created.await?)?;
        Ok(created.id)
    }

    /// Webhooks per second, over a sample of this size.
    pub(crate) async fn rate(&self, sample: u64) -> anyhow::Result<f64> {
        let before = self.arrived.load(Ordering::Relaxed);
        let began = Instant::now();
        while self.arrived.load(Ordering::Relaxed) == before {
            ensure!(began.elapsed() < FIRST_WITHIN, "no webhook arrived");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let first = (self.arrived.load(Ordering::Relaxed), Instant::now());
        loop {
            tokio::time::sleep(Duration::from_millis(10)).await;
            let arrived = self.arrived.load(Ordering::Relaxed);
            if arrived - before >= sample || first.1.elapsed() >= AT_MOST {
                #[expect(clippy::cast_precision_loss, reason = "some thousand webhooks")]
                let arrived = (arrived - first.0) as f64;
                return Ok(arrived / first.1.elapsed().as_secs_f64());
            }
        }
    }
}

/// Reads one whole request and answers it.
async fn answer(mut stream: TcpStream) -> anyhow::Result<()> {
    let mut read = Vec::new();
    loop {
        if let Some(head) = read.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
            let length = content_length(&read[..head]);
            if read.len() >= head + 4 + length {
                break;
            }
        }
        ensure!(stream.read_buf(&mut read).await? > 0, "half a request");
    }
    stream.write_all(ANSWER).await.context("no answer")?;
    stream.shutdown().await?;
    Ok(())
}

fn content_length(head: &[u8]) -> usize {
    let head = String::from_utf8_lossy(head).to_lowercase();
    let line = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length:"));
    line.and_then(|length| length.trim().parse().ok())
        .unwrap_or(0)
}
