//! `syncline demo`: the main job without an Apollo account.
//!
//! A simulated Apollo and the real service, both on loopback, the service on a throw-away database.
//! Everything is done over HTTP, the way a customer's backend would do it.

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use indicatif::{HumanCount, MultiProgress, ProgressBar, ProgressStyle};
use serde_json::{Value, json};
use syncline_engine::EngineConfig;
use syncline_model::Object;
use syncline_sim::{Options, RunningSimulator, Simulator, TeamOptions};
use tokio::net::TcpListener;

use crate::{
    cli::DemoArgs,
    compose::{self, Exclusive, Parts},
    config::Config,
    lifecycle::{Lifecycle, Signals},
    logging,
};

/// What the demo may read in an hour or a day: it should show a sync, however often, and no waiting.
const PLENTY: i64 = 1_000_000;

const LOOK_EVERY: Duration = Duration::from_millis(100);

/// The customers of the demo: id, name, e-mail, contacts in their Apollo.
const CUSTOMERS: [(&str, &str, &str, usize); 3] = [
    (
        "brightwater",
        "Brightwater Analytics",
        "ops@brightwater.example",
        2500,
    ),
    ("fernhill", "Fernhill Robotics", "it@fernhill.example", 640),
    ("tidepool", "Tidepool Studio", "hello@tidepool.example", 45),
];

pub(crate) async fn run(args: &DemoArgs) -> anyhow::Result<()> {
    if std::env::var_os("RUST_LOG").is_some() {
        logging::init(crate::config::LogFormat::Text);
    }
    let mut signals = Signals::catch()?;
    let apollo = start_apollo(args.seed).await?;
    let dir = tempfile::Builder::new()
        .prefix("syncline-demo-")
        .tempdir()?;
    let config = Config {
        data_dir: dir.path().to_owned(),
        ..demo_config(&apollo.base_url(), args.listen)
    };
    let parts = Arc::new(Parts::open(&config, Exclusive::Yes).await?);
    let (_, key) = parts.first_api_key(None).await?;
    let key = key.context("a new database has no key")?;
    let listener = listen_nearby(args.listen).await?;
    let address = listener.local_addr()?;
    let engine = parts.engine(EngineConfig::default());
    let lifecycle = Lifecycle::default();
    compose::serve(
        &lifecycle,
        listener,
        parts.router(&engine, compose::metrics()?, address),
        &parts,
    );
    compose::work(&lifecycle, engine);

    let demo = Demo::new(address, key, apollo);
    let synced = tokio::select! {
        synced = demo.first_sync() => synced?,
        () = signals.received() => bail!("stopped before the first sync was done"),
    };
    demo.print(&synced).await?;
    if !args.exit {
        demo.print_serving();
        signals.received().await;
    }
    lifecycle.stop().await;
    parts.store.close().await;
    match synced.failures.first() {
        Some(failure) => bail!("{failure}"),
        None => Ok(()),
    }
}

async fn start_apollo(seed: u64) -> anyhow::Result<RunningSimulator> {
    let teams = CUSTOMERS
        .iter()
        .enumerate()
        .map(|(index, (_, _, _, contacts))| TeamOptions::numbered(index + 1, *contacts))
        .collect();
    let options = Options {
        seed,
        teams,
        ..Options::default()
    };
    Simulator::start(options)
        .await
        .context("the simulated Apollo can't be started")
}

fn demo_config(apollo: &str, listen: SocketAddr) -> Config {
    let defaults = Config::defaults();
    Config {
        listen,
        providers: crate::config::Providers {
            apollo: crate::config::Apollo {
                base_url: apollo.to_owned(),
                limits: crate::config::Limits {
                    records_per_hour: PLENTY,
                    records_per_day: PLENTY,
                    ..defaults.providers.apollo.limits
                },
            },
        },
        ..defaults
    }
}

/// The address, or another port of it when that one is in use.
async fn listen_nearby(address: SocketAddr) -> anyhow::Result<TcpListener> {
    match compose::listen(address).await {
        Ok(listener) => Ok(listener),
        Err(_) => compose::listen(SocketAddr::new(address.ip(), 0)).await,
    }
}

