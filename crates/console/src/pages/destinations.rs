//! The destinations, each with where it is and whether it can be written.

use askama::Template;
use axum::{http::StatusCode, response::Response};
use serde::Deserialize;
use serde_json::Value;
use syncline_model::Time;

use crate::{
    failure::Failure,
    page::{Policy, answer},
    parts::State,
    sync_config::SyncConfig,
    viewer::{Frame, Viewer},
    words::When,
};

#[derive(Deserialize)]
struct Destination {
    name: String,
    r#type: String,
    config: Option<Value>,
    connections_behind: i64,
    failure: Option<DestinationFailure>,
}

#[derive(Deserialize)]
struct DestinationFailure {
    since: Time,
    error: String,
    retry_at: Option<Time>,
}

#[derive(Template)]
#[template(path = "console/destinations.html")]
struct DestinationsPage {
    frame: Frame,
    now: Time,
    destinations: Vec<Destination>,
    configs: Vec<SyncConfig>,
}

pub(crate) async fn list(viewer: Viewer) -> Result<Response, Failure> {
    let page = DestinationsPage {
        destinations: viewer.get("/mgmt/v2/destinations").await?,
        configs: viewer.get("/mgmt/v2/sync_configs").await?,
        now: viewer.now,
        frame: viewer.frame,
    };
    Ok(answer(StatusCode::OK, Policy::OwnScript, &page))
}

impl DestinationsPage {
    /// The providers whose connections are written there.
    fn providers_of(&self, destination: &Destination) -> String {
        let names: Vec<&str> = self
            .configs
            .iter()
            .filter(|config| config.destination_name == destination.name)
            .map(|config| config.provider_name.as_str())
            .collect();
        names.join(", ")
    }
}

impl Destination {
    fn is_built_in(&self) -> bool {
        self.config.is_none()
    }

    /// The database and schema, or the bucket and prefix.
    fn place(&self) -> String {
        let setting = |name: &str| {
            let config = self.config.as_ref();
            let text = config.and_then(|config| config[name].as_str());
            text.unwrap_or_default().to_owned()
        };
        match self.r#type.as_str() {
            "postgres" => format!(
                "{}, database {}, schema {}",
                setting("host"),
                setting("database"),
                setting("schema")
            ),
            "s3" => format!("{}/{}", setting("bucket"), setting("prefix")),
            _ => "this service's own tables".to_owned(),
        }
    }

    fn state(&self) -> State {
        let word = match (&self.failure, self.connections_behind) {
            (Some(_), _) => "failing",
            (None, 0) => "up to date",
            (None, _) => "writing",
        };
        State::new(word)
    }
}

impl DestinationFailure {
    fn since(&self, now: &Time) -> When {
        When::new(self.since, *now)
    }

    fn retry(&self, now: &Time) -> Option<When> {
        self.retry_at.map(|at| When::new(at, *now))
    }
}
