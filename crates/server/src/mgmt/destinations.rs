//! Destinations: where records are written. The built-in one is always there and can't be changed;
//! others get what the tables have.

use axum::{Json as JsonBody, extract::State, http::StatusCode};
use secrecy::SecretString;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};
use syncline_model::{
    DestinationConfig, DestinationSecrets, DestinationType, InvalidDestination, Time,
    destination::PostgresSecrets,
};
use syncline_store::{Destination, DestinationFailure, DestinationSettings};
use utoipa::ToSchema;

use crate::{
    AppState,
    error::{ApiError, ApiResult},
    extract::{Caller, Json, Path},
};

/// Supaglue's name for a destination that the service itself hosts.
const BUILT_IN_TYPE: &str = "supaglue";
/// In bytes.
const LONGEST_NAME: usize = 255;

#[derive(Serialize, ToSchema)]
#[schema(as = destination)]
pub(crate) struct DestinationBody {
    id: String,
    application_id: String,
    /// The name to use in sync configs.
    name: String,
    /// `postgres`, `s3`, or `supaglue`: the tables of this service's own database.
    r#type: &'static str,
    /// The settings, without secrets. The built-in destination has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    config: Option<DestinationConfig>,
    /// Grows with each update.
    version: i64,
    /// How many connections have changes that it doesn't have yet, counted up to 10,000.
    connections_behind: i64,
    /// Its newest failure, while it fails.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    failure: Option<FailureBody>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = destination_failure)]
struct FailureBody {
    #[serde(with = "syncline_model::time::millis")]
    #[schema(value_type = String, format = DateTime)]
    since: Time,
    error: String,
    #[serde(with = "syncline_model::time::millis_or_null")]
    #[schema(required = true, value_type = Option<String>, format = DateTime)]
    retry_at: Option<Time>,
}

impl From<Destination> for DestinationBody {
    fn from(destination: Destination) -> Self {
        let config = destination.config;
        Self {
            id: destination.id,
            application_id: destination.application_id,
            name: destination.name,
            r#type: config
                .as_ref()
                .map_or(BUILT_IN_TYPE, |config| config.destination_type().as_str()),
            config,
            version: destination.version,
            connections_behind: destination.connections_behind,
            failure: destination.failure.map(
                |DestinationFailure {
                     since,
                     error,
                     retry_at,
                 }| FailureBody {
                    since,
                    error,
                    retry_at,
                },
            ),
        }
    }
}

/// All destinations, the built-in one first.
#[utoipa::path(get, path = "/destinations", tag = "Destinations",
    operation_id = "getDestinations",
    responses((status = 200, description = "Destinations", body = [DestinationBody])))]
pub(crate) async fn list_destinations(caller: Caller) -> ApiResult<JsonBody<Vec<DestinationBody>>> {
    let destinations = caller.tenant.list_destinations().await?;
    Ok(JsonBody(destinations.into_iter().map(Into::into).collect()))
}

#[derive(Deserialize, ToSchema)]
#[schema(as = create_destination)]
pub(crate) struct CreateDestination {
    /// Sync configs name it.
    name: Option<String>,
    /// `postgres` or `s3`. `supaglue` is refused: it is there already.
    r#type: String,
    /// For `postgres` the settings of the published API: `host`, `port`, `database`, `schema`, `user`,
    /// `password`, and if they are needed `ssl_mode`, `server_ca_cert`, `client_cert`, `client_key`. For
    /// `s3`: `bucket`, `region`, `access_key_id`, `secret_access_key`, and if they are needed `prefix` and
    /// `endpoint`.
    #[schema(value_type = Option<Object>)]
    config: Option<Map<String, Value>>,
}

/// Creates a destination. Nothing is written to it until a sync config names it.
#[utoipa::path(post, path = "/destinations", tag = "Destinations",
    operation_id = "createDestination", request_body = CreateDestination,
    responses((status = 201, description = "The destination", body = DestinationBody)))]
