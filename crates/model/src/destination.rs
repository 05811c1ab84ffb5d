//! Destinations: where records are written besides this database, and what has to be known for that.

use std::fmt;

use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The longest text of a setting, in bytes. Certificates may be longer.
const LONGEST_TEXT: usize = 255;
const LONGEST_CERTIFICATE: usize = 64 * 1024;
/// PostgreSQL's longest identifier, in bytes.
const LONGEST_IDENTIFIER: usize = 63;

/// A kind of destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = destination_type)]
pub enum DestinationType {
    Postgres,
    S3,
}

impl DestinationType {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::S3 => "s3",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        [Self::Postgres, Self::S3]
            .into_iter()
            .find(|it| it.as_str() == text)
    }
}

/// The settings of a destination that may be shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
#[schema(as = destination_config)]
pub enum DestinationConfig {
    Postgres(PostgresDestination),
    S3(S3Destination),
}

/// A PostgreSQL database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = postgres_config)]
pub struct PostgresDestination {
    pub host: String,
    pub port: u16,
    pub database: String,
    /// The schema with the tables. It must exist.
    pub schema: String,
    pub user: String,
    /// `disable` unless it is set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub ssl_mode: Option<SslMode>,
}

/// How the connection to PostgreSQL is encrypted. All but the first two check the server's certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
#[schema(as = ssl_mode)]
pub enum SslMode {
    Disable,
    /// Encrypted, with whatever certificate.
    NoVerify,
    Prefer,
    Require,
    /// The certificate's issuer is checked, and not its name.
    VerifyCa,
    VerifyFull,
}

/// A bucket of an S3 service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = s3_config)]
pub struct S3Destination {
    /// `s3://` before it is ignored.
    pub bucket: String,
    /// What all keys begin with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub prefix: Option<String>,
    pub region: String,
    /// The service's URL, unless it is AWS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub endpoint: Option<String>,
    pub access_key_id: String,
}

/// The settings that are never shown.
#[derive(Clone)]
pub enum DestinationSecrets {
    Postgres(PostgresSecrets),
    S3 { secret_access_key: SecretString },
}

#[derive(Clone)]
pub struct PostgresSecrets {
    pub password: SecretString,
    /// Certificates in PEM form.
    pub server_ca_cert: Option<String>,
    pub client_cert: Option<String>,
    pub client_key: Option<SecretString>,
}

impl fmt::Debug for DestinationSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DestinationSecrets")
    }
}

/// A setting that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {reason}")]
pub struct InvalidDestination {
    /// Within the config, such as `host`.
    pub field: &'static str,
    pub reason: String,
}

impl DestinationConfig {
    pub fn destination_type(&self) -> DestinationType {
        match self {
            Self::Postgres(_) => DestinationType::Postgres,
            Self::S3(_) => DestinationType::S3,
        }
    }

    pub fn check(&self) -> Result<(), InvalidDestination> {
        match self {
            Self::Postgres(config) => config.check(),
            // By whoever writes there: it knows which buckets and endpoints can be.
            Self::S3(_) => Ok(()),
        }
    }
}

impl PostgresDestination {
    fn check(&self) -> Result<(), InvalidDestination> {
        text("host", &self.host, LONGEST_TEXT)?;
        // sqlx takes a path for a socket's directory.
        if self.host.contains('/') {
            return Err(invalid("host", "must be a host name or an IP address"));
        }
        if self.port == 0 {
            return Err(invalid("port", "must be a number from 1 to 65535"));
        }
        text("database", &self.database, LONGEST_IDENTIFIER)?;
        text("user", &self.user, LONGEST_IDENTIFIER)?;
        check_schema("schema", &self.schema)
    }
}

/// A schema's name. It is quoted, so it may have any characters that can be seen.
pub fn check_schema(field: &'static str, name: &str) -> Result<(), InvalidDestination> {
    text(field, name, LONGEST_IDENTIFIER)?;
    if name.starts_with("pg_") || name == "information_schema" {
        return Err(invalid(
            field,
            "must not be one of PostgreSQL's own schemas",
        ));
    }
    Ok(())
}

impl S3Destination {
    /// The bucket's name alone.
    pub fn bucket_name(&self) -> &str {
        let name = self.bucket.strip_prefix("s3://").unwrap_or(&self.bucket);
        name.trim_end_matches('/')
    }
}

impl DestinationSecrets {
    pub fn check(&self) -> Result<(), InvalidDestination> {
        let Self::Postgres(secrets) = self else {
            return Ok(());
        };
        for (field, certificate) in [
            ("server_ca_cert", &secrets.server_ca_cert),
            ("client_cert", &secrets.client_cert),
        ] {
            let Some(certificate) = certificate else {
                continue;
            };
            if certificate.len() > LONGEST_CERTIFICATE || !certificate.contains("-----BEGIN") {
                return Err(invalid(
                    field,
                    "must be a certificate in PEM form, of at most 64 KiB",
                ));
            }
        }
        if secrets.client_cert.is_some() != secrets.client_key.is_some() {
            return Err(invalid(
                "client_key",
                "must be set together with client_cert, or neither",
            ));
        }
        Ok(())
    }
}

fn text(field: &'static str, value: &str, longest: usize) -> Result<(), InvalidDestination> {
    if value.is_empty() || value.len() > longest || value.chars().any(char::is_control) {
        return Err(invalid(
            field,
            format!("must have 1 to {longest} bytes, without control characters"),
        ));
    }
    Ok(())
}

fn invalid(field: &'static str, reason: impl Into<String>) -> InvalidDestination {
    InvalidDestination {
        field,
        reason: reason.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn postgres() -> PostgresDestination {
        PostgresDestination {
            host: "db.example.com".to_owned(),
            port: 5432,
            database: "warehouse".to_owned(),
            schema: "crm".to_owned(),
            user: "syncline".to_owned(),
            ssl_mode: None,
        }
    }

    #[test]
    fn a_wrong_setting_is_named() {
        let wrong = |change: fn(&mut PostgresDestination)| {
            let mut config = postgres();
            change(&mut config);
            config.check().unwrap_err().field
        };
        postgres().check().unwrap();
        assert_eq!(wrong(|it| it.host = "/var/run".to_owned()), "host");
        assert_eq!(wrong(|it| it.host.clear()), "host");
        assert_eq!(wrong(|it| it.port = 0), "port");
        assert_eq!(wrong(|it| it.schema = "pg_catalog".to_owned()), "schema");
        assert_eq!(wrong(|it| it.schema = "x".repeat(64)), "schema");
        assert_eq!(wrong(|it| it.user = "a\nb".to_owned()), "user");
    }

    #[test]
    fn a_bucket_may_be_given_as_a_url() {
        let config = S3Destination {
            bucket: "s3://lake/".to_owned(),
            prefix: None,
            region: "eu-central-1".to_owned(),
            endpoint: None,
            access_key_id: "key".to_owned(),
        };
        assert_eq!(config.bucket_name(), "lake");
    }
}
