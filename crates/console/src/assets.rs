//! Files that pages load, each under a name with the hash of its content, so that browsers may keep it
//! for good.

use std::sync::LazyLock;

use axum::{
    extract::Path,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use sha2::{Digest, Sha256};

pub(crate) static STYLE: LazyLock<Asset> = LazyLock::new(|| {
    let text = include_str!("../assets/app.css");
    Asset::new("css", "text/css; charset=utf-8", text)
});

pub(crate) static SCRIPT: LazyLock<Asset> = LazyLock::new(|| {
    let text = include_str!("../assets/app.js");
    Asset::new("js", "text/javascript; charset=utf-8", text)
});

pub(crate) struct Asset {
    pub(crate) name: String,
    content_type: &'static str,
    text: &'static str,
}

impl Asset {
    fn new(ending: &str, content_type: &'static str, text: &'static str) -> Self {
        let hash = hex::encode(Sha256::digest(text));
        Self {
            name: format!("app-{}.{ending}", &hash[..16]),
            content_type,
            text,
        }
    }
}

pub(crate) async fn serve(Path(file): Path<String>) -> Response {
    let Some(asset) = [&STYLE, &SCRIPT].into_iter().find(|it| it.name == file) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let headers = [
        (header::CONTENT_TYPE, asset.content_type),
        (header::CACHE_CONTROL, "public, max-age=31536000, immutable"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (headers, asset.text).into_response()
}
