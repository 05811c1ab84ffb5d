//! A simulator of the Apollo.io HTTP API: a seeded world of workspaces behind the same paths, headers, texts
//! and quirks as the real thing, for tests, demos and benchmarks.
//!
//! The core, [`Simulator::respond`], takes a request and the time and returns the answer; nothing in it waits,
//! reads a clock or opens a socket. [`serve`] puts it behind HTTP. It shares no code with the engine it is
//! used to test.
//!
//! ```
//! use syncline_sim::{Options, SimRequest, Simulator};
//!
//! let sim = Simulator::new(Options::default());
//! let now = chrono::DateTime::UNIX_EPOCH;
//! let ask = SimRequest::get("/api/v1/users/search?page=1").key("sim-master-key");
//! assert_eq!(sim.respond(now, &ask).json()["pagination"]["page"], "1");
//! ```
//!
//! Tests reach behind the API through [`Simulator::edit`] (what teammates do meanwhile), [`Simulator::read`]
//! (what is really there, and since when), [`Simulator::faults`] (what goes wrong), [`Simulator::gate`] (when a request may
//! pass) and [`Simulator::ledger`] (what was asked).

mod apollo;
mod args;
mod control;
mod fault;
mod gate;
mod json;
mod ledger;
mod limits;
mod options;
mod plans;
mod request;
mod server;
mod simulator;
mod switches;
mod wire;
mod world;

pub use args::{Args, PlanName, run};
pub use fault::{Action, Claim, Fault, Faults, Match};
pub use gate::Gate;
pub use ledger::{Exchange, InFlight, Ledger, Totals};
pub use limits::{Quota, Window};
pub use options::{KeyOptions, Options, TeamOptions};
pub use plans::{Plan, PlanTable};
pub use request::{SimReply, SimRequest, WireFault};
pub use server::{NowFn, RunningSimulator, serve, serve_at};
pub use simulator::{Asked, Simulator};
pub use switches::{
    DeepPageText, DefaultOrder, DeleteAnswer, Echo, FreePlan, InactiveReasons, OversizedPage,
    ReEnrolment, Reason, Switches,
};
pub use world::{Counts, EditError, Edits, StateKind, Team, fingerprint_of};
