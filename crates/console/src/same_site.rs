//! Protection against forms that other sites send (CSRF): a browser says where a request comes from.

use axum::http::{HeaderMap, header};

/// Whether a browser says that another site sent this. A client that is no browser says nothing, and
/// has no cookie that others could use.
pub(crate) fn is_from_elsewhere(headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(site) = text("sec-fetch-site") {
        return !matches!(site, "same-origin" | "none");
    }
    let Some(origin) = text(header::ORIGIN.as_str()) else {
        return false;
    };
    let host = origin.split_once("://").map(|(_, host)| host);
    host.is_none() || host != text(header::HOST.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn elsewhere(headers: &[(&'static str, &str)]) -> bool {
        let pair = |(name, value): &(&'static str, &str)| {
            let name = axum::http::HeaderName::from_static(name);
            (name, value.parse().unwrap())
        };
        is_from_elsewhere(&headers.iter().map(pair).collect())
    }

    #[test]
    fn what_another_site_sends_is_noticed() {
        assert!(elsewhere(&[("sec-fetch-site", "cross-site")]));
        assert!(elsewhere(&[("sec-fetch-site", "same-site")]));
        assert!(elsewhere(&[
            ("origin", "https://evil.example"),
            ("host", "sync.example")
        ]));
        assert!(elsewhere(&[("origin", "null"), ("host", "sync.example")]));
    }

    #[test]
    fn our_own_pages_and_clients_that_say_nothing_are_not() {
        assert!(!elsewhere(&[("sec-fetch-site", "same-origin")]));
        assert!(!elsewhere(&[("sec-fetch-site", "none")]));
        assert!(!elsewhere(&[
            ("origin", "https://sync.example"),
            ("host", "sync.example")
        ]));
        assert!(!elsewhere(&[]));
    }
}
