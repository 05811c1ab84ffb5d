//! What an S3 destination is given, and whether it can be right.

use reqwest::Url;
use secrecy::SecretString;
use std::net::IpAddr;
use syncline_outgoing::{is_global, private_host};

/// Where files are written, and with which key.
#[derive(Debug, Clone)]
pub struct S3Config {
    pub bucket: String,
    /// The directory in the bucket, without a slash at its ends; empty for the whole bucket.
    pub prefix: String,
    pub region: String,
    /// The URL of a server other than Amazon's.
    pub endpoint: Option<String>,
    pub access_key_id: String,
    pub secret_access_key: SecretString,
}

/// A field that can't be right, and what would be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field} {problem}")]
pub struct InvalidConfig {
    pub field: &'static str,
    pub problem: String,
}

const LONGEST_PREFIX: usize = 512;

impl S3Config {
    /// Checks each field without asking the server.
    pub fn check(&self, allow_private: bool) -> Result<(), InvalidConfig> {
        let refused = |field, problem: String| Err(InvalidConfig { field, problem });
        if let Some(problem) = wrong_bucket(&self.bucket) {
            return refused("bucket", problem.to_owned());
        }
        if let Some(problem) = wrong_prefix(&self.prefix) {
            return refused("prefix", problem);
        }
        // It becomes a part of Amazon's host name.
        let in_region = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if self.region.is_empty() || self.region.len() > 64 || !self.region.chars().all(in_region) {
            let problem = "must be the name of a region such as eu-central-1; \
                           servers that have none take us-east-1";
            return refused("region", problem.to_owned());
        }
        if let Some(endpoint) = &self.endpoint
            && let Some(problem) = wrong_endpoint(endpoint, allow_private)
        {
            return refused("endpoint", problem);
        }
        let in_key = |c: char| c.is_ascii_graphic() && c != '/' && c != ',';
        if self.access_key_id.is_empty() || !self.access_key_id.chars().all(in_key) {
            let problem = "must be an access key's id: letters and digits";
            return refused("access_key_id", problem.to_owned());
        }
        if secrecy::ExposeSecret::expose_secret(&self.secret_access_key).is_empty() {
            return refused("secret_access_key", "must not be empty".to_owned());
        }
        Ok(())
    }

    /// The endpoint in the one spelling that is used.
    pub(super) fn endpoint_url(&self) -> Option<Url> {
        Url::parse(self.endpoint.as_deref()?).ok()
    }
}

/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html>
fn wrong_bucket(bucket: &str) -> Option<&'static str> {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '.');
    let at_an_end = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    if !(3..=63).contains(&bucket.len()) {
        Some("must have 3 to 63 characters")
    } else if !bucket.chars().all(allowed) {
        Some("may have lower-case letters, digits, dots and hyphens; a prefix goes into prefix")
    } else if !bucket.starts_with(at_an_end) || !bucket.ends_with(at_an_end) {
        Some("must begin and end with a letter or a digit")
    } else if bucket.contains("..") || bucket.parse::<IpAddr>().is_ok() {
        Some("must not have two dots in a row or look like an IP address")
    } else {
        None
    }
}

fn wrong_prefix(prefix: &str) -> Option<String> {
    let allowed =
        |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '-' | '_' | '.' | '=' | '+');
    if prefix.is_empty() {
        return None;
    }
    if prefix.len() > LONGEST_PREFIX {
        return Some(format!(
            "must not be longer than {LONGEST_PREFIX} characters"
        ));
    }
    if !prefix.chars().all(allowed) {
        return Some("may have letters, digits and / - _ . = +".to_owned());
    }
    let mut segments = prefix.split('/');
    segments
        .any(|segment| matches!(segment, "" | "." | ".."))
        .then(|| "must be names with single slashes between them, such as lake/syncline".to_owned())
}

