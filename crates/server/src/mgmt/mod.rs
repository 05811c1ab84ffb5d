//! `/mgmt/v2`: customers, their connections, and what is synced when. One file per resource.

pub(crate) mod api_keys;
pub(crate) mod approvals;
pub(crate) mod audit_log;
pub(crate) mod connection_keys;
pub(crate) mod connection_sync_configs;
pub(crate) mod connections;
pub(crate) mod customers;
pub(crate) mod destinations;
pub(crate) mod forecast;
mod health;
pub(crate) mod magic_links;
mod next_run;
mod oauth_config;
pub(crate) mod provenance;
pub(crate) mod providers;
pub(crate) mod rate_limit_info;
pub(crate) mod records;
mod secrets;
pub(crate) mod sync_configs;
pub(crate) mod sync_runs;
pub(crate) mod syncs;
pub(crate) mod usage;
pub(crate) mod webhook_endpoints;
pub(crate) mod webhook_events;
pub(crate) mod webhook_messages;

pub(crate) use secrets::{check_api_key, without_tokens};
