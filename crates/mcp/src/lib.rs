//! The Model Context Protocol: an agent's actions as tools, over HTTP at `/mcp` and over stdio.
//!
//! It is a client of the API within the process: what a tool does, who may call it, what is counted and
//! what is written down is decided there (`syncline_server::in_process`). `tools` describes actions as
//! tools, `results` what came of a call, `resources` the tables' columns, `http` who calls.
//!
//! There are no sessions: each request carries its key, so any process answers it, and a revoked key is
//! refused at once.

mod http;
mod resources;
mod results;
mod server;
mod tools;

pub use http::routes;
pub use server::serve_stdio;