struct Demo {
    http: reqwest::Client,
    base: String,
    key: String,
    apollo: RunningSimulator,
}

/// What the first sync came to.
struct Synced {
    took: Duration,
    failures: Vec<String>,
}

impl Demo {
    fn new(address: SocketAddr, key: String, apollo: RunningSimulator) -> Self {
        Self {
            http: reqwest::Client::builder()
                .no_proxy()
                .build()
                .unwrap_or_default(),
            base: format!("http://{address}"),
            key,
            apollo,
        }
    }

    /// Registers the customers with their connections and watches their first syncs.
    async fn first_sync(&self) -> anyhow::Result<Synced> {
        let started = Instant::now();
        for (index, (id, name, email, _)) in CUSTOMERS.iter().enumerate() {
            let customer = json!({"customer_id": id, "name": name, "email": email});
            self.send(self.http.put(self.url("/mgmt/v2/customers")), customer)
                .await?;
            let connection = json!({
                "provider_name": "apollo",
                "category": "engagement",
                "api_key": format!("sim-master-key-{}", index + 1),
            });
            let url = self.url(&format!("/mgmt/v2/customers/{id}/connections"));
            self.send(self.http.post(url), connection).await?;
        }
        let failures = self.watch().await?;
        Ok(Synced {
            took: started.elapsed(),
            failures,
        })
    }

