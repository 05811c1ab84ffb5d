//! The options of a simulated Apollo: its OAuth application, which Apollo has for partners only, and its
//! callbacks.

use std::time::Duration;

use crate::tokens::TokenOptions;

#[derive(Debug, Clone)]
pub struct ApolloOptions {
    pub client_id: String,
    pub client_secret: String,
    /// The registered redirect URIs. If empty, any is accepted.
    pub redirect_uris: Vec<String>,
    /// Tokens that exist from the start. A team without any gets [`TokenOptions::of_apollo_team`].
    pub tokens: Vec<TokenOptions>,
    /// How much later than the answer the late results of enrichment are there, and are sent. Apollo says that
    /// it can take minutes. The server reaches `http://` addresses only; for others the results can be polled.
    pub callback_delay: Duration,
    /// Each callback is made twice. Apollo says that receivers have to put up with that.
    pub callbacks_twice: bool,
    /// No callback arrives. Polling still brings the results.
    pub callbacks_lost: bool,
    /// The server sends none: whoever runs it takes them, with
    /// [`Simulator::due_callbacks`](crate::Simulator::due_callbacks).
    pub callbacks_held: bool,
}

impl Default for ApolloOptions {
    fn default() -> Self {
        Self {
            client_id: "sim-apollo-client".to_owned(),
            client_secret: "sim-apollo-secret".to_owned(),
            redirect_uris: Vec::new(),
            tokens: Vec::new(),
            callback_delay: Duration::from_secs(5),
            callbacks_twice: false,
            callbacks_lost: false,
            callbacks_held: false,
        }
    }
}

/// Apollo's pre-issued tokens.
impl TokenOptions {
    /// `sim-apollo-access` and `sim-apollo-refresh` for the first user of the first team; those of the
    /// second team end in `-2`, and so on.
    pub fn of_apollo_team(team: usize) -> Self {
        let suffix = match team {
            0 => String::new(),
            n => format!("-{}", n + 1),
        };
        Self {
            team,
            user: 0,
            access: format!("sim-apollo-access{suffix}"),
            refresh: format!("sim-apollo-refresh{suffix}"),
            scopes: None,
        }
    }
}
