//! Connections to PostgreSQL, and their session settings.
//!
//! The settings are sent as statements and not as startup parameters: a pooler rejects parameters
//! that it doesn't know, or silently drops them.

use std::str::FromStr;

use sqlx::{Connection as _, Error, PgConnection, postgres::PgConnectOptions};

/// - A process that dies without closing its connections must not keep its locks until TCP times
///   out.
/// - A statement takes no longer than its response is awaited (`link.rs`).
/// - JIT compilation would take longer than any of our statements.
/// - Statements are written for one isolation level, whatever the server's default is.
const SETTINGS: &str = "
    SET idle_in_transaction_session_timeout = '30s';
    SET lock_timeout = '30s';
    SET statement_timeout = '2min';
    SET jit = off;
    SET default_transaction_isolation = 'read committed'";

/// The connection options of the URL, without parameters that a pooler would reject.
pub(crate) fn options(url: &str) -> Result<PgConnectOptions, Error> {
    let options = PgConnectOptions::from_str(url)?;
    Ok(options
        .application_name("syncline")
        .extra_float_digits(None))
}

pub(crate) async fn connect(options: &PgConnectOptions) -> Result<PgConnection, Error> {
    let mut connection = PgConnection::connect_with(options).await?;
    set_up(&mut connection).await?;
    Ok(connection)
}

pub(crate) async fn set_up(connection: &mut PgConnection) -> Result<(), Error> {
    sqlx::raw_sql(SETTINGS).execute(connection).await.map(drop)
}