pub(crate) async fn create_destination(
    caller: Caller,
    State(state): State<AppState>,
    Json(body): Json<CreateDestination>,
) -> ApiResult<(StatusCode, JsonBody<DestinationBody>)> {
    let name = checked_name(&state, body.name.as_deref(), &body.r#type)?;
    let given = Given::read(&state, &body.r#type, body.config)?;
    let secrets = given.secrets(&state, None)?;
    let settings = DestinationSettings {
        name,
        config: &given.config,
        secrets: &secrets,
    };
    let created = caller.tenant.create_destination(&settings).await?;
    Ok((StatusCode::CREATED, JsonBody(created.into())))
}

/// One destination.
#[utoipa::path(get, path = "/destinations/{destination_id}", tag = "Destinations",
    operation_id = "getDestination",
    params(("destination_id" = String, Path, description = "The destination's id")),
    responses((status = 200, description = "The destination", body = DestinationBody)))]
pub(crate) async fn get_destination(
    caller: Caller,
    Path(id): Path<String>,
) -> ApiResult<JsonBody<DestinationBody>> {
    Ok(JsonBody(find(&caller, &id).await?.into()))
}

#[derive(Deserialize, ToSchema)]
#[schema(as = update_destination)]
pub(crate) struct UpdateDestination {
    name: Option<String>,
    r#type: String,
    /// All settings. Secrets that are left out stay as they are.
    #[schema(value_type = Option<Object>)]
    config: Option<Map<String, Value>>,
    /// As it was read: somebody else's update in between is not overwritten.
    version: Option<i64>,
}

/// Replaces a destination's settings, and has everything written that the new place lacks.
#[utoipa::path(put, path = "/destinations/{destination_id}", tag = "Destinations",
    operation_id = "updateDestination", request_body = UpdateDestination,
    params(("destination_id" = String, Path, description = "The destination's id")),
    responses((status = 200, description = "The destination", body = DestinationBody)))]
pub(crate) async fn update_destination(
    caller: Caller,
    State(state): State<AppState>,
    Path(id): Path<String>,
    Json(body): Json<UpdateDestination>,
) -> ApiResult<JsonBody<DestinationBody>> {
    let current = find(&caller, &id).await?;
    let Some(config) = &current.config else {
        return Err(ApiError::validation(
            "type",
            format!(
                "the built-in destination '{}' has nothing to update",
                current.name
            ),
        ));
    };
    if body.r#type != config.destination_type().as_str() {
        return Err(ApiError::validation(
            "type",
            format!(
                "a destination keeps its type, '{}'; create another one",
                config.destination_type().as_str()
            ),
        ));
    }
    let version = body.version.ok_or_else(|| {
        ApiError::validation(
            "version",
            "this field is required: the version that was read",
        )
    })?;
    let name = checked_name(&state, body.name.as_deref(), &body.r#type)?;
    let given = Given::read(&state, &body.r#type, body.config)?;
    let stored = caller.tenant.secrets_of_destination(&current).await?;
    let secrets = given.secrets(&state, stored)?;
    let settings = DestinationSettings {
        name,
        config: &given.config,
        secrets: &secrets,
    };
    let outdated = || {
        ApiError::Conflict(format!(
            "the destination has another version than {version}: read it, and update that one"
        ))
    };
    if version != current.version {
        return Err(outdated());
    }
    let updated = caller
        .tenant
        .update_destination(&current, &settings)
        .await?;
    Ok(JsonBody(updated.ok_or_else(outdated)?.into()))
}

/// Deletes a destination that no sync config names. What was written there stays.
#[utoipa::path(delete, path = "/destinations/{destination_id}", tag = "Destinations",
    operation_id = "deleteDestination",
    params(("destination_id" = String, Path, description = "The destination's id")),
    responses((status = 204, description = "The destination is deleted")))]
pub(crate) async fn delete_destination(
    caller: Caller,
    Path(id): Path<String>,
) -> ApiResult<StatusCode> {
    let destination = find(&caller, &id).await?;
    if destination.config.is_none() {
        return Err(ApiError::BadRequest(format!(
            "the built-in destination '{}' can't be deleted",
            destination.name
        )));
    }
    caller.tenant.delete_destination(&destination).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize, ToSchema)]
