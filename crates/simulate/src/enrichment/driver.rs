//! The loop: chooses the next move, makes it, and checks the invariants.

use std::{
    collections::{BTreeSet, HashMap},
    path::Path,
    pin::Pin,
    sync::{Arc, atomic::Ordering},
};

use chrono::TimeDelta;
use serde_json::json;
use syncline_engine::{CheckedCredentials, Connect, Engine, EngineConfig, JobEnd};
use syncline_model::{
    Clock, Credentials, Ids, KeyKind, LimitOverrides, ManualClock, Object, SyncConfigData, Time,
};
use syncline_providers::{OAuthConfig, ProviderConfig, Providers, apollo};
use syncline_sim::{Callback, KeyOptions, Options, Simulator, TeamOptions};
use syncline_store::{
    Connection, ContinueJob, NewCeiling, NewConnectionKey, NewCustomer, PageRequest, Start, Store,
    StoreError, Tenant,
};
use tokio::sync::oneshot;

use super::{
    Outcome,
    check::{Charge, Check, JobState},
    lists::{self, Allowed, KNOWN, Question},
    transport::{Apollo, Rates, ToApollo},
};
use crate::{FaultLevel, Violation, dice::Dice, process::ENCRYPTION_KEY, template, trace::Trace};

const PROCESSES: usize = 2;
/// The number of database calls among which a crash inside a move is drawn.
const CALLS: i64 = 40;
const MOST_MOVES: u64 = 260;
/// Beyond this many further moves something is stuck.
const MOST_FINAL_MOVES: u64 = 3_000;
const CUSTOMER: &str = "customer";

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
            teams: (0..teams).map(team).collect(),
            ..Options::default()
        };
        options.apollo.callbacks_held = true;
        let sim = Simulator::new(options);
        let clock = Arc::new(ManualClock::at(sim.options().epoch + TimeDelta::hours(1)));
        let emails = people(&sim, teams, clock.now());
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
        let (tenant, connection) = connect(&user, &apollo, teams).await?;
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

    async fn create(&mut self) -> anyhow::Result<String> {
        let drawn = lists::draw(&mut self.dice);
        let job = self
            .tenant
            .create_enrichment_job(&self.connection, &drawn.new)
            .await?;
        self.asked.extend(drawn.questions.iter().cloned());
        if drawn.new.retry_uncertain {
            let mut once = drawn.questions.clone();
            once.sort();
            once.dedup();
            for question in &once {
                self.allowed.once_more(question);
            }
        }
        self.jobs += 1;
        let line = format!(
            "job {} asks about {} people, max_credits {:?}, retry_uncertain {}",
            job.id,
            drawn.new.items.len(),
            drawn.new.max_credits,
            drawn.new.retry_uncertain
        );
        self.questions.insert(job.id, drawn.questions);
        Ok(line)
    }

    async fn claim(&mut self, index: usize) -> anyhow::Result<String> {
        let dying = self.plant_crash(index);
        let Some(live) = &self.processes[index] else {
            return Ok(String::new());
        };
        let claimed = live.engine.claim_enrichment_jobs(1).await;
        let job = match claimed {
            Ok(mut jobs) => jobs.pop(),
            Err(error) => return self.failed(index, dying, &error).await,
        };
        let Some(job) = job else {
            return self
                .came_out(index, dying, "finds nothing to do".to_owned())
                .await;
        };
        let engine = live.engine.clone();
        let job_id = job.id.clone();
        // Its worker has slept longer than its lease lasts, and its batch is in flight.
        let others = self.processes.iter().flatten();
        let asleep = others
            .flat_map(|it| &it.working)
            .any(|it| it.job_id == job_id);
        if asleep {
            self.apollo.note_lost();
        }
        let work: Work = Box::pin(async move { engine.work_on_enrichment(job).await });
        self.poll(index, dying, job_id, work).await
    }

    async fn resume(&mut self, index: usize, at: usize) -> anyhow::Result<String> {
        let dying = self.plant_crash(index);
        let Some(live) = &mut self.processes[index] else {
            return Ok(String::new());
        };
        let working = live.working.remove(at);
        let _ = working.resume.send(());
        self.poll(index, dying, working.job_id, working.work).await
    }

    /// Lets a process work on a job until it ends or is parked at a request.
    async fn poll(
        &mut self,
        index: usize,
        dying: bool,
        job_id: String,
        mut work: Work,
    ) -> anyhow::Result<String> {
        let end = tokio::select! {
            biased;
            end = &mut work => Ok(end),
            parked = self.apollo.parked.arrived() => Err(parked),
        };
        let line = match end {
            Ok(end) => format!("works on {job_id}: {end:?}"),
            Err(Some(resume)) => {
                if let Some(live) = &mut self.processes[index] {
                    live.working.push(Working {
                        job_id: job_id.clone(),
                        work,
                        resume,
                    });
                }
                format!("works on {job_id}: parked")
            }
            Err(None) => anyhow::bail!("a request waits that nobody sent"),
        };
        self.came_out(index, dying, line).await
    }

    async fn came_out(
        &mut self,
        index: usize,
        dying: bool,
        line: String,
    ) -> anyhow::Result<String> {
        let line = format!("process {index} {line}");
        if dying {
            // It may have died between a request and its settlement.
            self.apollo.note_lost();
            return Ok(format!("{line}; {}", self.crash(index).await?));
        }
        Ok(line)
    }

    async fn failed(
        &mut self,
        index: usize,
        dying: bool,
        error: &StoreError,
    ) -> anyhow::Result<String> {
        if !dying {
            anyhow::bail!("the database does not take what the engine writes: {error:?}");
        }
        self.came_out(index, dying, error.to_string()).await
    }

    fn plant_crash(&mut self, index: usize) -> bool {
        let chance = match self.faults {
            _ if self.is_final => 0,
            FaultLevel::None => 0,
            FaultLevel::Light => 200,
            FaultLevel::Heavy => 1_000,
        };
        let dying = self.dice.chance(chance);
        let calls = self.dice.between(1, CALLS);
        if let Some(live) = self.processes[index].as_ref().filter(|_| dying) {
            live.store.crash_at(calls.unsigned_abs());
        }
        dying
    }

    async fn crash(&mut self, index: usize) -> anyhow::Result<String> {
        if let Some(live) = self.processes[index].take() {
            for _ in &live.working {
                self.apollo.note_lost();
            }
            drop(live.working);
            drop(live.engine);
            live.store.close().await;
        }
        Ok(format!("process {index} dies"))
    }

    async fn start(&mut self, index: usize) -> anyhow::Result<String> {
        let ids = Arc::new(Ids::seeded(self.dice.number()));
        let clock: Arc<dyn Clock> = self.apollo.clock.clone();
        let providers = providers(&self.apollo)?;
        let store = Store::open(&self.url, clock.clone(), ids, ENCRYPTION_KEY.parse()?).await?;
        let config = EngineConfig {
            worker_name: format!("process-{index}"),
            callback_base: Some("https://syncline.example".to_owned()),
            // One after the other: in real time their order would be another one each time.
            keys_at_once: 1,
            turn: std::time::Duration::from_hours(1),
            ..EngineConfig::default()
        };
        let engine = Engine::new(store.clone(), providers.clone(), clock, config);
        self.processes[index] = Some(Live {
            store,
            engine,
            providers,
            working: Vec::new(),
        });
        Ok(format!("process {index} starts"))
    }

    async fn cancel(&mut self) -> anyhow::Result<String> {
        let Some(id) = self.any_job() else {
            return Ok("nothing to cancel".to_owned());
        };
        let cancelled = self
            .tenant
            .cancel_enrichment_job(&self.connection.id, &id)
            .await?;
        Ok(format!("the user cancels {id}: {cancelled:?}"))
    }

    async fn go_on(&mut self) -> anyhow::Result<String> {
        let Some(id) = self.any_job() else {
            return Ok("nothing to continue".to_owned());
        };
        let how = ContinueJob {
            max_credits: NewCeiling::Unlimited,
            retry_uncertain: self.dice.chance(2_000),
        };
        if how.retry_uncertain {
            let mut once = self.questions[&id].clone();
            once.sort();
            once.dedup();
            for question in &once {
                self.allowed.once_more(question);
            }
        }
        let continued = self
            .tenant
            .continue_enrichment_job(&self.connection.id, &id, how)
            .await?;
        Ok(format!(
            "the user continues {id} ({how:?}): {}",
            matches!(continued, syncline_store::Continued::Now(_))
        ))
    }

    fn any_job(&mut self) -> Option<String> {
        let mut ids: Vec<String> = self.questions.keys().cloned().collect();
        ids.sort();
        self.dice.pick(&ids).cloned()
    }

    /// A late answer arrives: one of those on their way, and some arrive once more.
    async fn deliver(&mut self) -> anyhow::Result<String> {
        let at = self.dice.below(self.callbacks.len());
        let again = !self.is_final && self.dice.chance(3_000);
        let callback = if again {
            self.callbacks[at].clone()
        } else {
            self.callbacks.remove(at)
        };
        let Some(live) = self.processes.iter().flatten().next() else {
            self.callbacks.push(callback);
            return Ok("a late answer finds no process".to_owned());
        };
        let secret = callback.url.rsplit('/').next().unwrap_or_default();
        let Some(batch) = live.store.batch_of_callback(secret).await? else {
            return Ok("a late answer is nobody's".to_owned());
        };
        let provider = live.providers.get(batch.provider)?;
        let answer = provider
            .capabilities()
            .batch_enrichments()?
            .late_answer(&callback.body)
            .map_err(|reason| anyhow::anyhow!("a late answer can't be read: {reason}"))?;
        let outcome = live.store.take_late_answer(&batch, &answer).await?;
        Ok(format!("a late answer arrives: {outcome:?}"))
    }

    fn change_credits(&mut self) -> String {
        let team = self.dice.below(self.teams);
        let credits = self.dice.one(&[0, 7, 25, 100_000, 100_000]);
        self.apollo.sim.edit(team, |team| team.set_credits(credits));
        format!("team {team} has {credits} credits")
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

fn team(number: usize) -> TeamOptions {
    TeamOptions {
        keys: vec![
            KeyOptions::master(&format!("key-{number}-0")),
            KeyOptions::master(&format!("key-{number}-1")),
        ],
        ..TeamOptions::numbered(number, 1)
    }
}

/// The same people in every team; returns their addresses by their ids there.
fn people(sim: &Simulator, teams: usize, now: Time) -> HashMap<String, String> {
    let mut emails = HashMap::new();
    for team in 0..teams {
        sim.edit(team, |team| {
            team.set_credits(100_000);
            for number in 0..KNOWN {
                let email = lists::email(number);
                let contact = json!({
                    "first_name": format!("Ines{number}"), "last_name": "Heron", "email": email,
                });
                if let Ok(id) = team.create_contact(now, &contact) {
                    emails.insert(id, email);
                }
            }
        });
    }
    emails
}

fn providers(apollo: &Arc<Apollo>) -> anyhow::Result<Providers> {
    Ok(Providers::built_in(|built_in| ProviderConfig {
        base_url: format!("https://api.{}.test", built_in.name),
        transport: Some(Arc::new(ToApollo(apollo.clone()))),
        oauth: OAuthConfig::default(),
    })?)
}

/// A customer with a main key, another one of the same team, and one of each further team.
async fn connect(
    store: &Store,
    apollo: &Arc<Apollo>,
    teams: usize,
) -> anyhow::Result<(Tenant, Connection)> {
    let name = apollo::NAME;
    let config = SyncConfigData::hourly(&[Object::User]);
    let application = store
        .find_or_create_application("simulated", &[(name, config)])
        .await?;
    let tenant = store.tenant(&application.id);
    let customer = NewCustomer {
        customer_id: CUSTOMER,
        name: CUSTOMER,
        email: "",
    };
    tenant.upsert_customer(&customer).await?;
    let enabled = tenant.list_providers().await?;
    let provider_id = enabled
        .into_iter()
        .find(|it| it.name == name)
        .map(|it| it.id)
        .unwrap_or_default();
    let providers = providers(apollo)?;
    let provider = providers.get(name)?;
    let check =
        async |key: &str| CheckedCredentials::check(&**provider, Credentials::api_key(key)).await;
    let connect = Connect {
        customer_id: CUSTOMER,
        provider_id: &provider_id,
        limits: LimitOverrides::default(),
        start: Start::WhenResumed,
        magic_link_id: None,
    };
    let connection = check("key-0-0").await?.connect(&tenant, &connect).await?;
    let others = (1..teams).map(|team| format!("key-{team}-0"));
    for key in std::iter::once("key-0-1".to_owned()).chain(others) {
        let checked = check(&key).await?;
        let (account_id, own_account_id) = checked.account_ids();
        let new = NewConnectionKey {
            label: &key,
            kind: KeyKind::Own,
            credentials: checked.credentials(),
            own_account_id,
            account_id,
            max_credits_per_day: None,
            magic_link_id: None,
        };
        tenant.add_connection_key(&connection, &new).await?;
    }
    Ok((tenant, connection))
}
