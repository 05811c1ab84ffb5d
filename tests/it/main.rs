//! Syncline as its users see it: over HTTP, against the simulated Apollo, on both databases.
//!
//! `support` has the application under test. The other modules mirror the URL tree (`mgmt`,
//! `engagement`, `actions`, `agents`, `enrichment`, `scim`, `console`) and the sections of docs/guarantees.md (`engine`,
//! `serve`, `access`). `packaging` checks the files that people start from against the binary,
//! `compat` the published operations against the documents, and `tables_doc` docs/tables.md against
//! the schema. `plans` checks the query plans of frequent statements, `partitions` those on tables that are split, `postgres_connections` how connections are used.

#![expect(
    clippy::unwrap_used,
    reason = "a test that finds nothing where something must be has failed"
)]

mod access;
mod actions;
mod agents;
mod compat;
mod console;
mod destinations;
mod engagement;
mod engine;
mod enrichment;
mod http;
mod mgmt;
mod oauth;
mod packaging;
mod partitions;
mod plans;
mod postgres_connections;
mod scim;
mod serve;
mod store_policy;
mod support;
mod tables_doc;
mod webhooks;
