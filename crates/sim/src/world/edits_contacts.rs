//! Changes to contacts and accounts, as made in the interface, by an integration or by a teammate.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Map, Value};

use super::Team;
use super::account::Account;
use super::contact::Contact;
use super::edits::EditError;
use super::table::Row as _;
use super::task::Task;

impl Team {
    /// Creates a contact with the fields of Apollo's create call and returns its id.
    pub fn create_contact(
        &mut self,
        now: DateTime<Utc>,
        fields: &Value,
    ) -> Result<String, EditError> {
        self.tick(now);
        let mut contact = self.blank_contact(now);
        self.apply_to_contact(&mut contact, as_map(fields), now)?;
        Ok(self.insert_contact(contact))
    }

    /// An empty contact with a new id.
    pub(crate) fn blank_contact(&mut self, now: DateTime<Utc>) -> Contact {
        Contact {
            id: self.mint(now),
            shuffle: self.shuffle(),
            first_name: None,
            last_name: None,
            title: None,
            headline: None,
            linkedin_url: None,
            stage_id: self.contact_stages.first().map(|stage| stage.id.clone()),
            owner_id: self.caller_id(),
            creator_id: self.caller_id(),
            person_id: None,
            organization_id: None,
            organization_name: None,
            source: "api",
            crm_id: None,
            address: None,
            location: None,
            created_at: now,
            // Apollo writes a new contact twice.
            updated_at: now + TimeDelta::milliseconds(self.dice.between(20, 70)),
            last_activity: None,
            email_status: None,
            unsubscribed: None,
            call_opted_out: None,
            emails: Vec::new(),
            phones: Vec::new(),
            account_id: None,
            account: None,
            label_ids: Vec::new(),
            custom_fields: std::collections::BTreeMap::new(),
            states: Vec::new(),
            opens: 0,
            trashed_at: None,
            deleted: false,
        }
    }

    pub(crate) fn insert_contact(&mut self, contact: Contact) -> String {
        self.count_at_account(contact.account_id.as_deref());
        let id = contact.id.clone();
        self.contacts.insert(contact);
        id
    }

    /// Creates a contact with invented content and returns its id.
    pub fn invent_contact(&mut self, now: DateTime<Utc>) -> String {
        self.tick(now);
        let contact = self.draft_contact(now);
        self.count_at_account(contact.account_id.as_deref());
        let id = contact.id.clone();
        self.contacts.insert(contact);
        id
    }

    /// Changes the given fields. `updated_at` changes only if that changed anything, which is
    /// returned.
    pub fn update_contact(
        &mut self,
        now: DateTime<Utc>,
        id: &str,
        fields: &Value,
    ) -> Result<bool, EditError> {
        self.tick(now);
        let mut contact = self.live_contact(id)?.clone();
        self.apply_to_contact(&mut contact, as_map(fields), now)?;
        Ok(self.replace_contact(now, contact))
    }

    /// Replaces the contact with the same id. Returns whether anything changed; only then is `updated_at`
    /// set.
    pub(crate) fn replace_contact(&mut self, now: DateTime<Utc>, mut contact: Contact) -> bool {
        let id = contact.id.clone();
        if self.contacts.get(&id) == Some(&contact) {
            return false;
        }
        contact.updated_at = now;
        let joined = contact.account_id.clone();
        let left = self
            .contacts
            .edit(&id, |row| std::mem::replace(row, contact).account_id);
        self.uncount_at_account(left.flatten().as_deref());
        self.count_at_account(joined.as_deref());
        true
    }

    /// Adds an e-mail address to a contact, which the API can show but not write. False if the
    /// contact has it already.
    pub fn add_email(
        &mut self,
        now: DateTime<Utc>,
        id: &str,
        email: &str,
    ) -> Result<bool, EditError> {
        self.tick(now);
        if self.live_contact(id)?.has_email(email) {
            return Ok(false);
        }
        let email = self.new_email(now, email);
        self.contacts.edit(id, |contact| {
            contact.emails.push(email);
            contact.email_status = contact.email_status.or(Some("verified"));
            contact.updated_at = now;
        });
        Ok(true)
    }

