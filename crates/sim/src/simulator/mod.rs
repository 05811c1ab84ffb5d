//! The simulator: one world, with the functions for tests and servers.

mod callbacks;
mod hooks;
mod mishap;
mod respond;

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::fault::{Faults, Match};
use crate::gate::{Gate, Gates};
use crate::ledger::{InFlight, Ledger};
use crate::options::Options;
use crate::request::SimRequest;
use crate::world::{Team, World};

pub use self::hooks::Asked;
pub(crate) use self::hooks::Hooks;

/// The simulated API with its world; clones share it.
#[derive(Debug, Clone)]
pub struct Simulator(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    options: Options,
    world: Mutex<World>,
    hooks: Mutex<Hooks>,
    faults: Faults,
    gates: Gates,
    ledger: Ledger,
    answered: AtomicU64,
}

impl Simulator {
    pub fn new(options: Options) -> Self {
        Self(Arc::new(Inner {
            world: Mutex::new(World::new(&options)),
            hooks: Mutex::default(),
            faults: Faults::new(options.seed),
            gates: Gates::default(),
            ledger: Ledger::default(),
            answered: AtomicU64::new(0),
            options,
        }))
    }

    pub fn options(&self) -> &Options {
        &self.0.options
    }

    /// The faults to inject.
    pub fn faults(&self) -> Faults {
        self.0.faults.clone()
    }

    /// The record of requests and answers.
    pub fn ledger(&self) -> Ledger {
        self.0.ledger.clone()
    }

    /// Makes the HTTP server hold matching requests until the gate releases them.
    pub fn gate(&self, on: Match) -> Gate {
        self.0.gates.add(on)
    }

    /// Calls `hook` before every authorized call, with the calling team, for example to change the
    /// world between two pages. It must not use the simulator itself, which is locked meanwhile.
    pub fn on_request(&self, hook: impl FnMut(&Asked<'_>, &mut Team) + Send + 'static) {
        self.hooks().add(Box::new(hook));
    }

    /// Removes all hooks.
    pub fn clear_hooks(&self) {
        self.hooks().clear();
    }

    /// Changes a team's world; `team` is its index in [`Options::teams`].
    ///
    /// # Panics
    ///
    /// If there is no such team.
    pub fn edit<R>(&self, team: usize, change: impl FnOnce(&mut Team) -> R) -> R {
        let mut world = self.world();
        let teams = world.teams.len();
        let Some(team) = world.teams.get_mut(team) else {
            panic!("there are {teams} teams, counted from 0; there is no {team}");
        };
        change(team)
    }

    /// Reads a team's world; `team` is its index in [`Options::teams`].
    ///
    /// # Panics
    ///
    /// If there is no such team.
    pub fn read<R>(&self, team: usize, read: impl FnOnce(&Team) -> R) -> R {
        self.edit(team, |team| read(team))
    }

    /// The index of the team that an API key belongs to.
    pub fn team_with_key(&self, key: &str) -> Option<usize> {
        let world = self.world();
        world
            .teams
            .iter()
            .position(|team| team.keys.iter().any(|known| known.key == key))
    }

    pub fn team_count(&self) -> usize {
        self.world().teams.len()
    }

    /// Notes that a request has arrived, for the ledger's in-flight maxima; drop the result when it
    /// is answered. The server does this itself.
    pub fn arrive(&self, request: &SimRequest) -> InFlight {
        let dialect = self.0.options.dialect;
        let team = dialect.team_of(&self.world(), request);
        let path = dialect.below_base(&request.path).unwrap_or_default();
        let object = path.split('/').next().unwrap_or_default();
        self.0.ledger.arrive(team, object)
    }

    /// Returns when no gate holds the request.
    pub(crate) async fn pass_gates(&self, request: &SimRequest) {
        let page = self.0.options.dialect.page(request);
        self.0.gates.pass(request, page).await;
    }

    fn hooks(&self) -> MutexGuard<'_, Hooks> {
        self.0.hooks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.0.world.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
