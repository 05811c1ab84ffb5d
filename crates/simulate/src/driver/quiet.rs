//! The final phase: edits, faults and crashes stop, what users broke is repaired, and time passes
//! until every sync has had its runs. Then the tables must equal the provider's records.

use chrono::TimeDelta;

use super::Driver;
use crate::{check::Moment, scenario::Rates};

/// The limit of moves; beyond it something is stuck.
const MOST_MOVES: u64 = 20_000;
/// The limit of time; a daily window may defer a sync for days.
const MOST_TIME: TimeDelta = TimeDelta::days(60);

impl Driver {
    pub(super) async fn final_phase(&mut self) -> anyhow::Result<()> {
        self.scenario.rates = Rates::default();
        self.busy = false;
        self.busy_until = self.world.now() + MOST_TIME * 2;
        self.wire.set_rates(Rates::default());
        self.settle_clocks();
        // What the last move did is no excuse for what the repair does.
        self.moment = Moment {
            step: self.trace.steps(),
            ..Moment::default()
        };
        self.repair().await?;
        self.look().await?;
        let before = self.checker.ended_so_far();
        let quiet_since = self.world.now() + self.world.lag + TimeDelta::seconds(5);
        let first = self.trace.steps();
        let latest = self.world.now() + MOST_TIME;
        while self.is_well() && !self.checker.is_settled(&before) {
            if self.trace.steps() - first > MOST_MOVES || self.world.now() > latest {
                self.checker.stuck(&before);
                break;
            }
            self.step().await?;
        }
        if self.is_well() {
            self.checker.finish(&before, quiet_since).await?;
        }
        Ok(())
    }

    async fn repair(&mut self) -> anyhow::Result<()> {
        for process in &mut self.processes {
            process.frozen_until = None;
            if process.live.is_none() {
                process.start(&self.around, &mut self.dice).await?;
            }
        }
        let paused = |connection: &str, cause: &str| -> Vec<String> {
            let syncs = self.checker.syncs().iter();
            let paused = syncs.filter(|sync| {
                sync.connection_id == connection && sync.paused_cause.as_deref() == Some(cause)
            });
            paused.map(|sync| sync.id.clone()).collect()
        };
        // A forbidden object is tried once a day, which is long compared with a short period.
        let patient = self.scenario.period >= TimeDelta::hours(1);
        let paused: Vec<_> = self
            .clients
            .iter()
            .map(|client| {
                let id = &client.connection.id;
                let new_key = !patient && !paused(id, "forbidden").is_empty();
                (paused(id, "manual"), new_key)
            })
            .collect();
        let Some(live) = self.processes[0].live.as_ref() else {
            return Ok(());
        };
        for (client, (paused, new_key)) in self.clients.iter_mut().zip(paused) {
            client.repair(live, &self.wire, &paused, new_key).await?;
            let connected = self.checker.connections.get_mut(&client.connection.id);
            if let Some(connected) = connected {
                connected.limits = client.limits;
                connected.present = client.present;
            }
        }
        self.news();
        self.trace.note(self.world.now(), "all is put right");
        Ok(())
    }
}
