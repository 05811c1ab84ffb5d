//! The control API's calls about cost points, for a simulator in another process. Those about tokens are the
//! same as Outreach's.
//!
//! - `POST /_sim/spend_points?team=0&points=300`: another application of the team spends cost points.

use chrono::{DateTime, Utc};

use crate::params::Params;
use crate::simulator::Simulator;

/// Executes a command; false if there is no such command or no such team.
pub(crate) fn control(sim: &Simulator, now: DateTime<Utc>, what: &str, params: &Params) -> bool {
    let team = params.number("team").map_or(0, |team| team.value);
    let team = usize::try_from(team).ok();
    let Some(team) = team.filter(|at| *at < sim.team_count()) else {
        return false;
    };
    let points = params.number("points").map_or(0, |points| points.value);
    if what != "spend_points" {
        return false;
    }
    let points = u32::try_from(points).unwrap_or(u32::MAX);
    sim.edit(team, |team| team.spend_points(now, points));
    true
}
