//! Customers authorize an application at a provider with their browser: `/oauth/connect` sends them
//! there, and `/oauth/callback` is where they come back.
//!
//! Who starts needs a magic link's token, or has to end at an address that the operator allows: with
//! such an address, whoever knows an application's and a customer's id can connect an account for
//! that customer. None is allowed unless it is set. What comes back counts once, within ten minutes,
//! and only in the browser that was sent away (a cookie).

mod browser;
mod callback;
mod connect;
mod return_url;

use axum::{Router, routing::get};

use syncline_store::Tenant;

use crate::AppState;

pub use return_url::checked_origin;

/// Both are pages for browsers, so they are in no OpenAPI document.
pub(crate) fn routes() -> Router<AppState> {
    Router::new()
        .route("/oauth/connect", get(connect::connect))
        .route(CALLBACK, get(callback::callback))
}

/// The path of the redirect URI that has to be registered at providers.
const CALLBACK: &str = "/oauth/callback";

/// The application that a customer's browser acts in.
#[expect(
    clippy::disallowed_methods,
    reason = "a browser has no key: the magic link, the allowed address to return to, or the taken \
              authorization stands for it"
)]
pub(crate) fn tenant_of(state: &AppState, application_id: &str) -> Tenant {
    state.store.tenant(application_id)
}

fn redirect_uri(state: &AppState) -> String {
    format!("{}{CALLBACK}", state.public_url)
}
