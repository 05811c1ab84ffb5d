//! `/mgmt/v2`, endpoint by endpoint.

mod api_keys;
mod audit_log;
mod connection_limits;
mod connection_sync_configs;
mod connections;
mod customers;
mod destinations;
mod forecast;
mod health;
mod magic_links;
mod provenance;
mod providers;
mod rate_limit_info;
mod sync_configs;
mod sync_runs;
mod syncs;
mod webhook_events;
