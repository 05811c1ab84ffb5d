//! The loop: chooses the next move, makes it, and checks the invariants.
//!
//! A move is a tick, a claim, one step of a leased scan, a batch of edits, a fault, an action of a
//! user, a crash, or time passing. A step may be parked at its request, before or after the
//! provider answers, while other moves are made; then it continues.

mod clocks;
mod draw;
mod idle;
mod moves;
mod quiet;

use std::{path::Path, sync::Arc};

use chrono::TimeDelta;
use syncline_model::{Clock, Ids, Time};
use syncline_store::Store;

use crate::{
    Plan, Report,
    check::{Checker, Connected, Moment},
    customers::{self, Client},
    dice::Dice,
    process::{ENCRYPTION_KEY, Process, Surroundings},
    scenario::{Rates, Scenario},
    template,
    tokens::Vault,
    trace::Trace,
    wire::{StepRequest, Wire},
    world::World,
};

pub(crate) struct Driver {
    scenario: Scenario,
    dice: Dice,
    trace: Trace,
    around: Surroundings,
    world: Arc<World>,
    wire: Arc<Wire>,
    processes: Vec<Process>,
    clients: Vec<Client>,
    checker: Checker,
    began: Time,
    /// Busy phases with edits and false answers alternate with quiet ones, because a table can be
    /// compared with the provider's records only after a quiet phase.
    busy: bool,
    busy_until: Time,
    /// When wrong clocks are corrected, if they are.
    right_again: Option<Time>,
    /// What the newest move did, for the checker.
    moment: Moment,
}

impl Driver {
    pub(crate) async fn new(seed: u64, plan: &Plan, dir: &Path) -> anyhow::Result<Self> {
        let mut dice = Dice::new(seed);
        let mut provider_dice = Dice::new(!seed);
        let scenario = Scenario::draw(&mut dice.split(), &mut provider_dice, plan);
        let world = Arc::new(World::new(&mut dice.split(), &mut provider_dice, &scenario));
        let wire = Arc::new(Wire::new(world.clone(), dice.split(), Rates::default()));
        let database = dir.join("syncline.db");
        template::write(&database).await?;
        let url = format!("sqlite://{}", database.display());
        let vault = Arc::new(Vault::new(open(&url, &world).await?));
        let around = Surroundings::new(url.clone(), wire.clone(), vault.clone(), &scenario);
        let began = world.now();
        let mut trace = Trace::new(began, plan.trace);
        trace.note(began, &format!("{scenario:?}"));
        let mut processes = Vec::new();
        for index in 0..scenario.processes {
            let mut process = Process::new(index, &around);
            process.start(&around, &mut dice).await?;
            processes.push(process);
        }
        let Some(first) = processes[0].live.as_ref() else {
            anyhow::bail!("a process that was started is up");
        };
        let clients = customers::connect_all(first, &wire, &scenario).await?;
        let connections = clients.iter().map(|client| client.connection.id.clone());
        vault.watch(connections.collect());
        let mut checker = Checker::new(
            &database,
            wire.clone(),
            vault,
            open(&url, &world).await?,
            scenario.lookups_per_run,
        )
        .await?;
        for client in &clients {
            let connected =
                Connected::new(&client.connection.id, client.team, client.limits, began);
            checker.connections.insert(connected.id.clone(), connected);
            checker.follow_feed(client.connection.reference());
        }
        wire.set_rates(scenario.rates);
        Ok(Self {
            dice,
            trace,
            around,
            wire,
            processes,
            clients,
            checker,
            began,
            busy: true,
            busy_until: began + TimeDelta::minutes(40),
            right_again: None,
            moment: Moment::default(),
            scenario,
            world,
        })
    }

    /// Runs the whole scenario and returns the violations.
    pub(crate) async fn run(mut self, seed: u64) -> anyhow::Result<Report> {
        self.look().await?;
        let ends = self.began + self.scenario.length;
        while self.is_well()
            && self.world.now() < ends
            && self.trace.steps() < self.scenario.most_steps
        {
            self.take_turns();
            self.correct_clocks();
            self.step().await?;
        }
        if self.is_well() {
            self.idle_phase().await?;
        }
        if self.is_well() {
            self.final_phase().await?;
        }
        for process in &mut self.processes {
            process.die(&self.wire).await;
        }
        let now = self.world.now();
        let steps = self.trace.steps();
        self.checker.sum_up(&mut self.trace);
        Ok(Report {
            provider: self.world.provider.name,
            seed,
            steps,
            lasted: now - self.began,
            runs: self.checker.runs_ended(),
            violations: self.checker.into_violations(),
            digest: self.trace.digest(),
        })
    }

    fn is_well(&self) -> bool {
        self.checker.violations().is_empty()
    }

    /// Makes one move, and checks the invariants.
    async fn step(&mut self) -> anyhow::Result<()> {
        let step = self.trace.next_step();
        self.moment = Moment {
            step,
            ..Moment::default()
        };
        let drawn = self.draw();
        let line = self.make(drawn).await?;
        self.trace.note(self.world.now(), &line);
        self.moment.waiting = self.waiting();
        self.look().await?;
        self.keep_leases().await
    }

    /// Pages that were served, and have not reached their process or are not written yet.
    fn waiting(&self) -> Vec<StepRequest> {
        let live = self.processes.iter().filter_map(|it| it.live.as_ref());
        let held = live.flat_map(|live| &live.scans);
        held.flat_map(|held| held.stage.waiting()).collect()
    }

    async fn look(&mut self) -> anyhow::Result<()> {
        let moment = self.moment.clone();
        self.checker.look(&moment).await?;
        for violation in self.checker.violations() {
            self.trace.note(self.world.now(), &violation.to_string());
        }
        Ok(())
    }

    /// Heartbeats: extends the leases in every process that isn't frozen.
    async fn keep_leases(&mut self) -> anyhow::Result<()> {
        let now = self.world.now();
        let mut kept = false;
        for process in &mut self.processes {
            if process.frozen_until.is_some_and(|until| until <= now) {
                process.thaw(&mut self.dice);
            }
            kept |= process.keep_leases(now, &self.wire).await?;
        }
        if kept {
            self.moment.overtaken = None;
            self.moment.waiting = self.waiting();
            self.look().await?;
        }
        Ok(())
    }

    /// Switches between busy and quiet phases.
    fn take_turns(&mut self) {
        let now = self.world.now();
        if now < self.busy_until {
            return;
        }
        self.busy = !self.busy;
        let period = self.scenario.period;
        let length = if self.busy {
            self.dice.span(TimeDelta::minutes(10), period * 2)
        } else {
            self.dice.span(period, period * 4)
        };
        self.busy_until = now + length;
        let rates = if self.busy {
            self.scenario.rates
        } else {
            Rates {
                edits_during: 0,
                ..self.scenario.rates
            }
        };
        self.wire.set_rates(rates);
        let line = if self.busy {
            "a busy time"
        } else {
            "a quiet time"
        };
        self.trace.note(now, line);
    }

    fn clock_of(&self, process: usize) -> Time {
        self.processes[process].clock.now()
    }
}

/// The database, for somebody who only reads.
async fn open(url: &str, world: &World) -> anyhow::Result<Store> {
    let ids = Arc::new(Ids::seeded(0));
    let keys = ENCRYPTION_KEY.parse()?;
    Ok(Store::open(url, world.clock.clone(), ids, keys).await?)
}
