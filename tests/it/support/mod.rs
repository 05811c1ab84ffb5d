//! What the tests stand on.

mod app;
mod database;

pub(crate) use app::{Answer, App, CUSTOMER, MASTER_KEY, quiet_apollo, SCOPED_KEY};
pub(crate) use database::{Database, on_both_databases};
