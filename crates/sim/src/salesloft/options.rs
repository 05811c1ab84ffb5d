//! The options of a simulated Salesloft.

use super::switches::SalesloftSwitches;
use crate::tokens::TokenOptions;

/// The OAuth application and the teams' settings.
#[derive(Debug, Clone)]
pub struct SalesloftOptions {
    pub client_id: String,
    pub client_secret: String,
    /// The registered redirect URIs. If empty, any is accepted.
    pub redirect_uris: Vec<String>,
    /// The scopes of the application, such as `people:read`. Tokens of the consent page have them.
    pub scopes: Vec<String>,
    /// Tokens that exist from the start. A team without any gets [`TokenOptions::of_salesloft_team`].
    pub tokens: Vec<TokenOptions>,
    /// Cost points of a team, for all its applications and users.
    pub points_per_minute: u32,
    /// A team can have people with the same e-mail address.
    pub duplicates_allowed: bool,
    /// A person on one cadence can't be added to another.
    pub one_cadence_per_person: bool,
    /// The first id of each team. 0 draws a number below 1,000.
    pub first_id: u64,
    pub switches: SalesloftSwitches,
}

/// The scopes of an application that may do everything.
pub(super) const ALL_SCOPES: [&str; 16] = [
    "people:read",
    "people:write",
    "people:delete",
    "accounts:read",
    "accounts:write",
    "accounts:delete",
    "cadences:read",
    "cadences:write",
    "cadences:delete",
    "team:read",
    "tasks:read",
    "tasks:write",
    "emails:read",
    "email_contents:read",
    "crm_id_person:write",
    "crm_id_account:write",
];

impl Default for SalesloftOptions {
    fn default() -> Self {
        Self {
            client_id: "sim-salesloft-client".to_owned(),
            client_secret: "sim-salesloft-secret".to_owned(),
            redirect_uris: Vec::new(),
            scopes: ALL_SCOPES.map(str::to_owned).to_vec(),
            tokens: Vec::new(),
            points_per_minute: 600,
            duplicates_allowed: false,
            one_cadence_per_person: false,
            first_id: 0,
            switches: SalesloftSwitches::default(),
        }
    }
}

/// Salesloft's pre-issued tokens.
impl TokenOptions {
    /// `sim-salesloft-access` and `sim-salesloft-refresh` for the first user of the first team; those of the
    /// second team end in `-2`, and so on.
    pub fn of_salesloft_team(team: usize) -> Self {
        let suffix = match team {
            0 => String::new(),
            n => format!("-{}", n + 1),
        };
        Self::of_salesloft(team, 0, &suffix)
    }

    /// The tokens `sim-salesloft-access<suffix>` and `sim-salesloft-refresh<suffix>` of a user.
    pub fn of_salesloft(team: usize, user: usize, suffix: &str) -> Self {
        Self {
            team,
            user,
            access: format!("sim-salesloft-access{suffix}"),
            refresh: format!("sim-salesloft-refresh{suffix}"),
            scopes: None,
        }
    }
}
