//! The OAuth application of a simulated Apollo. Apollo has such applications for partners only.

use crate::tokens::TokenOptions;

#[derive(Debug, Clone)]
pub struct ApolloOptions {
    pub client_id: String,
    pub client_secret: String,
    /// The registered redirect URIs. If empty, any is accepted.
    pub redirect_uris: Vec<String>,
    /// Tokens that exist from the start. A team without any gets [`TokenOptions::of_apollo_team`].
    pub tokens: Vec<TokenOptions>,
}

impl Default for ApolloOptions {
    fn default() -> Self {
        Self {
            client_id: "sim-apollo-client".to_owned(),
            client_secret: "sim-apollo-secret".to_owned(),
            redirect_uris: Vec::new(),
            tokens: Vec::new(),
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
