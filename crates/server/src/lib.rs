//! The HTTP side: the management, engagement, actions, enrichment and SCIM APIs, health and metrics.
//!
//! `guard` limits what a request may use, and `router` is the whole URL table. A handler reads top to bottom: who calls, what is asked, look up, act, answer. Every
//! failure becomes an `ApiError`, the only error that turns into a response.

mod access;
mod actions;
pub mod agents;
mod array;
mod audit;
pub mod bearer;
mod call;
pub mod connecting;
pub mod cookie;
mod cursor;
mod docs;
mod engagement;
mod enrichment;
mod error;
mod every_request;
mod extract;
mod guard;
mod health;
mod idempotency;
pub mod in_process;
mod key_uses;
mod limits;
mod metrics;
mod mgmt;
mod oauth;
mod openapi;
mod provider_errors;
pub mod public_path;
mod remote;
mod request_counts;
mod request_gate;
mod router;
mod scim;
pub mod sessions;
mod texts;

use std::{ops::Deref, sync::Arc};

use syncline_engine::{Tokens, Wake};
use syncline_model::{Clock, Ids, ProviderLimits};
use syncline_providers::Providers;
use syncline_store::Store;
use tokio_util::task::TaskTracker;

pub use self::metrics::Metrics;
pub use actions::{check_grants, run_approved_calls};
pub use audit::Recorder;
pub use engagement::feed_watch::FeedWatch;
pub use enrichment::jobs::{CsvList, CsvResults, read_csv};
pub use guard::{Guard, RequestLimits, report_panics};
pub use key_uses::KeyUses;
pub use limits::check_limits;
pub use oauth::checked_origin;
pub use openapi::documents;
pub use request_gate::RequestGate;
pub use router::{api, health_router, router};

/// Everything that a handler may use. Cheap to clone: a request does so in every layer.
#[derive(Clone)]
pub struct AppState(Arc<Services>);

impl From<Services> for AppState {
    fn from(services: Services) -> Self {
        Self(Arc::new(services))
    }
}

impl Deref for AppState {
    type Target = Services;

    fn deref(&self) -> &Services {
        &self.0
    }
}

/// What an [`AppState`] is made of.
pub struct Services {
    pub store: Store,
    pub providers: Providers,
    /// Valid access tokens of connections.
    pub tokens: Tokens,
    pub clock: Arc<dyn Clock>,
    pub ids: Arc<Ids>,
    /// What may be read from each provider; the default limits if it is not listed.
    pub limits: Arc<ProviderLimits>,
    /// The public base URL of this API, without a trailing slash.
    pub public_url: Arc<str>,
    /// The origins that customers may be sent to after they authorized, besides those of magic links.
    pub return_origins: Arc<[String]>,
    /// When the use of keys was last recorded.
    pub key_uses: KeyUses,
    /// Whether a webhook endpoint may be on a private network, or on this machine.
    pub allow_private_targets: bool,
    /// The same for destinations.
    pub allow_private_destinations: bool,
    /// What callers' requests know about the providers' request limits.
    pub request_gate: RequestGate,
    /// Tells readers of change feeds what is committed.
    pub feeds: FeedWatch,
    /// The limits of requests.
    pub guard: Guard,
    /// Writes the audit log.
    pub recorder: Recorder,
    /// Makes the engine look for due syncs now.
    pub wake: Wake,
    pub metrics: Metrics,
    /// What goes on after its request was answered. A shutdown waits for it.
    pub tasks: TaskTracker,
}
