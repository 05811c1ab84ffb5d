//! Generates contacts and their sequence states.

use std::collections::HashMap;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use super::ascii;
use crate::switches::Reason;
use crate::world::account::Account;
use crate::world::contact::{Contact, Email, Phone, State, StateKind};
use crate::world::location::Location;
use crate::world::mailbox::Mailbox;
use crate::world::table::Row;
use crate::world::{Team, names};

/// Percent of states with the id of another contact's state in the same sequence, which happens to
/// contacts added in one call.
const REPEATED_STATE_IDS: usize = 3;

/// Combinations of status, reason and failure.
const ENDINGS: &[(StateKind, Option<Reason>, Option<&str>)] = &[
    (StateKind::Active, None, None),
    (StateKind::Active, None, None),
    (StateKind::Active, None, None),
    (StateKind::Paused, Some(Reason::ManuallyPaused), None),
    (StateKind::Paused, Some(Reason::SequenceInactive), None),
    (StateKind::Finished, Some(Reason::CompletedLastStep), None),
    (StateKind::Finished, Some(Reason::Replied), None),
    (StateKind::Finished, Some(Reason::ManuallyFinished), None),
    (StateKind::Failed, Some(Reason::Bounced), Some("bounced")),
    (
        StateKind::Failed,
        Some(Reason::Bounced),
        Some("hard_bounced"),
    ),
    (StateKind::Failed, Some(Reason::UserDeleted), None),
    (
        StateKind::Failed,
        Some(Reason::SpamBlocked),
        Some("spam_blocked"),
    ),
];

const PHONE_KINDS: &[&str] = &["work_direct", "work_hq", "mobile", "home", "other"];

impl Team {
    pub(super) fn add_generated_contacts(
        &mut self,
        count: usize,
        start: DateTime<Utc>,
        epoch: DateTime<Utc>,
    ) {
        let sequences: Vec<String> = self.sequences.all().iter().map(|s| s.id.clone()).collect();
        let mut latest: HashMap<String, (String, DateTime<Utc>)> = HashMap::new();
        for _ in 0..count {
            let created = self.dice.instant(start, epoch - TimeDelta::hours(1));
            let mut contact = self.draft_contact(created);
            if self.dice.percent(55) {
                contact.updated_at = self.dice.instant(created + TimeDelta::seconds(5), epoch);
            }
            if self.dice.percent(45) {
                contact.last_activity = Some(self.dice.instant(created, epoch));
            }
            for sequence in self.some_sequences(&sequences) {
                let added = self.dice.instant(created, epoch);
                let mut state = self.draft_state(&sequence, added, epoch);
                if self.dice.percent(REPEATED_STATE_IDS)
                    && self.conventions.state_ids_repeat
                    && let Some((id, added_at)) = latest.get(&sequence)
                {
                    state.id.clone_from(id);
                    state.added_at = *added_at;
                } else {
                    latest.insert(sequence, (state.id.clone(), state.added_at));
                }
                contact.states.push(state);
            }
            self.count_at_account(contact.account_id.as_deref());
            self.contacts.insert(contact);
        }
    }

    /// None for 55 of 100 contacts, one for 40, two or three for the others: half a state per
    /// contact.
    fn some_sequences(&mut self, sequences: &[String]) -> Vec<String> {
        let count = match self.dice.below(100) {
            0..55 => 0,
            55..95 => 1,
            95..99 => 2,
            _ => 3,
        };
        let first = self.dice.below(sequences.len());
        let picked = sequences
            .iter()
            .cycle()
            .skip(first)
            .take(count.min(sequences.len()));
        picked.cloned().collect()
    }

