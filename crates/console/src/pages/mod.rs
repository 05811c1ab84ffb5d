//! The pages of the console: one file for each, with its handler and what its template shows.

pub(crate) mod agent;
pub(crate) mod api_keys;
pub(crate) mod approvals;
pub(crate) mod audit_log;
pub(crate) mod connection;
pub(crate) mod customer;
pub(crate) mod customers;
pub(crate) mod destinations;
pub(crate) mod enrichment;
pub(crate) mod enrichment_job;
pub(crate) mod keys;
pub(crate) mod overview;
pub(crate) mod providers;
pub(crate) mod record;
pub(crate) mod records;
pub(crate) mod run;
pub(crate) mod runs;
pub(crate) mod sync_config;
pub(crate) mod syncs;
pub(crate) mod usage;
pub(crate) mod webhook_message;
pub(crate) mod webhook_messages;
pub(crate) mod webhooks;
