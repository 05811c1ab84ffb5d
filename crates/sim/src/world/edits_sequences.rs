//! Changes to sequences and their members.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::Team;
use super::contact::{Contact, State, StateKind};
use super::edits::EditError;
use super::sequence::Sequence;
use crate::dialect::Dialect;
use crate::switches::{InactiveReasons, Reason};

/// The fields of a new sequence.
#[derive(Debug)]
pub(crate) struct NewSequence {
    pub(crate) name: String,
    pub(crate) private: bool,
    pub(crate) active: bool,
    pub(crate) label_ids: Vec<String>,
    pub(crate) user_id: Option<String>,
    /// Further attributes of the dialect.
    pub(crate) extras: BTreeMap<String, Value>,
}

impl Team {
    /// Creates an active sequence with invented steps; returns its id.
    pub fn create_sequence(&mut self, now: DateTime<Utc>, name: &str) -> String {
        self.tick(now);
        let sequence = self.draft_sequence(now, name);
        let id = sequence.id.clone();
        self.sequences.insert(sequence);
        id
    }

    /// Creates a sequence without steps, owned by the caller unless another user is given.
    pub(crate) fn write_sequence(
        &mut self,
        now: DateTime<Utc>,
        new: NewSequence,
    ) -> Result<String, EditError> {
        self.tick(now);
        if let Some(id) = new.user_id.as_ref().filter(|id| !self.has_user(id)) {
            return Err(EditError::InvalidId(id.clone()));
        }
        let id = self.mint(now);
        let sequence = Sequence {
            id: id.clone(),
            shuffle: self.shuffle(),
            name: new.name,
            active: new.active,
            archived: false,
            private: new.private,
            deleted: false,
            loading_reads: 0,
            created_at: now,
            updated_at: now,
            enabled_at: new.active.then_some(now),
            last_used_at: None,
            user_id: new.user_id.or_else(|| self.caller_id()),
            schedule_id: self.mint(now),
            ruleset_id: self.mint(now),
            label_ids: new.label_ids,
            stats: [0; 10],
            extras: new.extras,
            steps: Vec::new(),
        };
        self.sequences.insert(sequence);
        Ok(id)
    }

    pub fn rename_sequence(&mut self, id: &str, name: &str) -> Result<(), EditError> {
        self.edit_sequence(id, |sequence| name.clone_into(&mut sequence.name))
    }

    /// Archived sequences are inactive; the contacts in them keep their states.
    pub fn archive_sequence(&mut self, id: &str) -> Result<(), EditError> {
        self.edit_sequence(id, |sequence| {
            sequence.archived = true;
            sequence.active = false;
        })
    }

    pub fn set_sequence_active(&mut self, id: &str, active: bool) -> Result<(), EditError> {
        let now = self.now();
        self.edit_sequence(id, |sequence| {
            sequence.active = active;
            if active {
                sequence.enabled_at = Some(now);
            }
        })?;
        if active && self.conventions.states_follow_sequences {
            self.start_waiting_states(id);
        }
        Ok(())
    }

    /// Activates the states that were added while the sequence was inactive.
    fn start_waiting_states(&mut self, sequence_id: &str) {
        let now = self.now();
        let imposed = self
            .switches
            .inactive_reasons
            .text(Reason::SequenceInactive);
        let waits = |state: &State| {
            state.sequence_id == sequence_id && state.inactive_reason.as_deref() == Some(imposed)
        };
        let contacts = self.contacts.listed();
        let waiting = contacts.filter(|contact| contact.states.iter().any(waits));
        let waiting: Vec<String> = waiting.map(|contact| contact.id.clone()).collect();
        for contact in waiting {
            self.contacts.edit_in_place(&contact, |contact| {
                for state in contact.states.iter_mut().filter(|state| waits(state)) {
                    state.status = StateKind::Active;
                    state.inactive_reason = None;
                    state.updated_at = now;
                    state.changed_at = now;
                }
            });
        }
    }

    fn edit_sequence(
        &mut self,
        id: &str,
        change: impl FnOnce(&mut Sequence),
    ) -> Result<(), EditError> {
        let now = self.now();
        let changed = self.sequences.edit_in_place(id, |sequence| {
            change(sequence);
            sequence.updated_at = now;
        });
        changed.ok_or(EditError::NoSuchRecord)
    }

    /// The sequence disappears from searches. Contacts still refer to it, unless the dialect deletes its
    /// states as well.
    pub fn delete_sequence(&mut self, id: &str) -> Result<(), EditError> {
        let deleted = self.sequences.edit(id, |sequence| sequence.deleted = true);
        deleted.ok_or(EditError::NoSuchRecord)?;
        let taken = match self.dialect {
            Dialect::Apollo => false,
            Dialect::Outreach => self.org.switches.sequence_delete_takes_states,
            Dialect::Salesloft => self.salesloft.switches.cadence_delete_takes_memberships,
        };
        if taken {
            self.remove_states_in(id);
        }
        Ok(())
    }

    /// A deleted sequence is in searches again, unchanged.
    pub fn undelete_sequence(&mut self, id: &str) -> Result<(), EditError> {
        let restored = self.sequences.edit(id, |sequence| sequence.deleted = false);
        restored.ok_or(EditError::NoSuchRecord)
    }

