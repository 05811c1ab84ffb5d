//! Clock jumps: ahead or back, by minutes or by a month, temporary or permanent.
//!
//! The processes use the clock of their database, so all of them are wrong together. A single
//! process is wrong until it next measures its difference to the database's clock, which is soon in
//! production; here it sometimes takes longer.
//!
//! A clock jumps again only after it was right: records before two jumps in a row look like records
//! before two long idle times, which have expired.

use chrono::TimeDelta;

use super::Driver;

impl Driver {
    /// Makes one clock, or all of them, wrong by some time.
    pub(super) fn leap(&mut self) -> String {
        let by = self.dice.one(&[
            TimeDelta::minutes(20),
            TimeDelta::hours(2),
            TimeDelta::hours(20),
            TimeDelta::days(2),
            TimeDelta::days(30),
        ]);
        let by = self.dice.span(by / 2, by);
        let by = if self.dice.chance(7_000) { by } else { -by };
        let alone = self.processes.len() > 1 && self.dice.chance(3_000);
        let lasts = if alone {
            let most = self.dice.one(&[
                TimeDelta::seconds(15),
                TimeDelta::seconds(15),
                TimeDelta::minutes(40),
            ]);
            Some(self.dice.span(TimeDelta::seconds(1), most))
        } else {
            let most = self.dice.one(&[
                Some(TimeDelta::minutes(2)),
                Some(TimeDelta::minutes(40)),
                Some(TimeDelta::hours(4)),
                None,
            ]);
            most.map(|most| self.dice.span(TimeDelta::seconds(1), most))
        };
        self.right_again = lasts.map(|lasts| self.world.now() + lasts);
        if alone {
            let process = self.dice.below(self.processes.len());
            self.set_clock(process, by);
            format!(
                "the clock of process {process} is {} s ahead",
                by.num_seconds()
            )
        } else {
            self.set_all_clocks(by);
            format!("all clocks are {} s ahead", by.num_seconds())
        }
    }

    /// Corrects clocks that have been wrong for long enough.
    pub(super) fn correct_clocks(&mut self) {
        let now = self.world.now();
        if self.right_again.is_some_and(|at| at <= now) {
            self.set_clocks_right();
        }
    }

    pub(super) fn set_clocks_right(&mut self) {
        self.right_again = None;
        self.set_all_clocks(TimeDelta::zero());
        self.trace.note(self.world.now(), "all clocks are right");
    }

    /// For the final phase: a clock that stays wrong does no harm, as long as all processes have
    /// the same.
    pub(super) fn settle_clocks(&mut self) {
        let leaps = &self.world.leaps;
        if self.right_again.is_some() || !leaps.agree() || self.dice.chance(5_000) {
            self.set_clocks_right();
        }
    }

    fn set_all_clocks(&mut self, ahead: TimeDelta) {
        for process in 0..self.processes.len() {
            self.set_clock(process, ahead);
        }
    }

    /// Every process has to tick next, as each does once a second, so that the effect of a jump is
    /// seen at once.
    fn set_clock(&mut self, process: usize, ahead: TimeDelta) {
        let now = self.world.now();
        if self.world.leaps.of(process) != ahead {
            self.world.leaps.set(process, now, ahead);
        }
        for process in &mut self.processes {
            process.has_to_tick = true;
        }
        self.news();
    }
}
