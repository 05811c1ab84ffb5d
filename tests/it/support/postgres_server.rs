//! A PostgreSQL server of its own, which a test can kill and start again.

use std::process::Stdio;

use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
};

pub(crate) struct PostgresServer {
    pub(crate) url: String,
    pub(crate) port: u16,
    pub(crate) password: String,
    /// The start of a `pg_ctl` command.
    control: String,
    /// `tests/with-postgres`, which removes the server when its input is closed.
    script: Child,
}

impl PostgresServer {
    pub(crate) async fn start() -> Self {
        let tell = r#"printf '%s\n' "$TEST_POSTGRES_URL" "$TEST_POSTGRES_PORT" \
            "$TEST_POSTGRES_PASSWORD" "$TEST_POSTGRES_CONTROL"; cat"#;
        let mut script = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/with-postgres"))
            .args(["sh", "-c", tell])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(script.stdout.take().unwrap()).lines();
        let mut next = async || lines.next_line().await.unwrap().expect("it starts");
        Self {
            url: next().await,
            port: next().await.parse().unwrap(),
            password: next().await,
            control: next().await,
            script,
        }
    }

    /// Ends it as a crash would: no session is asked, nothing is written.
    pub(crate) async fn kill(&self) {
        self.control("stop -m immediate").await;
    }

    /// Goes on after a `kill`, at the same port.
    pub(crate) async fn start_again(&self) {
        self.control("restart").await;
    }

    pub(crate) async fn remove(mut self) {
        drop(self.script.stdin.take());
        assert!(self.script.wait().await.unwrap().success());
    }

    async fn control(&self, action: &str) {
        let status = Command::new("sh")
            .args(["-c", &format!("{} {action}", self.control)])
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .await
            .unwrap();
        assert!(status.success(), "pg_ctl {action}: {status}");
    }
}
