//! The loop: chooses the next move, makes it, and checks the invariants. `processes` and `user` have the moves,
//! `world` what there is at the start.

mod processes;
mod user;
mod world;

use std::{
    collections::{BTreeSet, HashMap},
    path::Path,
    pin::Pin,
    sync::{Arc, atomic::Ordering},
};

use chrono::TimeDelta;
use syncline_engine::{Engine, JobEnd};
use syncline_model::{Clock, Ids, ManualClock};
use syncline_providers::Providers;
use syncline_sim::{Callback, Options, Simulator};
use syncline_store::{Connection, PageRequest, Store, Tenant};
use tokio::sync::oneshot;

use super::{
    Outcome,
    check::{Charge, Check, JobState},
    lists::{Allowed, Question},
    transport::{Apollo, Rates},
};
use crate::{FaultLevel, Violation, dice::Dice, process::ENCRYPTION_KEY, template, trace::Trace};

const PROCESSES: usize = 2;
const MOST_MOVES: u64 = 260;
/// Beyond this many further moves something is stuck.
const MOST_FINAL_MOVES: u64 = 3_000;

type Work = Pin<Box<dyn Future<Output = JobEnd>>>;

/// A job that a process works on, parked at a request.
struct Working {
    job_id: String,
    work: Work,
    resume: oneshot::Sender<()>,
}

struct Live {
    store: Store,
    engine: Engine,
    providers: Providers,
    working: Vec<Working>,
}

#[derive(Debug, Clone, Copy)]
enum Move {
    Create,
    Claim(usize),
    Resume(usize, usize),
    Crash(usize),
    Start(usize),
    Cancel,
    Continue,
    Deliver,
    Credits,
    Pass(TimeDelta),
}

pub(super) struct Driver {
    dice: Dice,
    trace: Trace,
    faults: FaultLevel,
    url: String,
    apollo: Arc<Apollo>,
    processes: Vec<Option<Live>>,
    /// Reads and acts for the user; it never crashes.
    user: Store,
    tenant: Tenant,
    connection: Connection,
    emails: HashMap<String, String>,
    teams: usize,
    asked: BTreeSet<Question>,
    allowed: Allowed,
    /// By job.
    questions: HashMap<String, Vec<Question>>,
    /// Late answers on their way, some of them a second time.
    callbacks: Vec<Callback>,
    jobs: usize,
    is_final: bool,
}

impl Driver {
    pub(super) async fn new(
        mut dice: Dice,
        faults: FaultLevel,
        trace: bool,
        dir: &Path,
    ) -> anyhow::Result<Self> {
        let teams = dice.below(2) + 1;
        let mut options = Options {
            seed: dice.number(),
            teams: (0..teams).map(world::team).collect(),
            ..Options::default()
        };
        options.apollo.callbacks_held = true;
        let sim = Simulator::new(options);
        let clock = Arc::new(ManualClock::at(sim.options().epoch + TimeDelta::hours(1)));
        let emails = world::people(&sim, teams, clock.now());
        let apollo = Arc::new(Apollo::new(sim, clock.clone(), dice.split()));
        let database = dir.join("enrichment.db");
        template::write(&database).await?;
        let url = format!("sqlite://{}", database.display());
        let user = Store::open(
            &url,
            clock.clone(),
            Arc::new(Ids::seeded(dice.number())),
            ENCRYPTION_KEY.parse()?,
        )
        .await?;
        let (tenant, connection) = world::connect(&user, &apollo, teams).await?;
        let trace = Trace::new(clock.now(), trace);
        let mut driver = Self {
            dice,
            trace,
            faults,
            url,
            apollo,
            processes: Vec::new(),
            user,
            tenant,
            connection,
            emails,
            teams,
            asked: BTreeSet::new(),
            allowed: Allowed::default(),
            questions: HashMap::new(),
            callbacks: Vec::new(),
            jobs: 0,
            is_final: false,
        };
        for index in 0..PROCESSES {
            driver.processes.push(None);
            driver.start(index).await?;
        }
        driver.apollo.set_rates(match faults {
            FaultLevel::None => Rates {
                park: 3_000,
                ..Rates::default()
            },
            FaultLevel::Light => Rates {
                park: 5_000,
                loss: 200,
                refusal: 200,
            },
            FaultLevel::Heavy => Rates {
                park: 6_000,
                loss: 1_200,
                refusal: 800,
            },
        });
        Ok(driver)
    }

    pub(super) async fn run(mut self) -> anyhow::Result<Outcome> {
        let mut violations = Vec::new();
        while violations.is_empty() && self.trace.steps() < MOST_MOVES {
            self.make_move().await?;
            violations = self.look(false).await?;
        }
        if violations.is_empty() {
            violations = self.final_phase().await?;
        }
        for process in &mut self.processes {
            if let Some(live) = process.take() {
                drop(live.working);
                live.store.close().await;
            }
        }
        let now = self.apollo.now();
        for violation in &violations {
            self.trace.note(now, &violation.to_string());
        }
        self.user.close().await;
        Ok(Outcome {
            steps: self.trace.steps(),
            digest: self.trace.digest(),
            violations,
        })
    }

