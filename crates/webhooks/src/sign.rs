//! Signs webhooks (HMAC-SHA256): the headers that authenticate one, by the Standard Webhooks specification
//! (<https://www.standardwebhooks.com>).
//!
//! The same three values are sent under two sets of names: `webhook-*`, and `svix-*` for receivers
//! that use Svix's libraries.

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use standardwebhooks::Webhook;
use syncline_model::Time;

const ID: [HeaderName; 2] = names("webhook-id", "svix-id");
const TIMESTAMP: [HeaderName; 2] = names("webhook-timestamp", "svix-timestamp");
const SIGNATURE: [HeaderName; 2] = names("webhook-signature", "svix-signature");

const fn names(standard: &'static str, svix: &'static str) -> [HeaderName; 2] {
    [
        HeaderName::from_static(standard),
        HeaderName::from_static(svix),
    ]
}

/// Why a message can't be signed; retrying doesn't help.
#[derive(Debug, thiserror::Error)]
#[error("the message could not be signed: {0}")]
pub(crate) struct SignError(String);

/// One signature for each valid secret, newest first.
pub(crate) fn headers(
    message_id: &str,
    at: Time,
    body: &str,
    secrets: &[SecretString],
) -> Result<HeaderMap, SignError> {
    let timestamp = at.timestamp();
    let signatures = secrets
        .iter()
        .map(|secret| {
            Webhook::new(secret.expose_secret())?.sign(message_id, timestamp, body.as_bytes())
        })
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| SignError(error.to_string()))?;
    let mut headers = HeaderMap::new();
    for (names, value) in [
        (ID, message_id.to_owned()),
        (TIMESTAMP, timestamp.to_string()),
        (SIGNATURE, signatures.join(" ")),
    ] {
        let value = HeaderValue::from_str(&value).map_err(|error| SignError(error.to_string()))?;
        for name in names {
            headers.insert(name, value.clone());
        }
    }
    Ok(headers)
}

#[cfg(test)]
mod tests {
    use base64::{Engine, prelude::BASE64_STANDARD};
    use proptest::{prelude::*, sample::Index};
    use syncline_model::{Clock, SystemClock};

    use super::*;

    /// The example from the specification's libraries.
    #[test]
    fn the_signature_is_the_one_of_the_specification() {
        let secret = SecretString::from("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD");
        let at = Time::from_timestamp_millis(1_649_367_553_000).unwrap();
        let body = r#"{"email":"test@example.com","username":"test_user"}"#;
        let headers = headers("msg_27UH4WbU6Z5A5EzD8u03UvzRbpk", at, body, &[secret]).unwrap();
        assert_eq!(
            headers["webhook-signature"],
            "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw="
        );
        for name in ["id", "timestamp", "signature"] {
            let (standard, svix) = (format!("webhook-{name}"), format!("svix-{name}"));
            assert_eq!(headers[&standard], headers[&svix]);
        }
    }

    proptest! {
        #[test]
        fn the_stock_verification_takes_what_is_signed_and_nothing_that_was_changed(
            id in "[A-Za-z0-9_-]{1,40}",
            body in any::<String>(),
            secret in proptest::collection::vec(any::<u8>(), 24..64),
            at in any::<Index>(),
            flip in 1..=u8::MAX,
        ) {
            let webhook = Webhook::from_bytes(secret.clone()).unwrap();
            let secret = format!("whsec_{}", BASE64_STANDARD.encode(secret));
            let now = SystemClock::default().now();
            let headers = headers(&id, now, &body, &[secret.into()]).unwrap();
            prop_assert!(webhook.verify(body.as_bytes(), &headers).is_ok());
            let mut changed = body.into_bytes();
            changed.push(0);
            let at = at.index(changed.len());
            changed[at] ^= flip;
            prop_assert!(webhook.verify(&changed, &headers).is_err());
        }

        /// A receiver's library must handle any headers.
        #[test]
        fn a_signature_at_random_is_refused(signature in "(v1,[A-Za-z0-9+/=]{0,60} ?){0,3}") {
            let webhook = Webhook::new("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD").unwrap();
            let now = SystemClock::default().now();
            let mut headers = HeaderMap::new();
            headers.insert("webhook-id", HeaderValue::from_static("m"));
            headers.insert("webhook-timestamp", now.timestamp().into());
            headers.insert("webhook-signature", signature.parse().unwrap());
            let verified = webhook.verify(b"{}", &headers);
            prop_assert!(verified.is_err());
        }
    }

    #[test]
    fn each_secret_that_still_counts_signs() {
        let secrets = ["whsec_AAAA", "whsec_BBBB"].map(SecretString::from);
        let at = Time::from_timestamp_millis(0).unwrap();
        let both = headers("m", at, "{}", &secrets).unwrap();
        let both = both["webhook-signature"].to_str().unwrap().to_owned();
        let newest = headers("m", at, "{}", &secrets[..1]).unwrap();
        assert!(both.starts_with(newest["webhook-signature"].to_str().unwrap()));
        assert_eq!(both.split(' ').count(), 2);
    }
}
