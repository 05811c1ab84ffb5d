//! How many steps Salesloft's cadences have, which is in no record.

use std::collections::BTreeMap;

use syncline_model::Object;
use syncline_sim::Dialect;

use super::{Checker, Run};

impl Checker {
    /// Checked when the table of sequences has to be the truth, and nothing was wrong about the list of
    /// steps: nothing else shows how many there are.
    pub(super) async fn steps_are_counted(&mut self, run: &Run, team: usize) -> anyhow::Result<()> {
        let is_counted = self.world.provider.dialect == Dialect::Salesloft;
        let is_misled = self.runs.false_answers.contains_key(&run.scan_id);
        if !is_counted || is_misled || run.object() != Object::Sequence {
            return Ok(());
        }
        let truth: BTreeMap<String, i64> = self.world.read(team, |team| {
            let live = team.live_ids(Object::Sequence.as_str()).into_iter();
            live.map(|id| {
                let steps = team.step_ids_of(&id);
                let enabled = steps.iter().filter(|(_, enabled)| *enabled).count();
                (id, i64::try_from(enabled).unwrap_or(i64::MAX))
            })
            .collect()
        });
        let mut wrong = Vec::new();
        for (id, told) in self.tables.steps_of(&run.connection_id).await? {
            if truth.get(&id).is_some_and(|steps| *steps != told) {
                wrong.push(id);
            }
        }
        self.differs(run, "has a wrong number of steps of", &wrong);
        Ok(())
    }
}