    /// The contact disappears from searches, at the team's latest time.
    pub fn delete_contact(&mut self, id: &str) -> Result<(), EditError> {
        let account = self.live_contact(id)?.account_id.clone();
        let (now, states_stay) = (self.now(), self.conventions.states_stay);
        self.contacts.edit(id, |contact| {
            contact.deleted = true;
            if states_stay {
                let states = contact.states.iter_mut();
                states.for_each(|state| state.leave(now, "person deleted"));
            }
        });
        self.uncount_at_account(account.as_deref());
        Ok(())
    }

    /// Restores a deleted contact, as restoring a backup or a CRM sync does. It is in its former
    /// sequences, and at its former account if that still exists.
    pub fn undelete_contact(&mut self, now: DateTime<Utc>, id: &str) -> Result<(), EditError> {
        self.tick(now);
        let contact = self.contacts.get(id).ok_or(EditError::NoSuchRecord)?;
        if !contact.deleted {
            return Ok(());
        }
        let account_id = contact.account_id.clone();
        let account = account_id.and_then(|id| self.live_account(&id).ok());
        let account = account.map(|account| (account.id.clone(), account.brief()));
        let (account_id, account) = account.unzip();
        self.count_at_account(account_id.as_deref());
        let states_stay = self.conventions.states_stay;
        self.contacts.edit(id, |contact| {
            contact.deleted = false;
            contact.updated_at = now;
            if states_stay {
                let states = contact.states.iter_mut();
                states.for_each(|state| state.updated_at = now);
            }
            contact.account_id = account_id;
            contact.account = account;
        });
        Ok(())
    }

    /// Logs a phone call: changes both `last_activity_date` and `updated_at`.
    pub fn log_call(&mut self, now: DateTime<Utc>, id: &str) -> Result<(), EditError> {
        self.tick(now);
        self.live_contact(id)?;
        self.contacts.edit(id, |contact| {
            contact.last_activity = Some(now);
            contact.updated_at = now;
        });
        Ok(())
    }

    /// Logs an e-mail sent, opened or replied to: changes `last_activity_date`, and `updated_at`
    /// depending on the switches.
    pub fn log_email_activity(&mut self, now: DateTime<Utc>, id: &str) -> Result<(), EditError> {
        self.tick(now);
        self.live_contact(id)?;
        let touch = self.switches.activity_touches_contact || self.conventions.opens_touch_contacts;
        self.contacts.edit(id, |contact| {
            contact.last_activity = Some(now);
            contact.opens += 1;
            if touch {
                contact.updated_at = now;
            }
        });
        Ok(())
    }

    pub(crate) fn live_contact(&self, id: &str) -> Result<&Contact, EditError> {
        match self.contacts.get(id) {
            None => Err(EditError::NoSuchRecord),
            Some(contact) if contact.deleted => Err(EditError::Deleted),
            Some(contact) => Ok(contact),
        }
    }

    /// Creates an account with the fields of Apollo's create call and returns its id. No deduplication.
    pub fn create_account(
        &mut self,
        now: DateTime<Utc>,
        fields: &Value,
    ) -> Result<String, EditError> {
        self.tick(now);
        let mut account = self.blank_account(now);
        self.apply_to_account(&mut account, as_map(fields), now)?;
        let id = account.id.clone();
        self.accounts.insert(account);
        Ok(id)
    }

    /// An empty account with a new id.
    pub(crate) fn blank_account(&mut self, now: DateTime<Utc>) -> Account {
        Account {
            id: self.mint(now),
            shuffle: self.shuffle(),
            team_id: self.id.clone(),
            name: String::new(),
            domain: None,
            organization_id: None,
            stage_id: self.account_stages.first().map(|stage| stage.id.clone()),
            owner_id: self.caller_id(),
            creator_id: self.caller_id(),
            source: "api",
            created_at: now,
            updated_at: now,
            index_key: now,
            last_activity: None,
            phone: None,
            address: None,
            label_ids: Vec::new(),
            custom_fields: std::collections::BTreeMap::new(),
            num_contacts: 0,
            named: true,
            archived_at: None,
            deleted: false,
        }
    }