    /// Nothing goes wrong any more; everything that is left has to come to its end.
    async fn final_phase(&mut self) -> anyhow::Result<Vec<Violation>> {
        self.is_final = true;
        self.apollo.set_rates(Rates::default());
        for team in 0..self.teams {
            self.apollo.sim.edit(team, |team| team.set_credits(100_000));
        }
        for index in 0..PROCESSES {
            if self.processes[index].is_none() {
                self.start(index).await?;
            }
        }
        let began = self.trace.steps();
        while !self.is_settled().await? {
            if self.trace.steps() - began > MOST_FINAL_MOVES {
                return Ok(vec![Violation {
                    step: self.trace.steps(),
                    rule: "every job ends",
                    text: "jobs are still at work".to_owned(),
                }]);
            }
            self.make_move().await?;
        }
        self.look(true).await
    }

    async fn is_settled(&self) -> anyhow::Result<bool> {
        let is_idle = |live: &Live| live.working.is_empty();
        let at_rest = self.processes.iter().flatten().all(is_idle);
        let states = self.states().await?;
        let ended = states.iter().all(|state| state.job.state.has_ended());
        let in_flight = states.iter().flat_map(|state| &state.items);
        let in_flight = in_flight.filter(|it| it.status == syncline_store::ItemStatus::Asked);
        let no_callbacks = self.callbacks.is_empty() && self.apollo.sim.pending_callbacks() == 0;
        Ok(at_rest && ended && no_callbacks && in_flight.count() == 0)
    }

    async fn make_move(&mut self) -> anyhow::Result<()> {
        self.trace.next_step();
        let moves = self.possible();
        let drawn = self.dice.weighted(moves.iter().map(|(_, weight)| *weight));
        let line = self.make(moves[drawn].0).await?;
        self.trace.note(self.apollo.now(), &line);
        let due = self.apollo.sim.due_callbacks(self.apollo.now());
        self.callbacks.extend(due);
        Ok(())
    }

    fn possible(&self) -> Vec<(Move, u32)> {
        let mut moves = vec![
            (Move::Pass(TimeDelta::seconds(2)), 10),
            (Move::Pass(TimeDelta::seconds(40)), 10),
            (Move::Pass(TimeDelta::minutes(70)), 2),
        ];
        if !self.callbacks.is_empty() {
            moves.push((Move::Deliver, 20));
        }
        for (index, process) in self.processes.iter().enumerate() {
            let Some(live) = process else {
                moves.push((Move::Start(index), 20));
                continue;
            };
            moves.push((Move::Claim(index), 25));
            for at in 0..live.working.len() {
                moves.push((Move::Resume(index, at), 60));
            }
            if !self.is_final && self.faults != FaultLevel::None {
                moves.push((Move::Crash(index), 2));
            }
        }
        if !self.is_final {
            if self.jobs < 6 {
                moves.push((Move::Create, 8));
            }
            moves.extend([(Move::Cancel, 1), (Move::Continue, 4), (Move::Credits, 1)]);
        }
        moves
    }

    async fn make(&mut self, drawn: Move) -> anyhow::Result<String> {
        match drawn {
            Move::Create => self.create().await,
            Move::Claim(index) => self.claim(index).await,
            Move::Resume(index, at) => self.resume(index, at).await,
            Move::Crash(index) => self.crash(index).await,
            Move::Start(index) => self.start(index).await,
            Move::Cancel => self.cancel().await,
            Move::Continue => self.go_on().await,
            Move::Deliver => self.deliver().await,
            Move::Credits => Ok(self.change_credits()),
            Move::Pass(time) => {
                self.apollo.clock.advance(time);
                Ok(format!("{time} pass"))
            }
        }
    }

    async fn look(&self, at_the_end: bool) -> anyhow::Result<Vec<Violation>> {
        let charges = self.charges();
        let jobs = self.states().await?;
        let check = Check {
            step: self.trace.steps(),
            charges: &charges,
            jobs: &jobs,
            asked: &self.asked,
            allowed: &self.allowed,
            lost: usize::try_from(self.apollo.lost.load(Ordering::Relaxed))?,
        };
        Ok(if at_the_end {
            check.at_the_end()
        } else {
            check.always()
        })
    }

    fn charges(&self) -> Vec<Charge> {
        let of_team = |team| {
            self.apollo.sim.read(team, |team| {
                let charges = team.charges().iter();
                let charges = charges.map(|charge| Charge {
                    email: self
                        .emails
                        .get(&charge.subject)
                        .cloned()
                        .unwrap_or_default(),
                    credits: charge.credits,
                });
                charges.collect::<Vec<_>>()
            })
        };
        (0..self.teams).flat_map(of_team).collect()
    }

    async fn states(&self) -> anyhow::Result<Vec<JobState>> {
        let all = PageRequest {
            limit: 100,
            ..PageRequest::default()
        };
        let jobs = self.tenant.list_enrichment_jobs(&self.connection.id, &all);
        let mut states = Vec::new();
        for job in jobs.await? {
            let items = self.user.enrichment_items(&job, 0, 1_000, false).await?;
            states.push(JobState {
                items: items.rows,
                job,
            });
        }
        Ok(states)
    }
}
