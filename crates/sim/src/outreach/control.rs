//! The control API's calls about tokens, for a simulator in another process.
//!
//! - `POST /_sim/revoke_tokens?team=0&user=7`: revokes the tokens of that user, or of everybody without one.
//! - `POST /_sim/expire_tokens?team=0`: expires all access tokens.
//! - `POST /_sim/expire_refresh_tokens?team=0`: expires all refresh tokens.

use chrono::{DateTime, Utc};

use crate::params::Params;
use crate::simulator::Simulator;

/// Executes a command; false if there is no such command or no such team.
pub(crate) fn control(sim: &Simulator, now: DateTime<Utc>, what: &str, params: &Params) -> bool {
    let team = params.number("team").map_or(0, |team| team.value);
    let Some(team) = usize::try_from(team)
        .ok()
        .filter(|at| *at < sim.team_count())
    else {
        return false;
    };
    sim.edit(team, |team| {
        match what {
            "revoke_tokens" => team.revoke_tokens(params.text("user").as_deref()),
            "expire_tokens" => team.expire_access_tokens(now),
            "expire_refresh_tokens" => team.expire_refresh_tokens(now),
            _ => return false,
        }
        true
    })
}
