//! The client against the simulated Salesloft: what is read is what the simulated team has.

#![expect(
    clippy::unwrap_used,
    reason = "a test's helpers may panic as its tests do"
)]

#[path = "../in_process/mod.rs"]
mod in_process;

mod access;
mod lists;
mod live;
mod oauth;
mod steps;
mod support;
