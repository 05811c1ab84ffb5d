//! Which URLs can be a webhook's target.
//!
//! A target is chosen by a caller and requested from within the operator's network, so hosts that
//! have a meaning only there are refused (`syncline_outgoing`).

use reqwest::Url;
use syncline_outgoing::private_host;

/// Why a URL can't be a webhook's target.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTarget {
    #[error("is not a URL: {0}")]
    NoUrl(String),
    #[error("must begin with https:// or http://")]
    Scheme,
    #[error("must not contain a user name or a password; put a secret into the path or the query")]
    Credentials,
    #[error("must not have a fragment (#…): it would not be sent")]
    Fragment,
    #[error("must not be longer than {LONGEST_URL} bytes")]
    TooLong,
    #[error(
        "names {0}, which is not on the public internet; \
         SYNCLINE_WEBHOOKS__ALLOW_PRIVATE_TARGETS=true allows it"
    )]
    Private(String),
}

pub const LONGEST_URL: usize = 2048;

/// Checks whether a URL can be a webhook's target, without resolving its host.
pub fn parse_target(text: &str, allow_private: bool) -> Result<Url, InvalidTarget> {
    if text.len() > LONGEST_URL {
        return Err(InvalidTarget::TooLong);
    }
    let url = Url::parse(text.trim()).map_err(|error| InvalidTarget::NoUrl(error.to_string()))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(InvalidTarget::Scheme);
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(InvalidTarget::Credentials);
    }
    if url.fragment().is_some() {
        return Err(InvalidTarget::Fragment);
    }
    if !allow_private && let Some(host) = private_host(&url) {
        return Err(InvalidTarget::Private(host));
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use proptest::prelude::*;
    use syncline_outgoing::is_global;

    use super::*;

    proptest! {
        #[test]
        fn whatever_the_text_a_target_is_a_plain_url_on_the_internet(
            text in prop_oneof![
                any::<String>(),
                "(https?|ftp|file|HTTP):[/\\\\]{0,3}[a-z0-9.@:%\\[\\]x]{0,20}[/?#]?.{0,8}",
                "https?://[0-9a-fx.]{1,20}(:[0-9]{1,5})?/",
                "https?://\\[[0-9a-f:.]{2,30}\\]/",
            ],
        ) {
            if let Ok(url) = parse_target(&text, false) {
                prop_assert!(matches!(url.scheme(), "http" | "https"));
                prop_assert!(url.username().is_empty() && url.password().is_none());
                let host = url.host_str().unwrap().trim_matches(['[', ']']);
                if let Ok(address) = host.parse::<IpAddr>() {
                    prop_assert!(is_global(address), "{}", url);
                }
                // Parsing the stored text again gives the same URL.
                prop_assert_eq!(parse_target(url.as_str(), false), Ok(url.clone()));
            }
        }
    }

    #[test]
    fn a_private_target_is_refused_however_it_is_written() {
        for url in [
            "http://127.0.0.1/",
            "http://127.1/",
            "http://0x7f000001/",
            "http://2130706433/",
            "http://017700000001/",
            "http://[::1]/",
            "http://[::ffff:127.0.0.1]/",
            "http://localhost/",
            "http://LOCALHOST./",
            "http://a.localhost:8080/",
            "http://127.0.0.1./",
            "http://1\u{ff12}7.0.0.1/",
            "http://169.254.169.254/latest/meta-data/",
        ] {
            let refused = parse_target(url, false);
            assert!(
                matches!(refused, Err(InvalidTarget::Private(_))),
                "{url}: {refused:?}"
            );
            assert!(parse_target(url, true).is_ok(), "{url}");
        }
    }

    #[test]
    fn what_no_webhook_can_be_sent_to_is_refused_with_the_reason() {
        for (url, refused) in [
            ("ftp://hooks.example/", InvalidTarget::Scheme),
            ("file:///etc/passwd", InvalidTarget::Scheme),
            ("https://user@hooks.example/", InvalidTarget::Credentials),
            ("https://:pw@hooks.example/", InvalidTarget::Credentials),
            ("https://hooks.example/#a", InvalidTarget::Fragment),
        ] {
            assert_eq!(parse_target(url, true), Err(refused), "{url}");
        }
        for url in ["", "hooks.example", "https://", "https://a b/"] {
            let refused = parse_target(url, true);
            assert!(
                matches!(refused, Err(InvalidTarget::NoUrl(_))),
                "{url}: {refused:?}"
            );
        }
        let long = format!("https://hooks.example/{}", "a".repeat(LONGEST_URL));
        assert_eq!(parse_target(&long, true), Err(InvalidTarget::TooLong));
        assert!(parse_target("https://hooks.example:8443/a?b=c", false).is_ok());
    }
}
