//! Files that pages load, each under a name with the hash of its content, so that browsers may keep it
//! for good.

use std::sync::LazyLock;

use axum::{
    extract::Path,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use sha2::{Digest, Sha256};

const STYLE: &str = include_str!("../assets/app.css");

/// The name of the style sheet.
pub(crate) static STYLE_FILE: LazyLock<String> = LazyLock::new(|| {
    let hash = hex::encode(Sha256::digest(STYLE));
    format!("app-{}.css", &hash[..16])
});

pub(crate) async fn serve(Path(file): Path<String>) -> Response {
    if file != *STYLE_FILE {
        return StatusCode::NOT_FOUND.into_response();
    }
    let headers = [
        (header::CONTENT_TYPE, "text/css; charset=utf-8"),
        (header::CACHE_CONTROL, "public, max-age=31536000, immutable"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (headers, STYLE).into_response()
}
