//! What destinations get: docs/guarantees.md, section 15.

mod api;
mod postgres;
mod s3;

use chrono::TimeDelta;
use serde_json::{Value, json};
use syncline_destinations::{Destinations, DestinationsConfig};

use crate::support::App;

const DESTINATIONS: &str = "/mgmt/v2/destinations";

/// Another writer of destinations.
fn writer(app: &App, name: &str) -> Destinations {
    let config = DestinationsConfig {
        worker_name: name.to_owned(),
        allow_private: true,
        ..DestinationsConfig::default()
    };
    Destinations::new(app.store.clone(), app.clock.clone(), config)
}

/// Writes what is due now, and what is gathered for a minute.
async fn write(app: &App) {
    app.clock.advance(TimeDelta::minutes(1));
    Box::pin(writer(app, "test").work_off()).await.unwrap();
}

/// Has everything synced into this destination.
async fn sync_into(app: &App, destination: &Value) {
    let config = app.get("/mgmt/v2/sync_configs").await.ok()[0].clone();
    let path = format!(
        "/mgmt/v2/sync_configs/{}?force_delete_syncs=true",
        config["id"].as_str().unwrap()
    );
    app.delete(&path).await.ok();
    let body = json!({
        "destination_name": destination["name"],
        "provider_name": config["provider_name"],
        "config": config["config"],
    });
    app.post("/mgmt/v2/sync_configs", body).await.ok();
}

async fn shown(app: &App, destination: &Value) -> Value {
    let path = format!("{DESTINATIONS}/{}", destination["id"].as_str().unwrap());
    app.get(&path).await.ok()
}
