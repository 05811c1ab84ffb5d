//! `/mgmt/v2`, endpoint by endpoint.

mod connections;
mod customers;
mod providers;
mod sync_configs;
mod sync_runs;
mod syncs;
