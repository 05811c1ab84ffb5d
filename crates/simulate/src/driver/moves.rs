//! The moves. Each returns a line for the trace.

use chrono::TimeDelta;
use syncline_engine::{LeasedScan, Step};
use syncline_store::StoreError;

use super::{Driver, draw::Move};
use crate::{
    edits, faults,
    process::{Held, Idle, Stage, StepFuture, in_hand_of, step_request_of},
    wire::StepRequest,
};

/// The number of database calls among which a crash inside a move is drawn.
const CALLS: i64 = 24;

/// A step in progress.
struct Stepping {
    process: usize,
    index: usize,
    step_request: StepRequest,
    /// What the scan had in memory before.
    in_hand: Option<StepRequest>,
    future: StepFuture,
    /// The process crashes at one of the step's database calls.
    dying: bool,
}

impl Driver {
    pub(super) async fn make(&mut self, drawn: Move) -> anyhow::Result<String> {
        match drawn {
            Move::Start(process) => self.start(process).await,
            Move::Tick(process) => self.tick(process).await,
            Move::Claim(process) => self.claim(process).await,
            Move::Step(process, index) => self.step_scan(process, index).await,
            Move::Resume(process, index) => self.resume(process, index).await,
            Move::GiveBack(process, index) => self.release_lease(process, index).await,
            Move::Crash(process) => self.crash(process).await,
            Move::Freeze(process) => Ok(self.freeze(process)),
            Move::Edit => Ok(self.edit()),
            Move::Fault => Ok(self.fault()),
            Move::Leap => Ok(self.leap()),
            Move::Person => self.person().await,
            Move::PassShort => {
                let time = self
                    .dice
                    .span(TimeDelta::milliseconds(20), TimeDelta::seconds(8));
                Ok(self.pass(time))
            }
            Move::PassToDue => Ok(self.pass_to_due()),
            Move::PassLong => {
                let time = self.dice.span(TimeDelta::minutes(1), TimeDelta::hours(1));
                Ok(self.pass(time))
            }
        }
    }

    async fn start(&mut self, process: usize) -> anyhow::Result<String> {
        self.processes[process]
            .start(&self.around, &mut self.dice)
            .await?;
        Ok(format!("process {process} starts"))
    }

    async fn tick(&mut self, process: usize) -> anyhow::Result<String> {
        let dying = self.plant_crash(process);
        self.wire.announce(None, false);
        let Some(live) = self.processes[process].live.as_mut() else {
            return Ok(String::new());
        };
        let ticked = live.engine.tick().await;
        live.idle.ticked = matches!(ticked, Ok(0));
        if ticked.is_ok() && !dying {
            self.processes[process].has_to_tick = false;
            self.moment.ticked = Some(self.clock_of(process));
        }
        if let Ok(1..) = ticked {
            self.news();
        }
        self.came_out(
            process,
            dying,
            "tick",
            ticked.map(|runs| format!("{runs} runs")),
        )
        .await
    }

    async fn claim(&mut self, process: usize) -> anyhow::Result<String> {
        let dying = self.plant_crash(process);
        let limit = self.dice.one(&[1, 1, 2, 4]);
        self.wire.announce(None, false);
        let now = self.world.now();
        let Some(live) = self.processes[process].live.as_mut() else {
            return Ok(String::new());
        };
        let claimed = live.engine.claim(limit).await;
        live.idle.claimed = matches!(&claimed, Ok(scans) if scans.is_empty());
        let claimed = claimed.map(|scans| {
            let names: Vec<_> = scans.iter().map(named).collect();
            live.scans
                .extend(scans.into_iter().map(|leased| Held::new(leased, now)));
            names.join(", ")
        });
        self.came_out(process, dying, "claims", claimed).await
    }

    async fn step_scan(&mut self, process: usize, index: usize) -> anyhow::Result<String> {
        let dying = self.plant_crash(process);
        let Some(live) = self.processes[process].live.as_mut() else {
            return Ok(String::new());
        };
        let Some(leased) = live.scans[index].take() else {
            return Ok(String::new());
        };
        let (step_request, in_hand) = (step_request_of(&leased), in_hand_of(&leased));
        let engine = live.engine.clone();
        let mut leased = leased;
        let future: StepFuture = Box::pin(async move {
            let result = engine.step(&mut leased).await;
            (leased, result)
        });
        self.wire.announce(Some(step_request.clone()), !dying);
        self.poll(Stepping {
            process,
            index,
            step_request,
            in_hand,
            future,
            dying,
        })
        .await
    }

