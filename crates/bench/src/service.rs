//! `syncline serve` on a synced database, in its own process.

use std::process::Stdio;

use anyhow::{Context, ensure};
use reqwest::Method;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
    task::JoinSet,
};

/// The key that the service is started with.
pub(crate) const API_KEY: &str = "bench-api-key-0123456789";

pub(crate) struct Service {
    base_url: String,
    http: reqwest::Client,
    /// Killed when this is dropped.
    process: Child,
    _log: JoinSet<()>,
}

impl Service {
    /// Starts the command, and waits until it listens.
    pub(crate) async fn start(command: std::process::Command) -> anyhow::Result<Self> {
        Self::start_logged(command, "info", |_| {}).await
    }

    /// The same with another log level; the log lines are passed to `handle`.
    pub(crate) async fn start_logged(
        command: std::process::Command,
        level: &str,
        mut handle: impl FnMut(String) + Send + 'static,
    ) -> anyhow::Result<Self> {
        let mut process = Command::from(command)
            .env("SYNCLINE_API_KEY", API_KEY)
            .env("SYNCLINE_LISTEN", "127.0.0.1:0")
            .env("RUST_LOG", level)
            .env("NO_COLOR", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .context("the service can't be started")?;
        let log = process.stderr.take().context("it has a log")?;
        let mut lines = BufReader::new(log).lines();
        let mut said = String::new();
        let base_url = loop {
            let line = lines.next_line().await?;
            let line = line.with_context(|| format!("the service ended: {said}"))?;
            if let Some((_, address)) = line.split_once("listening on ") {
                let end = address.find(['"', ' ']).unwrap_or(address.len());
                break address[..end].to_owned();
            }
            said.push_str(&line);
        };
        // Keep reading, so that the process isn't blocked by a full pipe.
        let mut log = JoinSet::new();
        log.spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                handle(line);
            }
        });
        Ok(Self {
            base_url,
            http: reqwest::Client::builder().no_proxy().build()?,
            process,
            _log: log,
        })
    }

    pub(crate) fn base_url(&self) -> &str {
        &self.base_url
    }

    pub(crate) fn process_id(&self) -> Option<u32> {
        self.process.id()
    }

    /// Stops it with SIGTERM, and waits until it has ended.
    pub(crate) async fn stop(mut self) -> anyhow::Result<()> {
        if let Some(id) = self.process.id() {
            let id = nix::unistd::Pid::from_raw(i32::try_from(id)?);
            nix::sys::signal::kill(id, nix::sys::signal::Signal::SIGTERM)?;
        }
        self.process.wait().await?;
        Ok(())
    }

    /// Sends a JSON body, and returns the answer's body.
    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        body: &serde_json::Value,
    ) -> anyhow::Result<Vec<u8>> {
        let url = format!("{}{path}", self.base_url);
        let request = self.http.request(method, url).header("x-api-key", API_KEY);
        body_of(request.json(body)).await
    }

    /// Sends a JSON body for a customer's connection.
    pub(crate) async fn send_for(
        &self,
        (customer, provider): (&str, &str),
        path: &str,
        body: &serde_json::Value,
    ) -> anyhow::Result<Vec<u8>> {
        let url = format!("{}{path}", self.base_url);
        let request = self
            .http
            .post(url)
            .header("x-api-key", API_KEY)
            .header("x-customer-id", customer)
            .header("x-provider-name", provider);
        body_of(request.json(body)).await
    }

    /// Its present memory; `None` if the system doesn't tell.
    pub(crate) fn resident_bytes(&self) -> Option<u64> {
        let status =
            std::fs::read_to_string(format!("/proc/{}/status", self.process.id()?)).ok()?;
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))?;
        let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
        Some(kilobytes * 1024)
    }

    /// The body of a successful answer.
    pub(crate) async fn get(&self, path: &str) -> anyhow::Result<Vec<u8>> {
        let url = format!("{}{path}", self.base_url);
        let request = self
            .http
            .request(Method::GET, url)
            .header("x-api-key", API_KEY)
            .header("x-customer-id", "default")
            .header("x-provider-name", "apollo");
        body_of(request).await
    }
}

/// Sends a request and reads the whole answer.
pub(crate) async fn body_of(request: reqwest::RequestBuilder) -> anyhow::Result<Vec<u8>> {
    let answer = request.send().await?;
    let status = answer.status();
    let body = answer.bytes().await?;
    ensure!(
        status.is_success(),
        "{status}: {}",
        String::from_utf8_lossy(&body)
    );
    Ok(body.into())
}