    /// Shows the progress until every sync has had its run; gives back what went wrong.
    async fn watch(&self) -> anyhow::Result<Vec<String>> {
        let bars = Bars::new();
        loop {
            let syncs = self.get("/mgmt/v2/syncs").await?;
            let syncs = syncs["results"].as_array().cloned().unwrap_or_default();
            for sync in &syncs {
                bars.show(sync);
            }
            let done = |sync: &Value| !sync["last_run"]["end_timestamp"].is_null();
            if syncs.len() == CUSTOMERS.len() * Object::ALL.len() && syncs.iter().all(done) {
                bars.finish();
                return Ok(syncs.iter().filter_map(failure).collect());
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    #[expect(clippy::print_stdout, reason = "the demo's summary")]
    async fn print(&self, synced: &Synced) -> anyhow::Result<()> {
        println!("\nRows that landed:\n");
        print!("{:>16}", "");
        for (customer, ..) in CUSTOMERS {
            print!("  {customer:>14}");
        }
        println!();
        let mut rows = 0;
        for object in Object::ALL {
            print!("{:>16}", object.plural());
            for (customer, ..) in CUSTOMERS {
                let count = self.count(customer, *object).await?;
                rows += count;
                print!("  {:>14}", HumanCount(count).to_string());
            }
            println!();
        }
        let requests = self.apollo.ledger().len();
        let millis = u64::try_from(synced.took.as_millis()).unwrap_or(u64::MAX);
        let rate = rows * 1000 / millis.max(1);
        println!(
            "\n{} rows in {:.2} s ({} records/s) with {requests} requests to Apollo.",
            HumanCount(rows),
            synced.took.as_secs_f64(),
            HumanCount(rate),
        );
        for failure in &synced.failures {
            println!("FAILED: {failure}");
        }
        Ok(())
    }

    #[expect(clippy::print_stdout, reason = "the demo's summary")]
    fn print_serving(&self) {
        let Self { base, key, .. } = self;
        println!(
            "\nRead the contacts of {}:\n\n  \
             curl '{base}/engagement/v2/contacts?read_from_cache=true&page_size=3' \\\n    \
             -H 'x-api-key: {key}' \\\n    \
             -H 'x-customer-id: {}' -H 'x-provider-name: apollo'\n",
            CUSTOMERS[0].1, CUSTOMERS[0].0
        );
        println!("API key:      {key}");
        println!("Syncs:        {base}/mgmt/v2/syncs");
        println!("Sync runs:    {base}/mgmt/v2/sync-runs");
        println!(
            "API:          {base}/docs  (OpenAPI: {base}/openapi/mgmt.json and its neighbours)"
        );
        println!("Metrics:      {base}/metrics");
        println!("Fake Apollo:  {}", self.apollo.base_url());
        println!("\nServing until Ctrl-C; the database is thrown away then.");
    }

    async fn count(&self, customer: &str, object: Object) -> anyhow::Result<u64> {
        let path = format!(
            "/engagement/v2/{}?read_from_cache=true&include_deleted_data=true&page_size=1",
            object.plural()
        );
        let request = self
            .http
            .get(self.url(&path))
            .header("x-customer-id", customer)
            .header("x-provider-name", "apollo");
        let list = self.answer(request).await?;
        Ok(list["pagination"]["total_count"]
            .as_u64()
            .unwrap_or_default())
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    async fn get(&self, path: &str) -> anyhow::Result<Value> {
        self.answer(self.http.get(self.url(path))).await
    }

    async fn send(&self, request: reqwest::RequestBuilder, body: Value) -> anyhow::Result<Value> {
        self.answer(request.json(&body)).await
    }

    async fn answer(&self, request: reqwest::RequestBuilder) -> anyhow::Result<Value> {
        let response = request.header("x-api-key", &self.key).send().await?;
        let status = response.status();
        let body: Value = response.json().await?;
        if !status.is_success() {
            bail!("{status}: {}", body["errors"][0]["title"]);
        }
        Ok(body)
    }
}

fn failure(sync: &Value) -> Option<String> {
    let run = &sync["last_run"];
    (run["status"] != "SUCCESS").then(|| {
        format!(
            "the sync of object {} of {} failed: {}",
            sync["object"].as_str().unwrap_or_default(),
            sync["customer_id"].as_str().unwrap_or_default(),
            run["error_message"].as_str().unwrap_or_default(),
        )
    })
}

/// One progress bar per customer and object; plain lines where there is no terminal.
struct Bars {
    bars: Vec<((&'static str, Object), ProgressBar)>,
    all: MultiProgress,
}

impl Bars {
    fn new() -> Self {
        let style =
            ProgressStyle::with_template("{prefix:<30} {bar:24.cyan} {pos:>6}/{len:<6} {msg}")
                .unwrap_or_else(|_| ProgressStyle::default_bar());
        let all = MultiProgress::new();
        let mut bars = Vec::new();
        for (customer, ..) in CUSTOMERS {
            for object in Object::ALL {
                let bar = all.add(ProgressBar::new(0).with_style(style.clone()));
                bar.set_prefix(format!("{customer} {}", object.plural()));
                bars.push(((customer, *object), bar));
            }
        }
        Self { bars, all }
    }

    fn show(&self, sync: &Value) {
        let found = self.bars.iter().find(|((customer, object), _)| {
            sync["customer_id"] == *customer && sync["object"] == object.as_str()
        });
        let Some(((_, object), bar)) = found.filter(|(_, bar)| !bar.is_finished()) else {
            return;
        };
        let (progress, run) = (&sync["progress"], &sync["last_run"]);
        let read = progress["records_read"]
            .as_u64()
            .or(run["num_records_synced"].as_u64())
            .unwrap_or_default();
        // How many sequence states there are is known only when their contacts are read.
        let reported = progress["records_reported"]
            .as_u64()
            .filter(|_| *object != Object::SequenceState);
        bar.set_length(reported.unwrap_or(read).max(read));
        bar.set_position(read);
        if run["end_timestamp"].is_null() {
            bar.set_message(sync["state"].as_str().unwrap_or_default().to_owned());
            return;
        }
        bar.set_message(run["status"].as_str().unwrap_or_default().to_owned());
        bar.abandon();
        if self.all.is_hidden() {
            eprintln!(
                "{}: {} records, {}",
                bar.prefix(),
                read,
                run["status"].as_str().unwrap_or_default()
            );
        }
    }

    fn finish(&self) {
        for (_, bar) in &self.bars {
            bar.abandon();
        }
        // The summary begins below the bars.
        eprintln!();
    }
}