    /// A new contact, in no sequence.
    pub(in crate::world) fn draft_contact(&mut self, created_at: DateTime<Utc>) -> Contact {
        let first = self.dice.word(names::FIRST);
        let last = self.dice.word(names::LAST);
        let account = self
            .dice
            .percent(70)
            .then(|| self.dice.pick(self.accounts.all()).cloned())
            .flatten();
        let account = account.filter(Row::listed);
        let company = match &account {
            Some(account) => account.name.clone(),
            None => format!(
                "{} {}",
                self.dice.word(names::COMPANY_HEAD),
                self.dice.word(names::COMPANY_TAIL)
            ),
        };
        let domain = account.as_ref().and_then(|account| account.domain.clone());
        let domain = domain.unwrap_or_else(|| format!("{}.example", ascii(&company)));
        let emails = self.draft_emails(first, last, &domain);
        let emails: Vec<Email> = emails
            .iter()
            .map(|address| self.draft_email(created_at, address))
            .collect();
        let title = self.dice.word(names::TITLE);
        let location = self.dice.pick(names::PLACE).copied();
        let location = self.dice.percent(65).then_some(location).flatten();
        let number = self.dice.below(100_000);
        Contact {
            id: self.mint(created_at),
            shuffle: self.shuffle(),
            first_name: Some(first.to_owned()),
            last_name: Some(last.to_owned()),
            title: self.dice.percent(92).then(|| title.to_owned()),
            headline: self
                .dice
                .percent(30)
                .then(|| format!("{title} at {company}")),
            linkedin_url: self.dice.percent(60).then(|| {
                format!(
                    "http://www.linkedin.com/in/{}-{}-{number:05}",
                    ascii(first),
                    ascii(last)
                )
            }),
            stage_id: self
                .dice
                .pick(&self.contact_stages)
                .map(|stage| stage.id.clone()),
            owner_id: self.any_user_id(),
            creator_id: self.caller_id(),
            person_id: self.dice.percent(50).then(|| self.mint(created_at)),
            organization_id: account
                .as_ref()
                .and_then(|account| account.organization_id.clone()),
            organization_name: Some(company),
            source: self
                .dice
                .word(&["api", "csv_import", "chrome_extension", "crm"]),
            crm_id: self.dice.percent(15).then(|| number.to_string()),
            address: location.map(|[city, state, ..]| format!("{city}, {state}")),
            location: location.map(Location::known),
            created_at,
            updated_at: created_at + TimeDelta::milliseconds(self.dice.between(20, 70)),
            last_activity: None,
            email_status: (!emails.is_empty()).then(|| self.draft_email_status()),
            unsubscribed: self.dice.percent(2).then_some(true),
            call_opted_out: self.dice.percent(1).then_some(true),
            emails,
            phones: self.draft_phones(created_at),
            account_id: account.as_ref().map(|account| account.id.clone()),
            account: account.as_ref().map(Account::brief),
            label_ids: self.draft_labels(),
            custom_fields: self.draft_fields().into_iter().collect(),
            states: Vec::new(),
            opens: 0,
            trashed_at: None,
            deleted: false,
        }
    }

    fn draft_emails(&mut self, first: &str, last: &str, domain: &str) -> Vec<String> {
        let (first, last) = (ascii(first), ascii(last));
        let mut emails = match self.dice.below(100) {
            0..7 => return Vec::new(),
            7..80 => vec![format!("{first}.{last}@{domain}")],
            _ => vec![format!(
                "{}{last}@{domain}",
                first.get(..1).unwrap_or_default()
            )],
        };
        if self.dice.percent(9) {
            emails.push(format!("{first}{}@post.example", self.dice.below(1_000)));
        }
        emails
    }

    /// An address as given, or with its id before the `@` if it has to be unique.
    fn draft_email(&mut self, created_at: DateTime<Utc>, address: &str) -> Email {
        let mut email = self.new_email(created_at, address);
        if self.conventions.addresses_are_unique
            && let Some((local, domain)) = address.split_once('@')
        {
            email.address = format!("{local}{}@{domain}", email.id);
        }
        email
    }

