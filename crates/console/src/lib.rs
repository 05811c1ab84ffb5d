//! Pages for people: HTML from the server, which works without JavaScript.
//!
//! `connect` is the page behind a magic link. `page` has what all pages share: their headers, and how
//! a template becomes an answer; `assets` serves the style sheet. A page has one file with its handler
//! and one template; what it does is done by the functions of `server`, as for the API.

mod assets;
mod connect;
mod page;

use axum::{
    Router,
    routing::{get, post},
};
use syncline_server::AppState;

/// All pages, to be served beside the API.
pub fn pages() -> Router<AppState> {
    Router::new()
        .route("/connect/{token}", get(connect::show))
        .route("/connect/{token}", post(connect::submit))
        .route("/assets/{file}", get(assets::serve))
}