#[schema(as = test_destination)]
pub(crate) struct TestDestination {
    /// An existing destination, whose secrets are taken where the config has none.
    id: Option<String>,
    r#type: String,
    #[schema(value_type = Option<Object>)]
    config: Option<Map<String, Value>>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = destination_test)]
pub(crate) struct DestinationTest {
    success: bool,
    /// What is wrong, and what to do.
    #[schema(required = true)]
    message: Option<String>,
}

/// Tests settings: connects, and tries what writing needs. Nothing stays there.
#[utoipa::path(post, path = "/destinations/_test", tag = "Destinations",
    operation_id = "testDestination", request_body = TestDestination,
    responses((status = 200, description = "Whether it works", body = DestinationTest)))]
pub(crate) async fn test_destination(
    caller: Caller,
    State(state): State<AppState>,
    Json(body): Json<TestDestination>,
) -> ApiResult<JsonBody<DestinationTest>> {
    let stored = match &body.id {
        None => None,
        Some(id) => {
            let destination = find(&caller, id).await?;
            caller.tenant.secrets_of_destination(&destination).await?
        }
    };
    let given = Given::read(&state, &body.r#type, body.config)?;
    let secrets = given.secrets(&state, stored)?;
    let allow_private = state.allow_private_destinations;
    let tested = syncline_destinations::test(&given.config, &secrets, allow_private).await;
    Ok(JsonBody(DestinationTest {
        success: tested.is_ok(),
        message: tested.err().map(|error| error.to_string()),
    }))
}

/// Settings as they are given.
struct Given {
    config: DestinationConfig,
    secrets: GivenSecrets,
}

#[derive(Default, Deserialize)]
struct GivenSecrets {
    password: Option<SecretText>,
    server_ca_cert: Option<String>,
    client_cert: Option<String>,
    client_key: Option<SecretText>,
    secret_access_key: Option<SecretText>,
}

/// A secret that must be a text.
struct SecretText(SecretString);

impl<'de> Deserialize<'de> for SecretText {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self(text.into()))
    }
}

/// The secrets of each type, in the order in which an error names them.
const POSTGRES_SECRETS: &[&str] = &["password", "server_ca_cert", "client_cert", "client_key"];
const S3_SECRETS: &[&str] = &["secret_access_key"];

impl Given {
    fn read(
        state: &AppState,
        destination_type: &str,
        config: Option<Map<String, Value>>,
    ) -> ApiResult<Self> {
        let known = known_type(state, destination_type)?;
        let mut config =
            config.ok_or_else(|| ApiError::validation("config", "this field is required"))?;
        if config
            .remove("server_name")
            .is_some_and(|name| !name.is_null())
        {
            return Err(ApiError::validation(
                "config.server_name",
                "is not supported: name the host as its certificate does, or set ssl_mode to verify-ca",
            ));
        }
        let names = match known {
            DestinationType::Postgres => POSTGRES_SECRETS,
            DestinationType::S3 => S3_SECRETS,
        };
        let secret: Map<String, Value> = names
            .iter()
            .filter_map(|name| Some(((*name).to_owned(), config.remove(*name)?)))
            .collect();
        let secrets: GivenSecrets = parse(secret)?;
        let config = match known {
            DestinationType::Postgres => DestinationConfig::Postgres(parse(config)?),
            DestinationType::S3 => DestinationConfig::S3(parse(config)?),
        };
        Ok(Self { config, secrets })
    }

