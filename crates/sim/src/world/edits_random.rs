//! Random edits, as in a sales team's ordinary work.

use chrono::{DateTime, Utc};
use serde_json::json;

use super::Team;
use super::contact::StateKind;
use super::dice::Dice;
use super::names;
use crate::switches::Reason;

/// How many edits of each kind were made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Edits {
    pub created: usize,
    pub updated: usize,
    pub deleted: usize,
    pub enrolled: usize,
    pub states_changed: usize,
    pub unenrolled: usize,
    pub accounts_updated: usize,
}

impl Edits {
    pub fn total(self) -> usize {
        self.created
            + self.updated
            + self.deleted
            + self.enrolled
            + self.states_changed
            + self.unenrolled
            + self.accounts_updated
    }
}

impl Team {
    /// Makes `count` edits, determined by `seed` alone. An edit that finds nothing to change is not
    /// counted.
    pub fn random_edits(&mut self, now: DateTime<Utc>, seed: u64, count: usize) -> Edits {
        self.tick(now);
        let mut dice = Dice::new(seed);
        let mut edits = Edits::default();
        let mut live: Vec<String> = self
            .contacts
            .listed()
            .map(|contact| contact.id.clone())
            .collect();
        for _ in 0..count {
            let at = dice.below(live.len());
            let Some(id) = live.get(at).cloned() else {
                live.push(self.invent_contact(now));
                edits.created += 1;
                continue;
            };
            match dice.below(100) {
                0..40 => edits.updated += usize::from(self.random_update(now, &mut dice, &id)),
                40..58 => {
                    live.push(self.invent_contact(now));
                    edits.created += 1;
                }
                58..66 => {
                    live.swap_remove(at);
                    edits.deleted += usize::from(self.delete_contact(&id).is_ok());
                }
                66..80 => edits.enrolled += usize::from(self.random_enrolment(now, &mut dice, &id)),
                80..92 => {
                    edits.states_changed += usize::from(self.random_state(now, &mut dice, &id));
                }
                92..95 => edits.unenrolled += usize::from(self.random_removal(now, &mut dice, &id)),
                _ => edits.accounts_updated += usize::from(self.random_account(now, &mut dice)),
            }
        }
        edits
    }

    fn random_update(&mut self, now: DateTime<Utc>, dice: &mut Dice, id: &str) -> bool {
        let stage = dice
            .pick(&self.contact_stages)
            .map(|stage| stage.id.clone());
        let fields = match dice.below(4) {
            0 => json!({"title": dice.word(names::TITLE)}),
            1 => json!({"contact_stage_id": stage}),
            2 => json!({"last_name": dice.word(names::LAST)}),
            _ => json!({"mobile_phone": format!("+1 415-555-{:04}", dice.between(100, 199))}),
        };
        self.update_contact(now, id, &fields).unwrap_or(false)
    }

    fn random_enrolment(&mut self, now: DateTime<Utc>, dice: &mut Dice, id: &str) -> bool {
        let running: Vec<String> = self
            .sequences
            .listed()
            .filter(|sequence| !sequence.archived)
            .map(|sequence| sequence.id.clone())
            .collect();
        let Some(sequence) = dice.pick(&running) else {
            return false;
        };
        let known = self
            .contacts
            .get(id)
            .and_then(|contact| contact.state_in(sequence));
        known.is_none() && self.enrol(now, id, sequence).is_ok()
    }

    fn random_state(&mut self, now: DateTime<Utc>, dice: &mut Dice, id: &str) -> bool {
        let Some(sequence) = self.random_membership(dice, id) else {
            return false;
        };
        let (status, reason) = match dice.below(4) {
            0 => (StateKind::Finished, Reason::Replied),
            1 => (StateKind::Finished, Reason::CompletedLastStep),
            2 => (StateKind::Paused, Reason::ManuallyPaused),
            _ => (StateKind::Failed, Reason::Bounced),
        };
        let text = self.switches.inactive_reasons.text(reason).to_owned();
        self.set_state(now, id, &sequence, status, Some(&text))
            .is_ok()
    }

    fn random_removal(&mut self, now: DateTime<Utc>, dice: &mut Dice, id: &str) -> bool {
        let sequence = self.random_membership(dice, id);
        sequence.is_some_and(|sequence| self.unenrol(now, id, &sequence).is_ok())
    }

    fn random_membership(&self, dice: &mut Dice, id: &str) -> Option<String> {
        let states = &self.contacts.get(id)?.states;
        dice.pick(states).map(|state| state.sequence_id.clone())
    }

    fn random_account(&mut self, now: DateTime<Utc>, dice: &mut Dice) -> bool {
        let live: Vec<String> = self
            .accounts
            .listed()
            .map(|account| account.id.clone())
            .collect();
        let name = format!(
            "{} {}",
            dice.word(names::COMPANY_HEAD),
            dice.word(names::COMPANY_TAIL)
        );
        let account = dice.pick(&live);
        account.is_some_and(|id| {
            self.update_account(now, id, &json!({"name": name}))
                .unwrap_or(false)
        })
    }
}
