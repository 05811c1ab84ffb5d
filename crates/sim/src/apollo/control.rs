//! The control API's calls about credits, for a simulator in another process.
//!
//! - `GET /_sim/charges`: every charge of every team, oldest first within a team.
//! - `POST /_sim/set_credits?team=0&credits=50`: sets how many credits the team has left.

use crate::json::Object;
use crate::params::Params;
use crate::simulator::Simulator;
use crate::world::Charge;

/// Executes a command; false if there is no such command or no such team, or a number is missing.
pub(crate) fn control(sim: &Simulator, what: &str, params: &Params) -> bool {
    let team = params.number("team").map_or(0, |team| team.value);
    let team = usize::try_from(team).ok();
    let Some(team) = team.filter(|at| *at < sim.team_count()) else {
        return false;
    };
    let (true, Some(credits)) = (what == "set_credits", params.number("credits")) else {
        return false;
    };
    sim.edit(team, |team| team.set_credits(credits.value));
    true
}

pub(crate) fn charges(sim: &Simulator) -> String {
    let mut all = Vec::new();
    for at in 0..sim.team_count() {
        sim.read(at, |team| {
            all.extend(team.charges().iter().map(|charge| told(at, charge)));
        });
    }
    let mut o = Object::new();
    o.list("charges", &all);
    o.finish()
}

fn told(team: usize, charge: &Charge) -> String {
    let mut o = Object::new();
    o.number("team", team)
        .zulu("at", charge.at)
        .maybe("key", charge.key.as_deref())
        .text("action", charge.action)
        .text("subject", &charge.subject)
        .number("credits", charge.credits);
    o.finish()
}
