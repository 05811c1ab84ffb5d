//! Which headers are forwarded by the passthrough, in either direction.
//!
//! Hop-by-hop headers and the caller's authentication are removed: the provider doesn't see the
//! caller's credentials, and the caller doesn't see the connection's.

use memchr::memmem::Finder;
use reqwest::header::{CONNECTION, HeaderMap, HeaderName, HeaderValue};
use secrecy::{ExposeSecret, SecretString};

pub(super) const REDACTED: &str = "[redacted]";

/// Hop-by-hop headers (RFC 9110, 7.6.1), including obsolete ones that are still sent.
const HOP_BY_HOP: [&str; 8] = [
    "connection",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "trailers",
    "transfer-encoding",
    "upgrade",
];

/// Headers that identify the caller, to this service or to any other.
const CALLER_AUTH: [&str; 5] = [
    "authorization",
    "cookie",
    "x-api-key",
    "x-customer-id",
    "x-provider-name",
];

/// Headers that are set again for the next connection.
const RECREATED: [&str; 2] = ["expect", "host"];

/// The prefix of this service's own settings.
const OURS: &str = "x-syncline-";

/// A provider's cookies belong to the connection's credential. A browser would store them for this
/// service's address and send them with the next customer's request.
const COOKIES: [&str; 2] = ["set-cookie", "set-cookie2"];

/// A caller's headers, without those that are not forwarded.
pub(super) fn to_provider(headers: &HeaderMap) -> HeaderMap {
    let named = named_by_connection(headers);
    let mut kept = HeaderMap::with_capacity(headers.len() + 1);
    for (name, value) in headers {
        let text = name.as_str();
        let ends_here = is_of_one_connection(text)
            || CALLER_AUTH.contains(&text)
            || RECREATED.contains(&text)
            || text.starts_with(OURS)
            || named.contains(name);
        if !ends_here {
            kept.append(name, value.clone());
        }
    }
    kept
}

/// A provider's headers, without those that are not forwarded, and without the credential.
pub(super) fn to_caller(headers: &HeaderMap, secret: &SecretString) -> HeaderMap {
    let named = named_by_connection(headers);
    let secret = secret.expose_secret();
    let found = Finder::new(secret.as_bytes());
    // Header names are lower case.
    let in_lower_case = secret.to_lowercase();
    let mut kept = HeaderMap::with_capacity(headers.len());
    for (name, value) in headers {
        let text = name.as_str();
        let ends_here =
            is_of_one_connection(text) || COOKIES.contains(&text) || named.contains(name);
        if ends_here || (!secret.is_empty() && text.contains(&in_lower_case)) {
            continue;
        }
        let names_it = !secret.is_empty() && found.find(value.as_bytes()).is_some();
        let value = if names_it {
            without(value, secret)
        } else {
            value.clone()
        };
        kept.append(name, value);
    }
    kept
}

fn without(value: &HeaderValue, secret: &str) -> HeaderValue {
    let text = String::from_utf8_lossy(value.as_bytes());
    HeaderValue::from_str(&text.replace(secret, REDACTED))
        .unwrap_or(HeaderValue::from_static(REDACTED))
}

fn is_of_one_connection(name: &str) -> bool {
    HOP_BY_HOP.contains(&name) || name.starts_with("proxy-")
}

fn named_by_connection(headers: &HeaderMap) -> Vec<HeaderName> {
    let tokens = headers.get_all(CONNECTION).iter().flat_map(|value| {
        let text = value.to_str().unwrap_or_default();
        text.split(',').map(str::trim)
    });
    tokens.filter_map(|token| token.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let pair = |(name, value): &(&'static str, &'static str)| {
            (
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            )
        };
        let mut headers = HeaderMap::new();
        for (name, value) in pairs.iter().map(pair) {
            headers.append(name, value);
        }
        headers
    }

    fn names(headers: &HeaderMap) -> Vec<&str> {
        headers.keys().map(HeaderName::as_str).collect()
    }

    #[test]
    fn what_is_of_one_connection_or_of_the_caller_ends_here() {
        let kept = to_provider(&headers(&[
            ("connection", "close, X-Hop"),
            ("connection", "x-other-hop"),
            ("x-hop", "1"),
            ("x-other-hop", "1"),
            ("keep-alive", "5"),
            ("proxy-authorization", "Basic x"),
            ("te", "trailers"),
            ("transfer-encoding", "chunked"),
            ("upgrade", "h2c"),
            ("host", "us.example"),
            ("x-api-key", "theirs"),
            ("authorization", "Bearer theirs"),
            ("cookie", "a=b"),
            ("x-customer-id", "c"),
            ("x-provider-name", "apollo"),
            ("x-syncline-retry-for", "5"),
            ("accept", "text/csv"),
            ("x-twice", "1"),
            ("x-twice", "2"),
        ]));
        assert_eq!(names(&kept), ["accept", "x-twice"]);
        assert_eq!(kept.get_all("x-twice").iter().count(), 2);
    }

    #[test]
    fn no_cookie_and_no_credential_comes_back() {
        let kept = to_caller(
            &headers(&[
                ("set-cookie", "session=1"),
                ("connection", "x-hop"),
                ("x-hop", "1"),
                ("x-echo", "you sent K-123, did you?"),
                ("x-k-123", "1"),
                ("content-type", "text/csv"),
            ]),
            &SecretString::from("K-123"),
        );
        assert_eq!(names(&kept), ["x-echo", "content-type"]);
        assert_eq!(kept["x-echo"], "you sent [redacted], did you?");
    }
}
