//! The real binary as a process.

use std::{
    path::PathBuf,
    process::Stdio,
    sync::{Arc, Mutex},
};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    process::{Child, ChildStderr, ChildStdout, Command},
    task::JoinHandle,
};

use super::{CUSTOMER, Database, MASTER_KEY};

/// `syncline` without this process's settings; the caller adds arguments.
pub(crate) fn syncline() -> Command {
    clean(Command::new(binary()))
}

/// A shell with the program under test in its `PATH`.
pub(crate) fn shell() -> Command {
    let program = binary();
    let directory = program.parent().unwrap().to_str().unwrap();
    let path = std::env::var("PATH").unwrap_or_default();
    let mut command = clean(Command::new("bash"));
    command.env("PATH", format!("{directory}:{path}"));
    command
}

fn clean(mut command: Command) -> Command {
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("SYNCLINE_")) {
        command.env_remove(name);
    }
    command
        .env_remove("RUST_LOG")
        .kill_on_drop(true)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// Built next to this test: `target/<profile>/deps/it-…` and `target/<profile>/syncline`.
fn binary() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let binary = test.ancestors().nth(2).unwrap().join("syncline");
    assert!(
        binary.is_file(),
        "{} is not built: run the tests with tests/run",
        binary.display()
    );
    binary
}

async fn read_on(mut lines: Lines<BufReader<ChildStderr>>, log: Arc<Mutex<String>>) {
    while let Some(line) = lines.next_line().await.unwrap() {
        let mut log = log.lock().unwrap();
        log.push_str(&line);
        log.push('\n');
    }
}

/// A `syncline serve` that listens.
pub(crate) struct Process {
    child: Child,
    out: Lines<BufReader<ChildStdout>>,
    /// Reads stderr from the start, all the time: a full pipe would block the process.
    err: JoinHandle<()>,
    log: Arc<Mutex<String>>,
    pub(crate) base: String,
    http: reqwest::Client,
}

pub(crate) const API_KEY: &str = "process-api-key";
/// 32 bytes in base64; not a secret.
pub(crate) const ENCRYPTION_KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

impl Process {
    /// Serves `database` against an Apollo at `apollo`, with [`API_KEY`].
    pub(crate) async fn serve(database: &Database, apollo: &str) -> Self {
        let mut command = syncline();
        command
            .env("SYNCLINE_API_KEY", API_KEY)
            .args(["--database-url", &database.url]);
        Self::start(&mut command, database, apollo).await
    }

    pub(crate) async fn start(command: &mut Command, database: &Database, apollo: &str) -> Self {
        let data_dir = database.data_dir();
        let mut serve = syncline();
        if database.is_postgres {
            serve.env("SYNCLINE_ENCRYPTION_KEY", ENCRYPTION_KEY);
        }
        serve
            .arg("serve")
            .args(command.as_std().get_args())
            .envs(
                command
                    .as_std()
                    .get_envs()
                    .filter_map(|(name, value)| Some((name, value?))),
            )
            .env("SYNCLINE_LISTEN", "127.0.0.1:0")
            .env("SYNCLINE_DATA_DIR", data_dir)
            .env("SYNCLINE_PROVIDERS__APOLLO__BASE_URL", apollo);
        let mut child = serve.spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut err = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut log = String::new();
        let base = loop {
            let Some(line) = err.next_line().await.unwrap() else {
                panic!("serve ended before it listened: {log}");
            };
            log.push_str(&line);
            log.push('\n');
            if let Some((_, address)) = line.split_once("listening on ") {
                // In JSON more follows.
                break address.split('"').next().unwrap().to_owned();
            }
        };
        let log = Arc::new(Mutex::new(log));
        let err = tokio::spawn(read_on(err, log.clone()));
        Self {
            child,
            out,
            err,
            log,
            base,
            http: super::http_client(),
        }
    }

    /// All that it prints until it ends; call after [`kill`](Self::kill) or a shutdown.
    pub(crate) async fn output(&mut self) -> (String, String) {
        let mut out = String::new();
        while let Some(line) = self.out.next_line().await.unwrap() {
            out.push_str(&line);
            out.push('\n');
        }
        (&mut self.err).await.unwrap();
        (out, self.log.lock().unwrap().clone())
    }

