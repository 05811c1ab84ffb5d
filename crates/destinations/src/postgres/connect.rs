//! Connections to a destination's database: where they may go, how they are encrypted, and what their
//! errors mean.

use std::{str::FromStr, time::Duration};

use secrecy::ExposeSecret;
use sqlx::{
    Connection as _, PgConnection, PgPool,
    postgres::{PgConnectOptions, PgDatabaseError, PgPoolOptions, PgSslMode},
};
use syncline_model::{
    PostgresDestination,
    destination::{PostgresSecrets, SslMode},
};
use syncline_outgoing::is_global;

use crate::DestinationError;

/// How long opening a connection may take.
const CONNECT_WITHIN: Duration = Duration::from_secs(10);
const CLOSE_IDLE_AFTER: Duration = Duration::from_mins(1);

/// The host must be on the public internet, unless private ones are allowed.
pub(super) async fn check_host(
    config: &PostgresDestination,
    allow_private: bool,
) -> Result<(), DestinationError> {
    if allow_private {
        return Ok(());
    }
    let host = (config.host.as_str(), config.port);
    let addresses = tokio::net::lookup_host(host).await.map_err(|error| {
        DestinationError::failed(format!("the host {} can't be found: {error}", config.host))
    })?;
    let addresses: Vec<_> = addresses.collect();
    if addresses.is_empty() || !addresses.iter().all(|address| is_global(address.ip())) {
        return Err(DestinationError::failed(format!(
            "{} is not on the public internet: set SYNCLINE_DESTINATIONS__ALLOW_PRIVATE_TARGETS=true if \
             destinations may be on your own network",
            config.host
        )));
    }
    Ok(())
}

pub(super) fn pool(
    config: &PostgresDestination,
    secrets: &PostgresSecrets,
    connections: u32,
) -> Result<PgPool, DestinationError> {
    Ok(PgPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(CONNECT_WITHIN)
        .idle_timeout(CLOSE_IDLE_AFTER)
        .connect_lazy_with(options(config, secrets)?))
}

/// One connection, whose failure is told at once; the pool would try again for a while.
pub(super) async fn once(pool: &PgPool) -> Result<PgConnection, DestinationError> {
    let options = pool.connect_options();
    let connecting = PgConnection::connect_with(&options);
    match tokio::time::timeout(CONNECT_WITHIN, connecting).await {
        Ok(connected) => connected.map_err(|error| explain(&error)),
        Err(_) => Err(explain(&sqlx::Error::PoolTimedOut)),
    }
}

fn options(
    config: &PostgresDestination,
    secrets: &PostgresSecrets,
) -> Result<PgConnectOptions, DestinationError> {
    // Not `new`, which takes what is not set from the environment.
    let options = PgConnectOptions::from_str("postgres://localhost")
        .map_err(|error| DestinationError::failed(error.to_string()))?;
    let mut options = options
        .host(&config.host)
        .port(config.port)
        .database(&config.database)
        .username(&config.user)
        .password(secrets.password.expose_secret())
        .application_name("syncline")
        // A pooler refuses it.
        .extra_float_digits(None)
        .statement_cache_capacity(0)
        .ssl_mode(match config.ssl_mode.unwrap_or(SslMode::Disable) {
            SslMode::Disable => PgSslMode::Disable,
            SslMode::NoVerify => PgSslMode::Require,
            SslMode::VerifyCa => PgSslMode::VerifyCa,
            SslMode::Prefer | SslMode::Require | SslMode::VerifyFull => PgSslMode::VerifyFull,
        });
    if let Some(certificate) = &secrets.server_ca_cert {
        options = options.ssl_root_cert_from_pem(certificate.clone().into_bytes());
    }
    if let (Some(certificate), Some(key)) = (&secrets.client_cert, &secrets.client_key) {
        options = options
            .ssl_client_cert_from_pem(certificate)
            .ssl_client_key_from_pem(key.expose_secret());
    }
    Ok(options)
}

/// An error in one line, with what to do where that is known.
pub(super) fn explain(error: &sqlx::Error) -> DestinationError {
    let reason = match error {
        sqlx::Error::PoolTimedOut => format!(
            "no connection within {} seconds: check that the host and the port are right, and that a \
             firewall lets Syncline through",
            CONNECT_WITHIN.as_secs()
        ),
        sqlx::Error::Io(error) => format!("the connection failed: {error}"),
        sqlx::Error::Tls(error) => format!("the encrypted connection failed: {error}"),
        sqlx::Error::Database(cause) => {
            let code = cause.try_downcast_ref::<PgDatabaseError>();
            let code = code.map_or("", |cause| cause.code());
            let said = cause.message();
            match code {
                "28P01" | "28000" => format!("the user or its password is wrong: {said}"),
                "3D000" => format!("there is no such database: {said}"),
                "42501" => format!("the user lacks a right: {said}"),
                "53300" => format!("the server has too many connections: {said}"),
                "53100" => format!("the server's disk is full: {said}"),
                _ => format!("PostgreSQL refuses it: {said}"),
            }
        }
        other => other.to_string(),
    };
    DestinationError::failed(syncline_model::line(&reason, LONGEST_REASON))
}

const LONGEST_REASON: usize = 500;

/// Whether the database can't hold a value.
pub(super) fn refuses_data(error: &sqlx::Error) -> bool {
    let sqlx::Error::Database(cause) = error else {
        return false;
    };
    let code = cause.try_downcast_ref::<PgDatabaseError>();
    code.is_some_and(|cause| cause.code().starts_with("22"))
}