    /// With the stored secrets where none are given.
    fn secrets(
        &self,
        state: &AppState,
        stored: Option<DestinationSecrets>,
    ) -> ApiResult<DestinationSecrets> {
        let given = |secret: &Option<SecretText>| secret.as_ref().map(|it| it.0.clone());
        let required =
            |field: &str| ApiError::validation(format!("config.{field}"), "this field is required");
        let secrets = match (&self.config, stored) {
            (DestinationConfig::S3(_), stored) => {
                let kept = match stored {
                    Some(DestinationSecrets::S3 { secret_access_key }) => Some(secret_access_key),
                    _ => None,
                };
                let secret = given(&self.secrets.secret_access_key).or(kept);
                DestinationSecrets::S3 {
                    secret_access_key: secret.ok_or_else(|| required("secret_access_key"))?,
                }
            }
            (DestinationConfig::Postgres(_), stored) => {
                let kept = match stored {
                    Some(DestinationSecrets::Postgres(kept)) => Some(kept),
                    _ => None,
                };
                let own = &self.secrets;
                let password = given(&own.password);
                let kept_password = kept.as_ref().map(|kept| kept.password.clone());
                DestinationSecrets::Postgres(PostgresSecrets {
                    password: password
                        .or(kept_password)
                        .ok_or_else(|| required("password"))?,
                    server_ca_cert: own
                        .server_ca_cert
                        .clone()
                        .or_else(|| kept.as_ref()?.server_ca_cert.clone()),
                    client_cert: own
                        .client_cert
                        .clone()
                        .or_else(|| kept.as_ref()?.client_cert.clone()),
                    client_key: given(&own.client_key)
                        .or_else(|| kept.as_ref()?.client_key.clone()),
                })
            }
        };
        let allow_private = state.allow_private_destinations;
        syncline_destinations::check(&self.config, &secrets, allow_private)
            .map_err(|error| invalid(&error))?;
        Ok(secrets)
    }
}

fn parse<T: DeserializeOwned>(config: Map<String, Value>) -> ApiResult<T> {
    serde_path_to_error::deserialize(Value::Object(config)).map_err(|error| {
        let path = error.path().to_string();
        let reason = error.inner().to_string();
        let named = ["missing field `", "unknown field `"]
            .iter()
            .find_map(|begin| reason.strip_prefix(begin)?.split('`').next());
        match (path.as_str(), named) {
            ("." | "", Some(name)) if reason.starts_with("missing") => {
                ApiError::validation(format!("config.{name}"), "this field is required")
            }
            (_, Some(name)) if reason.starts_with("unknown") => {
                ApiError::validation(format!("config.{name}"), "is no setting of this type")
            }
            _ => ApiError::validation(format!("config.{path}"), reason),
        }
    })
}

fn invalid(error: &InvalidDestination) -> ApiError {
    ApiError::validation(format!("config.{}", error.field), &error.reason)
}

fn known_type(state: &AppState, destination_type: &str) -> ApiResult<DestinationType> {
    if destination_type == BUILT_IN_TYPE {
        let built_in = state.store.built_in_destination();
        return Err(ApiError::Conflict(format!(
            "the built-in destination '{built_in}' exists already"
        )));
    }
    let known = DestinationType::parse(destination_type).ok_or_else(|| {
        ApiError::validation(
            "type",
            format!(
                "destinations of type '{destination_type}' are not supported: `postgres` and `s3` are"
            ),
        )
    })?;
    syncline_destinations::check_built(known)
        .map_err(|reason| ApiError::validation("type", reason))?;
    Ok(known)
}

fn checked_name<'n>(
    state: &AppState,
    name: Option<&'n str>,
    destination_type: &str,
) -> ApiResult<&'n str> {
    known_type(state, destination_type)?;
    let name = name.map(str::trim).unwrap_or_default();
    if name.is_empty() || name.len() > LONGEST_NAME || name.chars().any(char::is_control) {
        return Err(ApiError::validation(
            "name",
            format!("must have 1 to {LONGEST_NAME} bytes, without control characters"),
        ));
    }
    if super::sync_configs::is_built_in(state, name) {
        return Err(ApiError::validation(
            "name",
            "is the name of the built-in destination; choose another one",
        ));
    }
    Ok(name)
}

async fn find(caller: &Caller, id: &str) -> ApiResult<Destination> {
    caller
        .tenant
        .get_destination(id)
        .await?
        .ok_or_else(|| ApiError::NotFound(format!("Can't find destination with id {id}")))
}
