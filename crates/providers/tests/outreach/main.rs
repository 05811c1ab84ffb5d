//! The client against the simulated Outreach, in the same process.

#[path = "../in_process/mod.rs"]
mod in_process;

mod access;
mod lists;
mod live;
mod lookups;
mod oauth;
mod support;
