//! The path of the public URL, which a proxy in front may take off.

use syncline_providers::http::Url;

/// Without a slash at its end; empty if there is none.
#[must_use]
pub fn of(public_url: &str) -> String {
    let url = Url::parse(public_url).ok();
    let path = url.as_ref().map_or("", |url| url.path());
    path.trim_end_matches('/').to_owned()
}

#[cfg(test)]
mod tests {
    use super::of;

    #[test]
    fn it_has_no_slash_at_its_end() {
        assert_eq!(of("https://sync.example"), "");
        assert_eq!(of("https://sync.example/"), "");
        assert_eq!(of("https://tools.example/sync"), "/sync");
        assert_eq!(of("https://tools.example/a/sync/"), "/a/sync");
    }
}
