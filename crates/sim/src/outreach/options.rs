//! The options of a simulated Outreach.

use super::switches::OutreachSwitches;
use crate::tokens::TokenOptions;

/// The OAuth application and the organisations' settings.
#[derive(Debug, Clone)]
pub struct OutreachOptions {
    pub client_id: String,
    pub client_secret: String,
    /// The registered redirect URIs. If empty, any is accepted.
    pub redirect_uris: Vec<String>,
    /// Tokens that exist from the start. A team without any gets [`TokenOptions::of_team`].
    pub tokens: Vec<TokenOptions>,
    pub requests_per_hour: u32,
    pub ruleset: Ruleset,
    /// E-mail domains that prospects can't have.
    pub excluded_domains: Vec<String>,
    /// The first id of each organisation. 0 draws a number below 1,000.
    pub first_id: u64,
    pub switches: OutreachSwitches,
}

impl Default for OutreachOptions {
    fn default() -> Self {
        Self {
            client_id: "sim-outreach-client".to_owned(),
            client_secret: "sim-outreach-secret".to_owned(),
            redirect_uris: Vec::new(),
            tokens: Vec::new(),
            requests_per_hour: 10_000,
            ruleset: Ruleset::default(),
            excluded_domains: Vec::new(),
            first_id: 0,
            switches: OutreachSwitches::default(),
        }
    }
}

/// Outreach's pre-issued tokens.
impl TokenOptions {
    /// `sim-outreach-access` and `sim-outreach-refresh` for the first user of the first team; those of the
    /// second team end in `-2`, and so on.
    pub fn of_team(team: usize) -> Self {
        let suffix = match team {
            0 => String::new(),
            n => format!("-{}", n + 1),
        };
        Self::named(team, 0, &suffix)
    }

    /// The tokens `sim-outreach-access<suffix>` and `sim-outreach-refresh<suffix>` of a user.
    pub fn named(team: usize, user: usize, suffix: &str) -> Self {
        Self {
            team,
            user,
            access: format!("sim-outreach-access{suffix}"),
            refresh: format!("sim-outreach-refresh{suffix}"),
            scopes: None,
        }
    }
}

/// The rules for adding prospects to sequences.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Ruleset {
    pub duplicates: Duplicates,
    /// A prospect who is active in one sequence can't be added to another.
    pub exclusive: bool,
}

/// Whether a prospect can be in one sequence more than once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Duplicates {
    #[default]
    Disallow,
    OnlyIfInactive,
    Allow,
}