    /// Waits until its log contains this text.
    pub(crate) async fn until_logged(&self, text: &str) {
        while !self.log.lock().unwrap().contains(text) {
            tokio::task::yield_now().await;
        }
    }

    /// The next line on stdout.
    pub(crate) async fn line(&mut self) -> String {
        self.out.next_line().await.unwrap().unwrap()
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id().unwrap()
    }

    /// `kill -9`.
    pub(crate) async fn kill(&mut self) {
        self.child.kill().await.unwrap();
    }

    /// Sends SIGTERM; returns the exit status.
    pub(crate) async fn terminate(&mut self) -> Option<i32> {
        let pid = self.child.id().unwrap().to_string();
        let sent = Command::new("kill").args(["-TERM", &pid]).status().await;
        assert!(sent.unwrap().success());
        self.child.wait().await.unwrap().code()
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        self.send(self.http.get(format!("{}{path}", self.base)))
            .await
    }

    pub(crate) async fn put(&self, path: &str, body: &Value) -> Value {
        let request = self.http.put(format!("{}{path}", self.base));
        self.send(request.json(body)).await
    }

    pub(crate) async fn patch(&self, path: &str, body: &Value) -> Value {
        let request = self.http.patch(format!("{}{path}", self.base));
        self.send(request.json(body)).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Value {
        let request = self.http.post(format!("{}{path}", self.base));
        self.send(request.json(body)).await
    }

    /// A POST that may be refused.
    pub(crate) async fn try_post(&self, path: &str, body: &Value) -> super::Answer {
        let request = self.http.post(format!("{}{path}", self.base));
        super::App::answer(headed(request).json(body)).await
    }

    /// A POST with an idempotency key, not sent yet.
    pub(crate) fn with_key(&self, path: &str, key: &str, body: &Value) -> reqwest::RequestBuilder {
        let request = self.http.post(format!("{}{path}", self.base));
        headed(request).header("idempotency-key", key).json(body)
    }

    /// A request for the connection of any customer, not sent yet.
    pub(crate) fn of_customer(
        &self,
        method: reqwest::Method,
        path: &str,
        customer: &str,
    ) -> reqwest::RequestBuilder {
        headed_for(
            self.http.request(method, format!("{}{path}", self.base)),
            customer,
        )
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> Value {
        let request = headed(request);
        let answer = super::App::answer(request).await;
        answer.ok()
    }

    /// Registers the customer and connects it with the master key.
    pub(crate) async fn connect(&self) {
        let customer = json!({"customer_id": CUSTOMER, "name": "A", "email": "a@customer.example"});
        self.put("/mgmt/v2/customers", &customer).await;
        let connection =
            json!({"provider_name": "apollo", "category": "engagement", "api_key": MASTER_KEY});
        let path = format!("/mgmt/v2/customers/{CUSTOMER}/connections");
        self.post(&path, &connection).await;
    }

    /// Polls until every sync is paused.
    pub(crate) async fn until_paused(&self) {
        loop {
            let syncs = self.get("/mgmt/v2/syncs").await;
            let syncs = syncs["results"].as_array().unwrap().clone();
            if syncs.iter().all(|sync| sync["paused"] == true) {
                return;
            }
            tokio::task::yield_now().await;
        }
    }

    /// Polls until the newest run of each of the six objects has ended; returns the contacts' run.
    pub(crate) async fn until_synced(&self) -> Value {
        loop {
            let syncs = self.get("/mgmt/v2/syncs").await;
            let syncs = syncs["results"].as_array().unwrap().clone();
            let ended = |sync: &Value| !sync["last_run"]["end_timestamp"].is_null();
            if syncs.len() == 6 && syncs.iter().all(ended) {
                let path = "/mgmt/v2/sync-runs?object_type=common&object=contact";
                return self.get(path).await["results"][0].clone();
            }
            tokio::task::yield_now().await;
        }
    }
}

/// Selects the connection of [`CUSTOMER`].
fn headed(request: reqwest::RequestBuilder) -> reqwest::RequestBuilder {
    headed_for(request, CUSTOMER)
}

fn headed_for(request: reqwest::RequestBuilder, customer: &str) -> reqwest::RequestBuilder {
    request
        .header("x-api-key", API_KEY)
        .header("x-customer-id", customer)
        .header("x-provider-name", "apollo")
}
