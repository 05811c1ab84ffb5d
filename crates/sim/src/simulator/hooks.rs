//! Hooks that tests run before a call is carried out.

use std::collections::HashMap;
use std::fmt;

use chrono::{DateTime, Utc};

use crate::world::Team;

pub(super) type Hook = Box<dyn FnMut(&Asked<'_>, &mut Team) + Send>;

/// The hooks, and the number of calls per team and action.
#[derive(Default)]
pub(crate) struct Hooks {
    hooks: Vec<Hook>,
    counts: HashMap<(usize, &'static str), u64>,
}

impl Hooks {
    pub(super) fn add(&mut self, hook: Hook) {
        self.hooks.push(hook);
    }

    /// The counts are kept.
    pub(super) fn clear(&mut self) {
        self.hooks.clear();
    }

    /// Runs all hooks for a call of a team, given with its index.
    pub(crate) fn run(
        &mut self,
        now: DateTime<Utc>,
        (at, team): (usize, &mut Team),
        action: &'static str,
        path: &str,
        page: u64,
    ) {
        let nth = self.counts.entry((at, action)).or_default();
        *nth += 1;
        let asked = Asked {
            now,
            team: at,
            action,
            path,
            page,
            nth: *nth,
        };
        for hook in &mut self.hooks {
            hook(&asked, team);
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

/// A call that is about to be carried out, for hooks.
#[derive(Debug)]
pub struct Asked<'a> {
    pub now: DateTime<Utc>,
    /// The calling team's index in [`Options::teams`](crate::Options::teams).
    pub team: usize,
    /// `contacts/search`, `emailer_campaigns/add_contact_ids`, …
    pub action: &'static str,
    pub path: &'a str,
    /// 1 if no page is given.
    pub page: u64,
    /// The number of the team's calls of the action, including this one.
    pub nth: u64,
}