    async fn resume(&mut self, process: usize, index: usize) -> anyhow::Result<String> {
        let dying = self.plant_crash(process);
        let Some(live) = self.processes[process].live.as_mut() else {
            return Ok(String::new());
        };
        let stage = std::mem::replace(&mut live.scans[index].stage, Stage::Taken);
        let Stage::Parked {
            step,
            resume,
            step_request,
            in_hand,
            ..
        } = stage
        else {
            live.scans[index].stage = stage;
            return Ok(String::new());
        };
        self.wire.announce(Some(step_request.clone()), !dying);
        // The step of this request may have been dropped; then the send fails.
        let _ = resume.send(());
        self.poll(Stepping {
            process,
            index,
            step_request,
            in_hand,
            future: step,
            dying,
        })
        .await
    }

    /// Runs a step until it ends or is parked at its request.
    async fn poll(&mut self, mut stepping: Stepping) -> anyhow::Result<String> {
        let Stepping {
            process,
            index,
            step_request,
            in_hand,
            dying,
            ..
        } = &stepping;
        let (process, index, dying) = (*process, *index, *dying);
        let what = format!(
            "process {process} {} {} page {}.{}",
            step_request.object,
            short(&step_request.scan_id),
            step_request.pass,
            step_request.page
        );
        let (step_request, in_hand) = (step_request.clone(), in_hand.clone());
        self.note_overtaken(process, index);
        let ended = tokio::select! {
            biased;
            ended = &mut stepping.future => Ok(ended),
            parked = self.wire.parked() => Err(parked),
        };
        match ended {
            Ok((leased, result)) => {
                let requests = (step_request, in_hand);
                self.came_back(process, index, leased, requests, &result, dying);
                self.came_out(
                    process,
                    dying,
                    &what,
                    result.map(|step| format!("{step:?}")),
                )
                .await
            }
            Err(Some(request)) => {
                let Some(live) = self.processes[process].live.as_mut() else {
                    return Ok(String::new());
                };
                live.scans[index].stage = Stage::Parked {
                    step: stepping.future,
                    resume: request.resume,
                    point: request.point,
                    step_request,
                    in_hand,
                };
                let waits = format!("{what} waits {:?}", request.point);
                if dying {
                    // It was to crash at a database call; it crashes here instead.
                    return Ok(format!("{waits}; {}", self.crash(process).await?));
                }
                Ok(waits)
            }
            Err(None) => anyhow::bail!("a request waits that nobody sent"),
        }
    }

    /// Puts a scan back for its next step, or removes it.
    fn came_back(
        &mut self,
        process: usize,
        index: usize,
        leased: Box<LeasedScan>,
        (step_request, in_hand): (StepRequest, Option<StepRequest>),
        result: &Result<Step, StoreError>,
        dying: bool,
    ) {
        match result {
            Ok(Step::Continue) => {}
            // Either what it asked for, or what it had in memory and was an earlier page.
            Ok(Step::Again { .. }) => self.wire.excuse(Some(step_request_of(&leased))),
            Ok(Step::End(_)) => self.wire.excuse(dying.then_some(step_request)),
            Err(_) => {
                self.wire.excuse(Some(step_request));
                self.wire.excuse(in_hand);
            }
        }
        let now = self.world.now();
        let Some(live) = self.processes[process].live.as_mut() else {
            return;
        };
        live.scans[index].unaware = false;
        // The step sent only this request.
        self.moment.unsent = self.wire.was_unsent() && !dying && result.is_ok();
        let stage = match result {
            Ok(Step::Continue) => Stage::Ready(leased),
            Ok(Step::Again { after }) => {
                let after = TimeDelta::from_std(*after).unwrap_or(TimeDelta::MAX);
                Stage::Resting(leased, now + after)
            }
            Ok(Step::End(_)) | Err(_) => {
                live.scans.remove(index);
                self.news();
                return;
            }
        };
        live.scans[index].stage = stage;
    }

    /// Notes whether another worker has leased the scan before its worker steps.
    fn note_overtaken(&mut self, process: usize, index: usize) {
        let Some(live) = self.processes[process].live.as_ref() else {
            return;
        };
        let scan = &live.scans[index].scan;
        let overtaken = self
            .checker
            .run(&scan.id)
            .is_none_or(|run| run.fence > scan.lease.fence || run.state != "running");
        if overtaken {
            self.moment.overtaken = Some(scan.id.clone());
        }
    }

    /// The result of a move. If the process was to crash in it, it is stopped now.
    pub(super) async fn came_out(
        &mut self,
        process: usize,
        dying: bool,
        what: &str,
        result: Result<String, StoreError>,
    ) -> anyhow::Result<String> {
        let outcome = match &result {
            Ok(outcome) => outcome.clone(),
            Err(StoreError::LeaseLost { .. }) => "the lease is lost".to_owned(),
            Err(error) if dying => format!("{error}"),
            Err(error) => {
                let cause = std::error::Error::source(error).map(ToString::to_string);
                let text = format!("{what}: {error}: {}", cause.unwrap_or_default());
                self.checker
                    .violated("the database takes what the engine writes", text.clone());
                text
            }
        };
        if dying {
            self.processes[process].die(&self.wire).await;
            self.news();
            return Ok(format!("{what}: {outcome}; process {process} dies in it"));
        }
        Ok(format!("{what}: {outcome}"))
    }

