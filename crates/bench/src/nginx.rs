//! nginx in front of the simulator, as the measure of what a proxy may cost.

use std::{path::Path, process::Stdio, time::Duration};

use anyhow::{Context, bail};
use tokio::{
    net::{TcpListener, TcpStream},
    process::{Child, Command},
};

use crate::simulator::Simulator;

/// The program, if it is not called `nginx`.
const PROGRAM: &str = "BENCH_NGINX";

pub(crate) struct Nginx {
    base_url: String,
    /// Killed when this is dropped.
    _process: Child,
}

impl Nginx {
    /// `None` if nginx is not installed, which only a smoke test accepts.
    pub(crate) async fn start(
        simulator: &Simulator,
        scratch: &Path,
    ) -> anyhow::Result<Option<Self>> {
        let Ok(program) = std::env::var(PROGRAM) else {
            return Ok(None);
        };
        let dir = scratch.join("nginx");
        std::fs::create_dir_all(&dir)?;
        let port = free_port().await?;
        let config = dir.join("nginx.conf");
        std::fs::write(&config, configuration(&dir, port, simulator)?)?;
        let process = Command::new(program)
            .arg("-c")
            .arg(&config)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .context("nginx can't be started")?;
        for _ in 0..100 {
            if TcpStream::connect(("127.0.0.1", port)).await.is_ok() {
                return Ok(Some(Self {
                    base_url: format!("http://127.0.0.1:{port}"),
                    _process: process,
                }));
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let log = std::fs::read_to_string(dir.join("error.log")).unwrap_or_default();
        bail!("nginx doesn't listen: {log}");
    }

    pub(crate) fn base_url(&self) -> &str {
        &self.base_url
    }
}

/// Kept connections on both sides, and buffers that a page fits in.
fn configuration(dir: &Path, port: u16, simulator: &Simulator) -> anyhow::Result<String> {
    let upstream = simulator.base_url().strip_prefix("http://");
    let upstream = upstream.context("the simulator has an http:// address")?;
    let (dir, key) = (dir.display(), Simulator::API_KEY);
    Ok(format!(
        "daemon off;
master_process off;
pid {dir}/nginx.pid;
error_log {dir}/error.log;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    keepalive_requests 1000000;
    client_body_temp_path {dir}/client;
    proxy_temp_path {dir}/proxy;
    fastcgi_temp_path {dir}/fastcgi;
    uwsgi_temp_path {dir}/uwsgi;
    scgi_temp_path {dir}/scgi;
    upstream simulator {{
        server {upstream};
        keepalive 64;
        keepalive_requests 1000000;
    }}
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://simulator;
            proxy_http_version 1.1;
            proxy_set_header Connection \"\";
            proxy_set_header x-api-key {key};
            proxy_buffer_size 16k;
            proxy_buffers 8 256k;
            proxy_busy_buffers_size 512k;
        }}
    }}
}}
"
    ))
}

async fn free_port() -> anyhow::Result<u16> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    Ok(listener.local_addr()?.port())
}
