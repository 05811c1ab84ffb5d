//! Removals of records other than deletion.

use chrono::{DateTime, Utc};

use super::Team;
use super::edits::EditError;

impl Team {
    /// Moves a contact to the trash: still listed, with the time.
    pub fn trash_contact(&mut self, now: DateTime<Utc>, id: &str) -> Result<(), EditError> {
        self.tick(now);
        self.live_contact(id)?;
        self.contacts.edit(id, |contact| {
            contact.trashed_at = Some(now);
            contact.updated_at = now;
        });
        Ok(())
    }

    /// Merges two contacts: the loser is deleted, its states and tasks move to the winner.
    pub fn merge_contacts(
        &mut self,
        now: DateTime<Utc>,
        winner: &str,
        loser: &str,
    ) -> Result<(), EditError> {
        self.tick(now);
        self.live_contact(winner)?;
        let states = self.live_contact(loser)?.states.clone();
        self.contacts.edit(loser, |contact| contact.states.clear());
        self.delete_contact(loser)?;
        self.contacts.edit(winner, |contact| {
            contact.states.extend(states);
            contact.updated_at = now;
        });
        let tasks = self.tasks.listed();
        let tasks = tasks.filter(|task| task.contact_id.as_deref() == Some(loser));
        let tasks: Vec<String> = tasks.map(|task| task.id.clone()).collect();
        let brief = self.live_contact(winner)?.brief();
        for task in tasks {
            self.tasks.edit(&task, |task| {
                task.contact_id = Some(brief.id.clone());
                task.contact = Some(brief.clone());
                task.updated_at = now;
            });
        }
        Ok(())
    }

    /// Removes an account from lists, or lists it again. Its contacts keep it.
    pub fn set_account_named(
        &mut self,
        now: DateTime<Utc>,
        id: &str,
        named: bool,
    ) -> Result<(), EditError> {
        self.tick(now);
        self.live_account(id)?;
        self.accounts.edit(id, |account| {
            account.named = named;
            account.updated_at = now;
        });
        Ok(())
    }

    /// Deletes all states in a sequence.
    pub(super) fn remove_states_in(&mut self, sequence_id: &str) {
        let contacts = self.contacts.listed();
        let inside = contacts.filter(|contact| contact.state_in(sequence_id).is_some());
        let inside: Vec<String> = inside.map(|contact| contact.id.clone()).collect();
        for contact in inside {
            self.contacts.edit_in_place(&contact, |contact| {
                let states = &mut contact.states;
                states.retain(|state| state.sequence_id != sequence_id);
            });
        }
    }
}
