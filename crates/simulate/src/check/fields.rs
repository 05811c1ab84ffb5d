//! Fields that can't be read: only the field is lost, not its record.

use std::collections::BTreeMap;

use syncline_model::Object;

use super::{Checker, Run, ids, truth::hidden};
use crate::shapes::{self, Misshapen};

impl Checker {
    /// Checked after a complete run over records that nobody has changed since it began: records
    /// with an unreadable field are stored, the field is unknown in the row, and the run has named
    /// and counted it.
    pub(super) async fn unreadable_fields_cost_themselves(
        &mut self,
        run: &Run,
    ) -> anyhow::Result<()> {
        let (object, connection) = (run.object(), run.connection_id.clone());
        let Some((began, taken_over)) = self
            .runs
            .get(&run.id)
            .and_then(|known| Some((known.began?, known.taken_over)))
        else {
            return Ok(());
        };
        let team = self.team_of(&connection);
        let changed = self.world.changed_at(team, object);
        let disturbed = changed.is_some_and(|changed| changed >= began)
            || self.runs.false_answers.contains_key(&run.scan_id);
        // The failed run before it has counted the records on its own pages.
        if disturbed || taken_over > 0 {
            return Ok(());
        }
        let provider = self.world.provider;
        let odd: Vec<Misshapen> = self.world.read(team, |team| {
            let hidden = hidden(team);
            let mut odd = shapes::misshapen(provider, team, object);
            odd.retain(|it| !hidden.contains(&it.shown_as));
            odd
        });
        let mut expected: BTreeMap<String, i64> = BTreeMap::new();
        for it in &odd {
            *expected.entry(it.field.theirs.to_owned()).or_default() += 1;
        }
        if run.fields_unread.0 != expected {
            let text = format!(
                "run {} ({object}) names {:?}, and there are {expected:?}",
                run.id, run.fields_unread.0
            );
            self.violated("a run names the fields that it could not read", text);
        }
        self.they_have_landed(&connection, object, &odd).await
    }

    async fn they_have_landed(
        &mut self,
        connection: &str,
        object: Object,
        odd: &[Misshapen],
    ) -> anyhow::Result<()> {
        let mut wrong = Vec::new();
        for it in odd {
            let holds = self
                .tables
                .row_is(connection, object, &it.id, it.field.unknown)
                .await?;
            if holds != Some(true) {
                wrong.push(format!("{} ({})", it.id, it.field.theirs));
            }
        }
        if !wrong.is_empty() {
            let text = format!("{} of {connection}: {}", object.plural(), ids(&wrong));
            self.violated("a record lands without the field that can't be read", text);
        }
        Ok(())
    }
}
