//! The providers, each with what is synced from it and how often.

use askama::Template;
use axum::{http::StatusCode, response::Response};
use serde::Deserialize;

use crate::{
    address::encoded,
    failure::Failure,
    page::{Policy, answer},
    sync_config::SyncConfig,
    viewer::{Frame, Viewer},
};

#[derive(Deserialize)]
struct Provider {
    name: String,
    auth_type: String,
}

#[derive(Template)]
#[template(path = "console/providers.html")]
struct ProvidersPage {
    frame: Frame,
    providers: Vec<Provider>,
    configs: Vec<SyncConfig>,
}

pub(crate) async fn list(viewer: Viewer) -> Result<Response, Failure> {
    let page = ProvidersPage {
        providers: viewer.get("/mgmt/v2/providers").await?,
        configs: viewer.get("/mgmt/v2/sync_configs").await?,
        frame: viewer.frame,
    };
    Ok(answer(StatusCode::OK, Policy::OwnScript, &page))
}

impl ProvidersPage {
    fn config_of(&self, provider: &Provider) -> Option<&SyncConfig> {
        self.configs
            .iter()
            .find(|it| it.provider_name == provider.name)
    }
}
