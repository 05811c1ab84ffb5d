//! The callbacks that are still to be made, for tests and for the server.

use chrono::{DateTime, Utc};

use super::Simulator;
use crate::callback::Callback;

impl Simulator {
    /// Takes the callbacks that are due at a time, earliest first within a team. The server does this
    /// itself, and sends them; without a server, whoever calls this is to deliver them.
    pub fn due_callbacks(&self, now: DateTime<Utc>) -> Vec<Callback> {
        let mut world = self.world();
        let teams = world.teams.iter_mut().enumerate();
        teams
            .flat_map(|(at, team)| team.due_callbacks(at, now))
            .collect()
    }

    /// How many callbacks nobody has taken yet, due or not.
    pub fn pending_callbacks(&self) -> usize {
        let world = self.world();
        let teams = world.teams.iter();
        teams.map(|team| team.late.pending()).sum()
    }
}
