//! A simulator of the HTTP APIs of Apollo.io, Outreach and Salesloft: seeded workspaces behind the same paths,
//! headers, texts and quirks as the real APIs, for tests, demos and benchmarks. [`Options::dialect`]
//! selects the API.
//!
//! The core, [`Simulator::respond`], takes a request and the time and returns the answer; it never
//! waits, reads a clock or opens a socket. [`serve`] serves it over HTTP. It shares no code with
//! the engine that it tests.
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
//! Tests bypass the API with [`Simulator::edit`] (change records), [`Simulator::read`] (read the
//! real records and since when they exist), [`Simulator::faults`] (inject faults),
//! [`Simulator::gate`] (hold requests) and [`Simulator::ledger`] (count requests). What Apollo's enrichment
//! tells later, the server sends, or tests take with [`Simulator::due_callbacks`].

mod apollo;
mod args;
mod callback;
mod control;
mod dialect;
mod fault;
mod gate;
mod grants;
mod json;
mod ledger;
mod limits;
mod oauth;
mod options;
mod outreach;
mod params;
mod plans;
mod postman;
mod request;
mod routing;
mod salesloft;
mod server;
mod simulator;
mod switches;
mod tokens;
mod wire;
mod world;

pub use apollo::ApolloOptions;
pub use args::{Args, OutreachArgs, PlanName, SalesloftArgs, run, run_outreach, run_salesloft};
pub use callback::Callback;
pub use dialect::Dialect;
pub use fault::{Action, Claim, Fault, Faults, Match};
pub use gate::Gate;
pub use grants::OldRefreshToken;
pub use ledger::{Exchange, InFlight, Ledger, Totals};
pub use limits::{Quota, Window};
pub use options::{KeyOptions, Options, TeamOptions};
pub use outreach::{
    BrokenCursor, DeepOffset, Duplicates, ExpiredWords, ListOrder, Mismatch, OutreachOptions,
    OutreachSwitches, RootMeta, Ruleset, TokenErrors,
};
pub use plans::{Plan, PlanTable};
pub use request::{SimReply, SimRequest, WireFault};
pub use salesloft::{DeletedCadence, SalesloftOptions, SalesloftSwitches, TaskUpdates};
pub use server::{NowFn, RunningSimulator, serve, serve_at};
pub use simulator::{Asked, Simulator};
pub use switches::{
    DeepPageText, DefaultOrder, DeleteAnswer, Echo, FreePlan, InactiveReasons, OversizedPage,
    ReEnrolment, Reason, Switches,
};
pub use tokens::{TokenOptions, TokenPair};
pub use world::{Charge, Counts, EditError, Edits, StateKind, Team, fingerprint_of};