    /// Adds a contact to a sequence and returns the id of its state there. A contact that is
    /// already in it keeps its state.
    pub fn enrol(
        &mut self,
        now: DateTime<Utc>,
        contact_id: &str,
        sequence_id: &str,
    ) -> Result<String, EditError> {
        let contact = self.live_contact(contact_id)?;
        let stays = self.conventions.states_stay;
        let known = contact.state_in(sequence_id);
        if let Some(state) = known.filter(|state| !stays || state.is_in()) {
            return Ok(state.id.clone());
        }
        let state = self.entry_state(now, sequence_id, None)?;
        Ok(self.add_state(now, contact_id, state))
    }

    /// Changes a contact's state in a sequence, with the given reason (`replied`, `manually
    /// paused`, …).
    pub fn set_state(
        &mut self,
        now: DateTime<Utc>,
        contact_id: &str,
        sequence_id: &str,
        status: StateKind,
        reason: Option<&str>,
    ) -> Result<(), EditError> {
        self.live_contact(contact_id)?;
        let reasons = &self.switches.inactive_reasons;
        let imposed = reason == Some(reasons.text(Reason::SequenceInactive));
        let failure = (status == StateKind::Failed)
            .then(|| failure(reasons, reason))
            .flatten();
        self.touch_states(now, contact_id, |contact| {
            let state = contact
                .states
                .iter_mut()
                .find(|state| state.sequence_id == sequence_id)
                .ok_or(EditError::NoSuchRecord)?;
            state.status = status;
            state.inactive_reason = reason.map(str::to_owned);
            state.finished_at = (status == StateKind::Finished).then_some(now);
            // A pause that comes from the sequence has no time.
            state.paused_at = (status == StateKind::Paused && !imposed).then_some(now);
            state.failure_reason = failure;
            state.updated_at = now;
            state.changed_at = now;
            Ok(())
        })
    }

    /// Removes a contact from a sequence, with its state unless states stay.
    pub fn unenrol(
        &mut self,
        now: DateTime<Utc>,
        contact_id: &str,
        sequence_id: &str,
    ) -> Result<(), EditError> {
        self.live_contact(contact_id)?;
        let stays = self.conventions.states_stay;
        self.touch_states(now, contact_id, |contact| {
            if stays {
                let mut states = contact.states.iter_mut();
                let state = states.find(|state| state.sequence_id == sequence_id);
                let state = state.filter(|state| state.is_in());
                let state = state.ok_or(EditError::NoSuchRecord)?;
                state.leave(now, "removed");
                return Ok(());
            }
            let before = contact.states.len();
            contact
                .states
                .retain(|state| state.sequence_id != sequence_id);
            if contact.states.len() == before {
                return Err(EditError::NoSuchRecord);
            }
            Ok(())
        })
    }

    /// The state of a contact that was just added to a sequence: paused if the sequence is not
    /// active.
    pub(crate) fn entry_state(
        &mut self,
        now: DateTime<Utc>,
        sequence_id: &str,
        mailbox_id: Option<&str>,
    ) -> Result<State, EditError> {
        let sequence = self.live_sequence(sequence_id)?;
        let active = sequence.active;
        let first = sequence.steps.first().map(|step| step.id.clone());
        let mut state = self.new_state(sequence_id, now, mailbox_id);
        if self.conventions.states_follow_sequences {
            state.step_id = first;
        }
        if !active {
            state.status = StateKind::Paused;
            let text = self
                .switches
                .inactive_reasons
                .text(Reason::SequenceInactive);
            state.inactive_reason = Some(text.to_owned());
        }
        Ok(state)
    }

    /// Adds a contact to a sequence and returns the id of its state there: that of the state it had, if
    /// states stay.
    pub(crate) fn add_state(
        &mut self,
        now: DateTime<Utc>,
        contact_id: &str,
        mut state: State,
    ) -> String {
        self.tick(now);
        state.since = self.now();
        let sequence_id = state.sequence_id.clone();
        let mut id = state.id.clone();
        let stays = self.conventions.states_stay;
        let added = self.touch_states(now, contact_id, |contact| {
            let mut states = contact.states.iter_mut();
            let known = states.find(|known| stays && known.sequence_id == sequence_id);
            match known {
                Some(known) => {
                    known.come_back(state);
                    id.clone_from(&known.id);
                }
                None => contact.states.push(state),
            }
            Ok(())
        });
        if added.is_ok() {
            self.sequences.edit_in_place(&sequence_id, |sequence| {
                sequence.last_used_at = Some(now);
                sequence.updated_at = now;
            });
        }
        id
    }

    fn touch_states(
        &mut self,
        now: DateTime<Utc>,
        contact_id: &str,
        change: impl FnOnce(&mut Contact) -> Result<(), EditError>,
    ) -> Result<(), EditError> {
        self.tick(now);
        let changed = if self.switches.enrolment_touches_contact {
            self.contacts.edit(contact_id, |contact| {
                change(contact)?;
                contact.updated_at = now;
                Ok(())
            })
        } else {
            self.contacts.edit_in_place(contact_id, change)
        };
        changed.unwrap_or(Err(EditError::NoSuchRecord))
    }
}

/// The `failure_reason` that goes with an `inactive_reason`.
fn failure(reasons: &InactiveReasons, reason: Option<&str>) -> Option<&'static str> {
    const CODES: [&str; 4] = [
        "hard_bounced",
        "spam_blocked",
        "bounced",
        "past_date_failure",
    ];
    match reason {
        None => Some("bounced"),
        Some(text) if text == reasons.text(Reason::Bounced) => Some("bounced"),
        Some(text) if text == reasons.text(Reason::SpamBlocked) => Some("spam_blocked"),
        Some(text) => CODES.into_iter().find(|code| *code == text),
    }
}
