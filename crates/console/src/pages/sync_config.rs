//! A sync config: what is synced and how often, with a forecast before it is saved.

use askama::Template;
use axum::{
    Form,
    extract::Path,
    http::{Method, StatusCode},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};
use syncline_model::{Object, Time};
use syncline_server::in_process::{ApiCall, ApiFailure, CallBody};

use crate::{
    address::encoded,
    failure::Failure,
    forecast::Forecast,
    page::{Policy, answer},
    parts::State,
    sync_config::{Stored, SyncConfig},
    viewer::{Frame, Viewer},
    words::plain,
};

#[derive(Template)]
#[template(path = "console/sync_config.html")]
struct SyncConfigPage {
    frame: Frame,
    config: SyncConfig,
    stored: Vec<Stored>,
    now: Time,
    forecast: Option<Forecast>,
    /// What is wrong with what was entered.
    error: Option<String>,
    may_save: bool,
}

impl SyncConfigPage {
    const OBJECTS: &'static [Object] = Object::ALL;
}

/// The form: `objects` has one entry for each that is ticked.
struct Entered {
    minutes: String,
    strategy: String,
    objects: Vec<String>,
    save: bool,
}

impl Entered {
    fn read(pairs: Vec<(String, String)>) -> Self {
        let mut entered = Self {
            minutes: String::new(),
            strategy: String::new(),
            objects: Vec::new(),
            save: false,
        };
        for (name, value) in pairs {
            match name.as_str() {
                "minutes" => entered.minutes = value,
                "strategy" => entered.strategy = value,
                "objects" => entered.objects.push(value),
                "save" => entered.save = true,
                _ => {}
            }
        }
        entered
    }

    /// The config with what was entered; an object that was there keeps what else is set for it.
    fn applied_to(&self, config: &Value) -> Value {
        let mut config = config.clone();
        let minutes: i64 = self.minutes.trim().parse().unwrap_or_default();
        config["default_config"]["period_ms"] = json!(minutes.saturating_mul(60_000));
        config["default_config"]["strategy"] = json!(self.strategy);
        if self.strategy == "full only"
            && let Some(defaults) = config["default_config"].as_object_mut()
        {
            defaults.remove("full_sync_every_n_incrementals");
        }
        let before = config["common_objects"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        let objects = self.objects.iter().map(|object| {
            let before = before.iter().find(|it| it["object"] == **object);
            before.cloned().unwrap_or_else(|| json!({"object": object}))
        });
        config["common_objects"] = objects.collect();
        config
    }
}

pub(crate) async fn show(viewer: Viewer, Path(id): Path<String>) -> Result<Response, Failure> {
    let config = find(&viewer, &id).await?;
    let forecast = forecast(&viewer, &config).await;
    let forecast = forecast.map_err(|failure| viewer.failed(failure))?;
    Ok(page(viewer, config, Ok(forecast)))
}

/// Shows the forecast of what was entered, or saves it.
pub(crate) async fn submit(
    viewer: Viewer,
    Path(id): Path<String>,
    Form(pairs): Form<Vec<(String, String)>>,
) -> Result<Response, Failure> {
    let entered = Entered::read(pairs);
    let mut config = find(&viewer, &id).await?;
    config.config = entered.applied_to(&config.config);
    let forecast = match forecast(&viewer, &config).await {
        Ok(forecast) => forecast,
        Err(failure) if failure.status.is_client_error() => {
            return Ok(page(viewer, config, Err(failure.title)));
        }
        Err(failure) => return Err(viewer.failed(failure)),
    };
    if !entered.save {
        return Ok(page(viewer, config, Ok(forecast)));
    }
    let path = format!("/mgmt/v2/sync_configs/{}", encoded(&id));
    let body = json!({"config": config.config});
    let call = ApiCall {
        method: Method::PUT,
        path: &path,
        headers: &[],
        body: Some(CallBody::Json(body)),
    };
    let saved: Result<Value, _> = viewer.call(call).await;
    match saved {
        Ok(_) => Ok(viewer.back_to(&format!("/console/sync-configs/{}", encoded(&id)), "saved")),
        Err(failure) => Ok(page(viewer, config, Err(failure.title))),
    }
}

async fn find(viewer: &Viewer, id: &str) -> Result<SyncConfig, Failure> {
    viewer
        .get(&format!("/mgmt/v2/sync_configs/{}", encoded(id)))
        .await
}

async fn forecast(viewer: &Viewer, config: &SyncConfig) -> Result<Option<Forecast>, ApiFailure> {
    let path = "/mgmt/v2/sync_configs/_forecast";
    if !viewer.may(&Method::POST, path) {
        return Ok(None);
    }
    let body = json!({"provider_name": config.provider_name, "config": config.config});
    let call = ApiCall {
        method: Method::POST,
        path,
        headers: &[],
        body: Some(CallBody::Json(body)),
    };
    viewer.call(call).await.map(Some)
}

fn page(
    viewer: Viewer,
    config: SyncConfig,
    forecast: Result<Option<Forecast>, String>,
) -> Response {
    let (forecast, error) = match forecast {
        Ok(forecast) => (forecast, None),
        Err(error) => (None, Some(error)),
    };
    let status = match error {
        None => StatusCode::OK,
        Some(_) => StatusCode::UNPROCESSABLE_ENTITY,
    };
    let page = SyncConfigPage {
        may_save: viewer.may(&Method::PUT, "/mgmt/v2/sync_configs/x"),
        stored: config.stored(),
        now: viewer.now,
        frame: viewer.frame,
        config,
        forecast,
        error,
    };
    answer(status, Policy::OwnScript, &page).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_form_does_not_show_stays_in_the_config() {
        let config = json!({
            "default_config": {"period_ms": 1, "strategy": "full only", "auto_start_on_connection": false},
            "common_objects": [{"object": "user", "associations_to_fetch": ["x"]}, {"object": "contact"}],
        });
        let entered = Entered::read(
            [
                ("minutes", "30"),
                ("strategy", "full only"),
                ("objects", "user"),
                ("objects", "account"),
            ]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into(),
        );
        let expected = json!({
            "default_config":
                {"period_ms": 1_800_000, "strategy": "full only", "auto_start_on_connection": false},
            "common_objects": [{"object": "user", "associations_to_fetch": ["x"]}, {"object": "account"}],
        });
        assert_eq!(entered.applied_to(&config), expected);
    }
}
