//! What tests have the simulator do before it carries out a call.

use std::collections::HashMap;
use std::fmt;

use chrono::{DateTime, Utc};

use crate::apollo::Call;
use crate::world::Team;

pub(super) type Hook = Box<dyn FnMut(&Asked<'_>, &mut Team) + Send>;

/// The hooks, and how often each team has called each action.
#[derive(Default)]
pub(super) struct Hooks {
    hooks: Vec<Hook>,
    counts: HashMap<(usize, &'static str), u64>,
}

impl Hooks {
    pub(super) fn add(&mut self, hook: Hook) {
        self.hooks.push(hook);
    }

    /// Counts go on.
    pub(super) fn clear(&mut self) {
        self.hooks.clear();
    }

    /// Runs all hooks on a call of the team at that place.
    pub(super) fn run(&mut self, at: usize, path: &str, call: &mut Call<'_>) {
        let nth = self.counts.entry((at, call.action)).or_default();
        *nth += 1;
        let asked = Asked {
            now: call.now,
            team: at,
            action: call.action,
            path,
            page: call.params.page().unwrap_or(1),
            nth: *nth,
        };
        for hook in &mut self.hooks {
            hook(&asked, call.team);
        }
    }
}

impl fmt::Debug for Hooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hooks")
            .field("hooks", &self.hooks.len())
            .finish_non_exhaustive()
    }
}

/// A call that is about to be carried out, as hooks see it.
#[derive(Debug)]
pub struct Asked<'a> {
    pub now: DateTime<Utc>,
    /// The calling team's place in [`Options::teams`](crate::Options::teams).
    pub team: usize,
    /// `contacts/search`, `emailer_campaigns/add_contact_ids`, …
    pub action: &'static str,
    pub path: &'a str,
    /// 1 where no page is named.
    pub page: u64,
    /// How many times the team has called the action, this time included.
    pub nth: u64,
}
