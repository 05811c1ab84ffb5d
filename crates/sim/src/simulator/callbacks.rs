//! The callbacks that are still to be made, for tests and for the server.

use chrono::{DateTime, Utc};

use super::Simulator;
use crate::callback::Callback;

impl Simulator {
    /// Takes the callbacks that are due at a time, earliest first within a team; they count as delivered.
    /// A server does this itself, and sends them: for simulators without one.
    pub fn due_callbacks(&self, now: DateTime<Utc>) -> Vec<Callback> {
        let due = self.take_callbacks(now);
        for callback in &due {
            self.note_delivery(now, callback, Ok(()));
        }
        due
    }

    /// The same for whoever says with [`Self::note_delivery`] what became of each.
    pub(crate) fn take_callbacks(&self, now: DateTime<Utc>) -> Vec<Callback> {
        let mut world = self.world();
        let teams = world.teams.iter_mut().enumerate();
        teams
            .flat_map(|(at, team)| team.take_callbacks(at, now))
            .collect()
    }

    /// How many callbacks nobody has taken yet, due or not.
    pub fn pending_callbacks(&self) -> usize {
        let world = self.world();
        let teams = world.teams.iter();
        teams.map(|team| team.late.pending()).sum()
    }

    /// Notes that the receiver took a callback, or why not.
    pub(crate) fn note_delivery(
        &self,
        now: DateTime<Utc>,
        callback: &Callback,
        delivery: Result<(), String>,
    ) {
        if let Some(team) = self.world().teams.get_mut(callback.team) {
            team.late.note_delivery(now, callback.request_id, delivery);
        }
    }
}