    /// Draws whether the process crashes at a database call of its next move.
    pub(super) fn plant_crash(&mut self, process: usize) -> bool {
        let dying = self.dice.chance(self.scenario.rates.crash_inside);
        let calls = self.dice.between(1, CALLS);
        if let Some(live) = self.processes[process].live.as_ref().filter(|_| dying) {
            live.store.crash_at(calls.unsigned_abs());
        }
        dying
    }

    /// A scan's turn is over, or its process shuts down gracefully.
    async fn release_lease(&mut self, process: usize, index: usize) -> anyhow::Result<String> {
        let dying = self.plant_crash(process);
        let Some(live) = self.processes[process].live.as_mut() else {
            return Ok(String::new());
        };
        let mut held = live.scans.remove(index);
        let Some(mut leased) = held.take() else {
            live.scans.insert(index, held);
            return Ok(String::new());
        };
        let in_hand = in_hand_of(&leased);
        let end = live.engine.release_lease(&mut leased).await;
        self.wire.excuse(in_hand);
        self.news();
        let what = format!("process {process} gives {} back", named(&leased));
        let result = Ok(format!("{end:?}"));
        self.came_out(process, dying, &what, result).await
    }

    async fn crash(&mut self, process: usize) -> anyhow::Result<String> {
        self.processes[process].die(&self.wire).await;
        self.news();
        Ok(format!("process {process} dies"))
    }

    fn freeze(&mut self, process: usize) -> String {
        let time = self
            .dice
            .span(TimeDelta::seconds(2), TimeDelta::seconds(100));
        self.processes[process].frozen_until = Some(self.world.now() + time);
        format!("process {process} has no time for {} s", time.num_seconds())
    }

    fn edit(&mut self) -> String {
        let team = self.dice.below(self.scenario.teams.len());
        if self.dice.chance(self.scenario.rates.mass_edit) {
            let made = edits::mass_edit(&self.world, &mut self.dice, team);
            return format!("mass_edit of {made}");
        }
        let made = edits::batch(&self.world, &mut self.dice, team);
        format!("{made} edits")
    }

    fn fault(&mut self) -> String {
        let team = self.dice.below(self.scenario.teams.len());
        let object = self.dice.one(&self.scenario.objects);
        let armed = faults::arm(&self.wire, &mut self.dice, object, team);
        format!("fault: {armed}")
    }

    async fn person(&mut self) -> anyhow::Result<String> {
        let now = self.world.now();
        let up = |it: &usize| self.processes[*it].acting(now).is_some();
        let Some(process) = (0..self.processes.len()).find(up) else {
            return Ok("nobody is there to be asked".to_owned());
        };
        let dying = self.plant_crash(process);
        let client = self.dice.below(self.clients.len());
        let holding = self.checker.holding_runs();
        let applies = self.dice.chance(4_000);
        let Some(live) = self.processes[process].live.as_ref() else {
            return Ok(String::new());
        };
        let client = &mut self.clients[client];
        let result = if let Some(run) = self.dice.pick(&holding).filter(|_| applies) {
            client.apply_deletes(live, run).await
        } else {
            let objects = &self.scenario.objects;
            client.act(live, &self.wire, &mut self.dice, objects).await
        };
        if let Some(connected) = self.checker.connections.get_mut(&client.connection.id) {
            connected.limits = client.limits;
            connected.present = client.present;
        }
        self.news();
        let result = result.map(|done| {
            self.moment.applied = done.applied;
            done.line
        });
        self.came_out(process, dying, "somebody", result).await
    }

    pub(super) fn pass(&mut self, time: TimeDelta) -> String {
        self.world.clock.advance(time);
        self.news();
        format!("{} ms pass", time.num_milliseconds())
    }

    /// Passes time until something is due by some clock, or a little longer.
    fn pass_to_due(&mut self) -> String {
        let now = self.world.now();
        let due = self.next_due().unwrap_or(now + TimeDelta::hours(1));
        let late = match self.dice.below(4) {
            0 => TimeDelta::milliseconds(self.dice.between(0, 12_000)),
            _ => TimeDelta::zero(),
        };
        let time = (due + late - now).max(TimeDelta::milliseconds(1));
        self.pass(time)
    }

    /// Something may have become due since the processes last polled.
    pub(super) fn news(&mut self) {
        for process in &mut self.processes {
            if let Some(live) = &mut process.live {
                live.idle = Idle::default();
            }
        }
    }
}

fn named(leased: &LeasedScan) -> String {
    format!("{} {}", leased.scan.object, short(&leased.scan.id))
}

/// The end of an id, which is its random part.
fn short(id: &str) -> &str {
    &id[id.len().saturating_sub(6)..]
}
