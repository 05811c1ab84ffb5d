//! Connections to PostgreSQL, and what each of them is told first.
//!
//! It is told by statements and not by startup parameters: a pooler in between refuses those that it
//! doesn't know, or silently leaves them out.

use std::str::FromStr;

use sqlx::{Connection as _, Error, PgConnection, postgres::PgConnectOptions};

/// - A process that dies without closing its connections must not hold its locks for as long as TCP waits.
/// - A statement takes no longer than anybody waits for its answer (`link.rs`).
/// - Compiling a statement takes longer than any of ours.
/// - Statements are written for one isolation level, whatever the server's own default is.
const SETTINGS: &str = "
    SET idle_in_transaction_session_timeout = '30s';
    SET lock_timeout = '30s';
    SET statement_timeout = '2min';
    SET jit = off;
    SET default_transaction_isolation = 'read committed'";

/// Where the URL leads, with nothing that a pooler would refuse.
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