    fn draft_email_status(&mut self) -> &'static str {
        match self.dice.below(100) {
            0..80 => "verified",
            80..88 => "unverified",
            88..94 => "likely to engage",
            _ => "unavailable",
        }
    }

    fn draft_phones(&mut self, created_at: DateTime<Utc>) -> Vec<Phone> {
        let count = match self.dice.below(100) {
            0..40 => 0,
            40..85 => 1,
            85..97 => 2,
            _ => 5,
        };
        let first = self.dice.below(PHONE_KINDS.len());
        let kinds = PHONE_KINDS.iter().cycle().skip(first).take(count);
        let mut phones = Vec::with_capacity(count);
        for kind in kinds {
            let raw = format!(
                "+1 {}-555-{:04}",
                self.dice.between(201, 989),
                self.dice.between(100, 199)
            );
            phones.push(self.new_phone(created_at, kind, &raw));
        }
        phones
    }

    pub(crate) fn new_email(&mut self, now: DateTime<Utc>, address: &str) -> Email {
        Email {
            id: self.mint_part(now),
            address: address.to_owned(),
            kind: None,
            created_at: now,
            updated_at: now,
            bounced_at: None,
            unsubscribed_at: None,
        }
    }

    pub(crate) fn new_phone(&mut self, now: DateTime<Utc>, kind: &'static str, raw: &str) -> Phone {
        Phone {
            id: self.mint_part(now),
            kind,
            raw: raw.to_owned(),
            created_at: now,
            updated_at: now,
        }
    }

    fn draft_labels(&mut self) -> Vec<String> {
        let labels = self
            .labels
            .iter()
            .filter(|label| label.modality == "contacts");
        let labels: Vec<String> = labels.map(|label| label.id.clone()).collect();
        labels
            .into_iter()
            .filter(|_| self.dice.percent(8))
            .collect()
    }

    fn draft_fields(&mut self) -> Vec<(String, Value)> {
        let mut values = Vec::new();
        for field in self
            .fields
            .iter()
            .filter(|field| field.modality == "contact")
        {
            if !self.dice.percent(12) {
                continue;
            }
            let value = match field.kind {
                "picklist" => self
                    .dice
                    .pick(&field.choices)
                    .map_or(json!([]), |(id, _)| json!([id])),
                "datetime" => json!(format!("2026-{:02}-15", self.dice.between(1, 12))),
                "number" => json!(self.dice.between(0, 100)),
                _ => json!(self.dice.word(names::COMPANY_TAIL)),
            };
            values.push((field.id.clone(), value));
        }
        values
    }

    /// A state that has progressed until `latest`.
    fn draft_state(
        &mut self,
        sequence_id: &str,
        added_at: DateTime<Utc>,
        latest: DateTime<Utc>,
    ) -> State {
        let mut state = self.new_state(sequence_id, added_at, None);
        let &(status, reason, failure) = self.dice.pick(ENDINGS).unwrap_or(&ENDINGS[0]);
        let ended = self.dice.instant(added_at, latest);
        state.status = status;
        state.inactive_reason =
            reason.map(|reason| self.switches.inactive_reasons.text(reason).to_owned());
        state.failure_reason = failure;
        if status != StateKind::Active {
            state.updated_at = ended;
            state.changed_at = ended;
        }
        state.finished_at = (status == StateKind::Finished).then_some(ended);
        // A pause that comes from the sequence has no time.
        state.paused_at = (reason == Some(Reason::ManuallyPaused)).then_some(ended);
        let steps = self
            .sequences
            .get(sequence_id)
            .map_or(&[][..], |sequence| &sequence.steps);
        if let Some(position) = self.dice.below(steps.len()).checked_add(1)
            && let Some(step) = steps.get(position - 1)
        {
            state.step_position = Some(position);
            state.step_id = (status == StateKind::Active).then(|| step.id.clone());
        }
        state
    }

    /// A state that was just added.
    pub(in crate::world) fn new_state(
        &mut self,
        sequence_id: &str,
        added_at: DateTime<Utc>,
        mailbox_id: Option<&str>,
    ) -> State {
        let mailbox = if let Some(id) = mailbox_id {
            self.mailboxes.get(id)
        } else {
            let linked: Vec<&Mailbox> = self.mailboxes.listed().collect();
            self.dice.pick(&linked).copied()
        };
        let mailbox = mailbox.map(|mailbox| {
            (
                mailbox.id.clone(),
                mailbox.email.clone(),
                mailbox.user_id.clone(),
            )
        });
        let (mailbox_id, mailbox_email, user) = match mailbox {
            Some((id, email, user)) => (Some(id), Some(email), Some(user)),
            None => (None, None, None),
        };
        State {
            id: self.mint(added_at),
            sequence_id: sequence_id.to_owned(),
            status: StateKind::Active,
            inactive_reason: None,
            failure_reason: None,
            added_at,
            added_by: self.caller_id(),
            updated_at: added_at,
            changed_at: added_at,
            send_from_user: user,
            mailbox_id,
            mailbox_email,
            finished_at: None,
            paused_at: None,
            auto_unpause_at: None,
            step_id: None,
            step_position: None,
            since: added_at,
        }
    }

    pub(in crate::world) fn count_at_account(&mut self, account_id: Option<&str>) {
        if let Some(id) = account_id {
            self.accounts
                .edit_in_place(id, |account| account.num_contacts += 1);
        }
    }

    pub(in crate::world) fn uncount_at_account(&mut self, account_id: Option<&str>) {
        if let Some(id) = account_id {
            self.accounts.edit_in_place(id, |account| {
                account.num_contacts = account.num_contacts.saturating_sub(1);
            });
        }
    }
}