    /// Creates an account with invented content and returns its id.
    pub fn invent_account(&mut self, now: DateTime<Utc>) -> String {
        self.tick(now);
        let account = self.draft_account(now, now);
        let id = account.id.clone();
        self.accounts.insert(account);
        id
    }

    /// Changes the given fields; returns whether that changed anything.
    pub fn update_account(
        &mut self,
        now: DateTime<Utc>,
        id: &str,
        fields: &Value,
    ) -> Result<bool, EditError> {
        self.tick(now);
        let mut account = self.live_account(id)?.clone();
        self.apply_to_account(&mut account, as_map(fields), now)?;
        Ok(self.replace_account(now, account))
    }

    /// Replaces the account with the same id; returns whether anything changed.
    pub(crate) fn replace_account(&mut self, now: DateTime<Utc>, mut account: Account) -> bool {
        let id = account.id.clone();
        if self.accounts.get(&id) == Some(&account) {
            return false;
        }
        account.updated_at = now;
        if self.switches.account_changes_move_order {
            account.index_key = now;
        }
        let brief = account.brief();
        self.accounts.edit(&id, |row| *row = account);
        for contact in self.contact_ids_at(&id) {
            self.contacts
                .edit_in_place(&contact, |contact| contact.account = Some(brief.clone()));
        }
        self.show_on_deals(&id, Some(&brief));
        true
    }

    /// The account disappears from searches and its contacts and deals lose it, at the team's latest time.
    pub fn delete_account(&mut self, id: &str) -> Result<(), EditError> {
        self.live_account(id)?;
        self.accounts.edit(id, |account| account.deleted = true);
        for contact in self.contact_ids_at(id) {
            self.contacts.edit_in_place(&contact, |contact| {
                contact.account_id = None;
                contact.account = None;
            });
        }
        self.show_on_deals(id, None);
        Ok(())
    }

    /// Restores a deleted account, without its former contacts and deals.
    pub fn undelete_account(&mut self, now: DateTime<Utc>, id: &str) -> Result<(), EditError> {
        self.tick(now);
        if self.live_account(id).is_ok() {
            return Ok(());
        }
        let moves = self.switches.account_changes_move_order;
        let restored = self.accounts.edit(id, |account| {
            account.deleted = false;
            account.updated_at = now;
            account.num_contacts = 0;
            if moves {
                account.index_key = now;
            }
        });
        restored.ok_or(EditError::NoSuchRecord)
    }

    pub(crate) fn live_account(&self, id: &str) -> Result<&Account, EditError> {
        match self.accounts.get(id) {
            None => Err(EditError::NoSuchRecord),
            Some(account) if account.deleted => Err(EditError::Deleted),
            Some(account) => Ok(account),
        }
    }

    pub(super) fn contact_ids_at(&self, account_id: &str) -> Vec<String> {
        let contacts = self.contacts.listed();
        let contacts = contacts.filter(|contact| contact.account_id.as_deref() == Some(account_id));
        contacts.map(|contact| contact.id.clone()).collect()
    }

    /// Sets a task's contact, with the contact's short form within tasks.
    pub(crate) fn attach_contact(&self, task: &mut Task, contact_id: Option<&str>) {
        let Some(contact) = contact_id
            .and_then(|id| self.contacts.get(id))
            .filter(|c| c.listed())
        else {
            return;
        };
        task.contact = Some(contact.brief());
        task.contact_id = Some(contact.id.clone());
        task.account_id.clone_from(&contact.account_id);
        let account = contact.account_id.as_deref();
        let account = account.and_then(|id| self.accounts.get(id));
        task.account = account.map(Account::brief);
    }
}

/// The members of a JSON object; of other values, none.
pub(super) fn as_map(fields: &Value) -> &Map<String, Value> {
    static NONE: std::sync::LazyLock<Map<String, Value>> = std::sync::LazyLock::new(Map::new);
    fields.as_object().unwrap_or(&NONE)
}
