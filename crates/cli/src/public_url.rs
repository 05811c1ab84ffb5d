//! The public URL of the API, as it is used in links.

use std::net::SocketAddr;

use reqwest::Url;
use serde::{Deserialize, Deserializer, de};

/// An http or https URL without a trailing slash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PublicUrl(String);

impl PublicUrl {
    /// The default: the address that the API listens on.
    pub(crate) fn of(listening: SocketAddr) -> Self {
        Self(format!("http://{listening}"))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if !(text.starts_with("http://") || text.starts_with("https://")) {
            return Err("it must begin with http:// or https://".to_owned());
        }
        let url = Url::parse(text).map_err(|error| format!("it is not a URL: {error}"))?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err("it must not contain credentials".to_owned());
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err("it must not have a query or a fragment".to_owned());
        }
        Ok(Self(url.as_str().trim_end_matches('/').to_owned()))
    }
}

impl<'de> Deserialize<'de> for PublicUrl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_can_be_appended_to_it() {
        for (given, kept) in [
            ("https://sync.example", "https://sync.example"),
            ("https://sync.example/", "https://sync.example"),
            (
                "http://sync.example:8080/base/",
                "http://sync.example:8080/base",
            ),
        ] {
            assert_eq!(PublicUrl::parse(given).unwrap().as_str(), kept);
        }
        let listening = "127.0.0.1:8080".parse().unwrap();
        assert_eq!(PublicUrl::of(listening).as_str(), "http://127.0.0.1:8080");
    }

    #[test]
    fn what_no_browser_can_open_is_refused() {
        for wrong in [
            "",
            "sync.example",
            "ftp://sync.example",
            "https://",
            "https://user@sync.example",
            "https://sync.example/?a=b",
            "https://sync.example/#a",
        ] {
            assert!(PublicUrl::parse(wrong).is_err(), "{wrong}");
        }
    }
}
