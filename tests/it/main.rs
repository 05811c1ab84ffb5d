//! Syncline as its users see it: over HTTP, against the simulated Apollo, on both databases.
//!
//! `support` has the application under test. The other modules mirror the URL tree (`mgmt`,
//! `engagement`) and the promises of docs/guarantees.md (`engine`, `serve`).

mod engine;
mod packaging;
mod serve;
mod support;
