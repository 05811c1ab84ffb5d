//! What comes from outside: the user's calls, late answers, and credits.

use std::collections::BTreeSet;

use syncline_store::{ContinueJob, NewCeiling};

use super::Driver;
use crate::enrichment::lists::{self, Question};

impl Driver {
    pub(super) async fn create(&mut self) -> anyhow::Result<String> {
        let drawn = lists::draw(&mut self.dice);
        let job = self
            .tenant
            .create_enrichment_job(&self.connection, &drawn.new)
            .await?;
        self.asked.extend(drawn.questions.iter().cloned());
        if drawn.new.retry_uncertain {
            self.allow_once_more(&drawn.questions);
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

    pub(super) async fn cancel(&mut self) -> anyhow::Result<String> {
        let Some(id) = self.any_job() else {
            return Ok("nothing to cancel".to_owned());
        };
        let cancelled = self
            .tenant
            .cancel_enrichment_job(&self.connection.id, &id)
            .await?;
        Ok(format!("the user cancels {id}: {cancelled:?}"))
    }

    pub(super) async fn go_on(&mut self) -> anyhow::Result<String> {
        let Some(id) = self.any_job() else {
            return Ok("nothing to continue".to_owned());
        };
        let how = ContinueJob {
            max_credits: NewCeiling::Unlimited,
            retry_uncertain: self.dice.chance(2_000),
        };
        if how.retry_uncertain {
            self.allow_once_more(&self.questions[&id].clone());
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

    /// Each of the questions may be asked once more.
    fn allow_once_more(&mut self, questions: &[Question]) {
        for question in questions.iter().collect::<BTreeSet<_>>() {
            self.allowed.once_more(question);
        }
    }

    fn any_job(&mut self) -> Option<String> {
        let mut ids: Vec<String> = self.questions.keys().cloned().collect();
        ids.sort();
        self.dice.pick(&ids).cloned()
    }

    /// A late answer arrives: one of those on their way, and some arrive once more.
    pub(super) async fn deliver(&mut self) -> anyhow::Result<String> {
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

    pub(super) fn change_credits(&mut self) -> String {
        let team = self.dice.below(self.teams);
        let credits = self.dice.one(&[0, 7, 25, 100_000, 100_000]);
        self.apollo.sim.edit(team, |team| team.set_credits(credits));
        format!("team {team} has {credits} credits")
    }
}
