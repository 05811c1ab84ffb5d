//! Shared code of the tests.

mod app;
mod database;
pub(crate) mod documents;
mod limits;
mod operations;
mod plans;
mod postgres_server;
mod process;
mod proxy;
mod receiver;
mod rows;
mod schema;
mod upstream;
mod wire;

pub(crate) use app::{
    Answer, App, CUSTOMER, HttpLimits, MASTER_KEY, PUBLIC_URL, SCOPED_KEY, enabled, first_of_march,
    http_client, quiet_apollo,
};
pub(crate) use database::{Database, on_both_databases};
pub(crate) use limits::{
    CONTACTS, DAY, HOUR, limited_to, pages_of, per_hour, per_object, waiting_until, working_for,
};
pub(crate) use operations::{Operation, operations};
pub(crate) use plans::{explaining, partition_records, reads_of_history, reads_of_several_parts};
pub(crate) use postgres_server::PostgresServer;
pub(crate) use process::{API_KEY, ENCRYPTION_KEY, Process, shell, syncline};
pub(crate) use proxy::Proxy;
pub(crate) use receiver::{Delivery, Receiver, Reply};
pub(crate) use rows::{by_id, compare, id_of, stamps, time};
pub(crate) use upstream::Upstream;
pub(crate) use wire::{Way, Wire};