fn wrong_endpoint(endpoint: &str, allow_private: bool) -> Option<String> {
    let url = match Url::parse(endpoint) {
        Ok(url) => url,
        Err(error) => return Some(format!("is not a URL: {error}")),
    };
    if !matches!(url.scheme(), "http" | "https") {
        return Some("must begin with https:// or http://".to_owned());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Some("must not contain a user name or a password".to_owned());
    }
    if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
        return Some("must have no path; the bucket goes into bucket".to_owned());
    }
    let private = private_host(&url);
    if let Some(host) = &private
        && !allow_private
    {
        return Some(format!("names {host}, which is not on the public internet"));
    }
    let host = url.host_str().unwrap_or_default();
    let on_the_internet = host.trim_matches(['[', ']']).parse().is_ok_and(is_global);
    if url.scheme() == "http" && (!allow_private || on_the_internet) {
        return Some("must begin with https://; http is for private networks only".to_owned());
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> S3Config {
        S3Config {
            bucket: "my-lake".to_owned(),
            prefix: "syncline".to_owned(),
            region: "eu-central-1".to_owned(),
            endpoint: None,
            access_key_id: "AKIAEXAMPLE".to_owned(),
            secret_access_key: "secret".to_owned().into(),
        }
    }

    fn refused(change: impl Fn(&mut S3Config), allow_private: bool) -> Option<&'static str> {
        let mut config = config();
        change(&mut config);
        config.check(allow_private).err().map(|it| it.field)
    }

    #[test]
    fn what_can_be_right_is_taken() {
        assert_eq!(config().check(false), Ok(()));
        for prefix in ["", "a", "lake/v=1/my_team.crm"] {
            assert_eq!(refused(|it| it.prefix = prefix.to_owned(), false), None);
        }
        for endpoint in [
            "https://s3.example",
            "https://s3.example:8443/",
            "https://1.1.1.1",
        ] {
            let change = |it: &mut S3Config| it.endpoint = Some(endpoint.to_owned());
            assert_eq!(refused(change, false), None, "{endpoint}");
        }
        for endpoint in [
            "http://127.0.0.1:8333",
            "http://minio:9000",
            "https://10.0.0.1",
        ] {
            let change = |it: &mut S3Config| it.endpoint = Some(endpoint.to_owned());
            assert_eq!(refused(change, true), None, "{endpoint}");
        }
    }

    #[test]
    fn what_can_not_be_right_is_refused_by_field() {
        for bucket in [
            "", "ab", "My-Lake", "a/b", "-ab", "a..b", "1.2.3.4", "a?b#", "a@evil",
        ] {
            let change = |it: &mut S3Config| it.bucket = bucket.to_owned();
            assert_eq!(refused(change, true), Some("bucket"), "{bucket}");
        }
        for prefix in [
            "/a", "a/", "a//b", "..", "a/../b", ".", "a\nb", "a b", "a%2e",
        ] {
            let change = |it: &mut S3Config| it.prefix = prefix.to_owned();
            assert_eq!(refused(change, true), Some("prefix"), "{prefix}");
        }
        for region in ["", "evil.example/", "eu central", "EU"] {
            let change = |it: &mut S3Config| it.region = region.to_owned();
            assert_eq!(refused(change, true), Some("region"), "{region}");
        }
        for endpoint in [
            "s3.example",
            "ftp://s3.example",
            "https://key:secret@s3.example",
            "https://s3.example/bucket",
            "https://s3.example/?a",
            "http://8.8.8.8",
        ] {
            let change = |it: &mut S3Config| it.endpoint = Some(endpoint.to_owned());
            assert_eq!(refused(change, true), Some("endpoint"), "{endpoint}");
        }
        for endpoint in [
            "https://localhost:9000",
            "https://169.254.169.254",
            "https://[::1]",
            "https://127.1",
            "http://s3.example",
        ] {
            let change = |it: &mut S3Config| it.endpoint = Some(endpoint.to_owned());
            assert_eq!(refused(change, false), Some("endpoint"), "{endpoint}");
        }
        let id = |it: &mut S3Config| it.access_key_id = "a/b".to_owned();
        assert_eq!(refused(id, true), Some("access_key_id"));
        let secret = |it: &mut S3Config| it.secret_access_key = String::new().into();
        assert_eq!(refused(secret, true), Some("secret_access_key"));
    }

    #[test]
    fn printing_shows_no_secret() {
        let mut config = config();
        config.secret_access_key = "a-very-secret-key".to_owned().into();
        assert!(!format!("{config:?}").contains("a-very-secret-key"));
    }
}
