//! Chooses the next move among those that are possible now, by weight.

use syncline_model::Time;

use super::Driver;
use crate::{process::Held, scenario::Rates};

/// The next move.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Move {
    Start(usize),
    Tick(usize),
    Claim(usize),
    /// A process makes a step of the scan at this index.
    Step(usize, usize),
    /// A process continues the parked step of the scan at this index.
    Resume(usize, usize),
    /// A process gives the scan's lease back.
    GiveBack(usize, usize),
    Crash(usize),
    Freeze(usize),
    Edit,
    Fault,
    /// A clock is wrong by minutes or days from now on.
    Leap,
    Person,
    /// A moment passes.
    PassShort,
    /// Time passes until something is due.
    PassToDue,
    /// Time passes, even if something is due.
    PassLong,
}

const STEP: u32 = 100;
const RESUME: u32 = 30;
const GIVE_BACK: u32 = 3;
const START: u32 = 20;
const CLAIM: u32 = 60;
const TICK: u32 = 40;
/// The weight of polling when nothing should be due.
const IN_VAIN: u32 = 1;

impl Driver {
    pub(super) fn draw(&mut self) -> Move {
        let moves = self.possible();
        let drawn = self.dice.weighted(moves.iter().map(|(_, weight)| *weight));
        moves[drawn].0
    }

    fn possible(&self) -> Vec<(Move, u32)> {
        let now = self.world.now();
        let mut moves = Vec::new();
        for (index, process) in self.processes.iter().enumerate() {
            if process.live.is_none() {
                moves.push((Move::Start(index), START));
            }
            if let Some(live) = process.acting(now) {
                for (place, held) in live.scans.iter().enumerate() {
                    if held.is_ready(now) {
                        moves.push((Move::Step(index, place), STEP));
                        if self.scenario.rates != Rates::default() {
                            moves.push((Move::GiveBack(index, place), GIVE_BACK));
                        }
                    } else if held.can_resume(now) {
                        moves.push((Move::Resume(index, place), RESUME));
                    }
                }
                let clock = self.clock_of(index);
                let claims = self.has_due_scan(clock) && !live.idle.claimed;
                moves.push((Move::Claim(index), if claims { CLAIM } else { IN_VAIN }));
                let looks = process.has_to_tick || !self.world.leaps.agree();
                let ticks = (looks || self.has_due_sync(clock)) && !live.idle.ticked;
                moves.push((Move::Tick(index), if ticks { TICK } else { IN_VAIN }));
            }
        }
        let at_work = moves.iter().any(|(it, weight)| {
            matches!(it, Move::Step(..) | Move::Resume(..)) || *weight > IN_VAIN
        });
        moves.extend(self.disturbances(now));
        moves.push((Move::PassShort, if at_work { 12 } else { 4 }));
        moves.push((Move::PassToDue, if at_work { 1 } else { 150 }));
        moves
    }

    /// Moves from outside; none in the final phase.
    fn disturbances(&self, now: Time) -> Vec<(Move, u32)> {
        let rates = self.scenario.rates;
        if rates == Rates::default() {
            return Vec::new();
        }
        let mut moves = vec![(Move::PassLong, 1), (Move::Person, rates.manage)];
        if self.busy {
            moves.push((Move::Edit, rates.edits));
        }
        moves.push((Move::Fault, rates.faults));
        if self.world.leaps.are_over() {
            moves.push((Move::Leap, rates.leaps));
        }
        for (index, process) in self.processes.iter().enumerate() {
            if process.acting(now).is_some() {
                moves.push((Move::Crash(index), rates.crash));
                moves.push((Move::Freeze(index), rates.freeze));
            }
        }
        moves
    }

    /// Whether a process with this time on its clock would find a due scan.
    fn has_due_scan(&self, clock: Time) -> bool {
        self.checker.active_runs().any(|run| run.due_at.0 <= clock)
    }

    fn has_due_sync(&self, clock: Time) -> bool {
        let syncs = self.checker.syncs().iter();
        let mut due = syncs.filter(|sync| {
            let by_time = !sync.paused || sync.paused_cause.as_deref() == Some("forbidden");
            sync.triggered_at.is_some() || (by_time && sync.next_run_at.0 <= clock)
        });
        due.any(|sync| !self.checker.active_runs().any(|run| run.sync_id == sync.id))
    }

    /// The next moment at which something becomes due, by the clock of any process.
    pub(super) fn next_due(&self) -> Option<Time> {
        let now = self.world.now();
        let runs = self.checker.active_runs().map(|run| run.due_at.0);
        let syncs = self.checker.syncs().iter();
        let syncs =
            syncs.filter(|sync| !sync.paused || sync.paused_cause.as_deref() == Some("forbidden"));
        let syncs = syncs.map(|sync| sync.next_run_at.0);
        let by_clock: Vec<Time> = runs.chain(syncs).collect();
        let ahead = self.processes.iter().map(|it| it.clock.offset());
        let due = ahead.flat_map(|ahead| by_clock.iter().map(move |due| *due - ahead));
        let frozen = self.processes.iter().filter_map(|it| it.frozen_until);
        let resting = self.processes.iter().filter_map(|it| it.live.as_ref());
        let resting = resting.flat_map(|live| live.scans.iter().filter_map(Held::rests_until));
        let all = due.chain(frozen).chain(resting).chain(self.right_again);
        all.filter(|due| *due > now).min()
    }
}
