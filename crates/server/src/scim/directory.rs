//! Whose users are meant: the customer and the provider that the address names or, where it names none,
//! the headers.

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, request::Parts},
};
use serde::Deserialize;
use syncline_model::Object;
use syncline_store::Connection;

use super::resource::Base;
use crate::{
    AppState,
    error::{ApiError, ApiResult},
    extract::{Caller, Path, find_connection, header},
};

/// A connection whose users are known, and where they are served.
pub(crate) struct Directory {
    pub(super) connection: Connection,
    pub(super) base: Base,
}

/// What [`BASE_OF_CUSTOMER`](super::BASE_OF_CUSTOMER) names.
#[derive(Deserialize)]
struct Addressed {
    customer_id: Option<String>,
    provider_name: Option<String>,
}

impl FromRequestParts<AppState> for Directory {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> ApiResult<Self> {
        let caller = Caller::from_request_parts(parts, state).await?;
        let Path(Addressed {
            customer_id,
            provider_name,
        }) = Path::from_request_parts(parts, state).await?;
        let (customer_id, provider_name) = match customer_id.zip(provider_name) {
            Some(addressed) => addressed,
            None => (
                required(&parts.headers, "x-customer-id")?,
                required(&parts.headers, "x-provider-name")?,
            ),
        };
        let connection = find_connection(&caller, &customer_id, &provider_name).await?;
        has_users(state, &connection).await?;
        Ok(Self {
            base: Base::of(&state.public_url, &connection),
            connection,
        })
    }
}

fn required(headers: &HeaderMap, name: &str) -> ApiResult<String> {
    let value = header(headers, name)?.ok_or_else(|| {
        ApiError::validation(
            name,
            "this header must be set; or use the base address \
             /scim/v2/customers/{customer_id}/{provider_name}",
        )
    })?;
    Ok(value.to_owned())
}

/// A list that is not whole yet looks as if the others had left, and a seat tool would act on it. So
/// there is none before the first sync of the users has succeeded.
async fn has_users(state: &AppState, connection: &Connection) -> ApiResult<()> {
    let Connection {
        customer_id,
        provider,
        ..
    } = connection;
    match state.store.was_read(connection, Object::User).await? {
        Some(true) => Ok(()),
        Some(false) => Err(ApiError::Unavailable(format!(
            "the first sync of the users of the customer {customer_id} at {provider} has not \
             succeeded yet; GET /mgmt/v2/syncs says how far it is"
        ))),
        None => Err(ApiError::BadRequest(format!(
            "the users of the customer {customer_id} at {provider} are not synced: name the object \
             user in the sync config"
        ))),
    }
}
