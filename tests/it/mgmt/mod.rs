//! `/mgmt/v2`, endpoint by endpoint.

mod connection_limits;
mod connections;
mod customers;
mod provenance;
mod providers;
mod rate_limit_info;
mod sync_configs;
mod sync_runs;
mod syncs;
mod webhook_events;
