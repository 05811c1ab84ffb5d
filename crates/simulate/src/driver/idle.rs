//! Weeks in which nobody reads: all syncs are paused, and of the processes' work only that is left
//! which keeps tokens alive.

use chrono::TimeDelta;
use syncline_engine::{NoTokens, Tokens};
use syncline_store::StoreError;

use super::Driver;
use crate::check::Moment;

/// The processes look every minute; here they sometimes don't get to it for as long as this.
const LONGEST_IDLE: TimeDelta = TimeDelta::days(2);

/// How often they look in a row if tokens are due, as after a refresh that failed.
const LOOKS: usize = 20;
const BETWEEN_LOOKS: TimeDelta = TimeDelta::minutes(1);

/// Connections at a time.
const BATCH: i64 = 100;

impl Driver {
    pub(super) async fn idle_phase(&mut self) -> anyhow::Result<()> {
        let Some(length) = self.scenario.idle else {
            return Ok(());
        };
        self.rest().await?;
        let ends = self.world.now() + length;
        while self.is_well() && self.world.now() < ends {
            let idle = self.dice.span(TimeDelta::hours(1), LONGEST_IDLE);
            self.pass(idle);
            self.correct_clocks();
            for _ in 0..LOOKS {
                if !self.keep_alive().await? {
                    break;
                }
                self.pass(BETWEEN_LOOKS);
            }
            self.checker.authorizations_live().await;
        }
        Ok(())
    }

    /// Everything that is under way is dropped, and nothing new begins.
    async fn rest(&mut self) -> anyhow::Result<()> {
        self.moment = self.next_moment();
        for process in &mut self.processes {
            process.die(&self.wire).await;
            process.start(&self.around, &mut self.dice).await?;
        }
        if let Some(live) = self.processes[0].live.as_ref() {
            for client in &self.clients {
                client.pause_all(live, &self.scenario.objects).await?;
            }
        }
        self.trace.note(self.world.now(), "nobody reads for weeks");
        self.look().await
    }

    /// One look of a process at tokens that nobody uses; returns whether there were some.
    async fn keep_alive(&mut self) -> anyhow::Result<bool> {
        self.moment = self.next_moment();
        let process = self.dice.below(self.processes.len());
        let dying = self.plant_crash(process);
        self.wire.announce(None, false);
        let Some(live) = self.processes[process].live.as_ref() else {
            anyhow::bail!("a process that crashed was started again");
        };
        let kept = kept_alive(&live.engine.tokens()).await;
        let some_were_due = !matches!(&kept, Ok(kept) if kept.is_empty());
        let kept = kept.map(|kept| kept.join(", "));
        let what = format!("process {process} keeps tokens alive");
        let told = self.came_out(process, dying, &what, kept).await?;
        self.trace.note(self.world.now(), &told);
        let crashed = &mut self.processes[process];
        if crashed.live.is_none() {
            crashed.start(&self.around, &mut self.dice).await?;
        }
        self.look().await?;
        Ok(some_were_due)
    }

    fn next_moment(&mut self) -> Moment {
        Moment {
            step: self.trace.next_step(),
            ..Moment::default()
        }
    }
}

/// What came of the tokens that are due, one after the other.
async fn kept_alive(tokens: &Tokens) -> Result<Vec<String>, StoreError> {
    let mut told = Vec::new();
    for connection in tokens.due(BATCH).await? {
        match tokens.keep_alive(&connection).await {
            Ok(()) => told.push("refreshed".to_owned()),
            Err(NoTokens::Store(error)) => return Err(error),
            Err(none) => told.push(none.to_string()),
        }
    }
    Ok(told)
}
