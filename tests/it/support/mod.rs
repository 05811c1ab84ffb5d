//! What the tests stand on.

mod app;
mod database;

pub(crate) use app::{Answer, App, CUSTOMER, MASTER_KEY, SCOPED_KEY, quiet_apollo};
pub(crate) use database::{Database, on_both_databases};
