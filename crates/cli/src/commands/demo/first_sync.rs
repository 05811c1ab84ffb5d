//! The first part of the demo: three customers are connected, and everything is read.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use syncline_model::Object;

use super::{
    Demo,
    customers::{CUSTOMERS, Provider, sync_count},
};
use crate::commands::bars::{Bar, Bars, Stage};

/// How often the bars are drawn, unless a webhook arrives before.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// The longest name of a customer and an object.
const NAME_WIDTH: usize = 27;

/// The result of the first sync.
pub(super) struct FirstSync {
    pub(super) took: Duration,
    pub(super) failures: Vec<String>,
}

impl Demo {
    /// Registers the customers with their connections and watches their first syncs.
    pub(super) async fn first_sync(&self) -> anyhow::Result<FirstSync> {
        let began = Instant::now();
        for customer in &CUSTOMERS {
            self.enable(customer.provider).await?;
            let body = json!({
                "customer_id": customer.id,
                "name": customer.name,
                "email": customer.email,
            });
            self.api.put("/mgmt/v2/customers", &body).await?;
            let path = format!("/mgmt/v2/customers/{}/connections", customer.id);
            self.api
                .post(&path, &customer.provider.connection())
                .await?;
        }
        let failures = self.watch().await?;
        Ok(FirstSync {
            took: began.elapsed(),
            failures,
        })
    }

    /// Enables a provider with its OAuth application, and all its objects to be synced.
    async fn enable(&self, provider: Provider) -> anyhow::Result<()> {
        let Some(application) = provider.application() else {
            return Ok(());
        };
        self.api.post("/mgmt/v2/providers", &application).await?;
        let objects = provider.objects().map(|object| json!({"object": object}));
        let config = json!({
            "destination_name": "Syncline",
            "provider_name": provider.name(),
            "config": {
                "default_config": {"period_ms": 3_600_000, "strategy": "full then incremental"},
                "common_objects": objects.collect::<Vec<_>>(),
            },
        });
        self.api.post("/mgmt/v2/sync_configs", &config).await?;
        Ok(())
    }

    /// Shows the progress until every sync has had its run; returns the failures.
    async fn watch(&self) -> anyhow::Result<Vec<String>> {
        let progress = Progress::new();
        loop {
            let syncs = self.api.get("/mgmt/v2/syncs").await?;
            let syncs = syncs["results"].as_array().cloned().unwrap_or_default();
            for sync in &syncs {
                progress.show(sync);
            }
            let done = |sync: &Value| !sync["last_run"]["end_timestamp"].is_null();
            if syncs.len() == sync_count() && syncs.iter().all(done) {
                progress.all.end();
                return Ok(syncs.iter().filter_map(failure).collect());
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK_EVERY) => {}
                () = self.receiver.news() => {}
            }
        }
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

/// One bar per customer and object; plain lines if there is no terminal.
struct Progress {
    all: Bars,
    bars: Vec<((&'static str, Object), Bar)>,
}

impl Progress {
    fn new() -> Self {
        let all = Bars::new();
        let mut bars = Vec::new();
        for customer in &CUSTOMERS {
            for object in customer.provider.objects() {
                let name = format!("{} {}", customer.id, object.plural());
                bars.push(((customer.id, object), all.add(name, NAME_WIDTH)));
            }
        }
        Self { all, bars }
    }

    fn show(&self, sync: &Value) {
        let found = self.bars.iter().find(|((customer, object), _)| {
            sync["customer_id"] == *customer && sync["object"] == object.as_str()
        });
        let Some(((customer, object), bar)) = found.filter(|(_, bar)| !bar.is_finished()) else {
            return;
        };
        let stage = stage_of(sync, *object);
        bar.show(&stage);
        if !self.all.is_hidden() {
            return;
        }
        let name = format!("{customer} {}", object.plural());
        match stage {
            Stage::Done { read } => eprintln!("{name}: {read} records"),
            Stage::Failed { read } => eprintln!("{name}: FAILED after {read} records"),
            _ => {}
        }
    }
}

fn stage_of(sync: &Value, object: Object) -> Stage {
    let (progress, run) = (&sync["progress"], &sync["last_run"]);
    let read = progress["records_read"]
        .as_u64()
        .or(run["num_records_synced"].as_u64())
        .unwrap_or_default();
    if !run["end_timestamp"].is_null() {
        let succeeded = run["status"] == "SUCCESS";
        return if succeeded {
            Stage::Done { read }
        } else {
            Stage::Failed { read }
        };
    }
    match sync["state"].as_str() {
        Some("running") => Stage::Running {
            read,
            // The number of sequence states is known only when their contacts are read.
            total: progress["records_reported"]
                .as_u64()
                .filter(|_| object != Object::SequenceState),
        },
        Some("waiting") => Stage::Waiting {
            read,
            why: "waits".to_owned(),
        },
        _ => Stage::Queued,
    }
}
