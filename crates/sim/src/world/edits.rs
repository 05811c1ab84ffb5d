//! Changes to users and mailboxes, and the error that all edits share.

use std::fmt;

use chrono::{DateTime, Utc};

use super::Team;
use super::user::User;

/// Why an edit was not made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EditError {
    NoSuchRecord,
    /// The record existed before.
    Deleted,
    /// A field names a stage, owner or account that does not exist.
    InvalidId(String),
}

impl fmt::Display for EditError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSuchRecord => f.write_str("no such record"),
            Self::Deleted => f.write_str("the record has been deleted"),
            Self::InvalidId(id) => write!(f, "{id} is not a valid ID"),
        }
    }
}

impl std::error::Error for EditError {}

impl Team {
    /// Adds a user; returns the user's id.
    pub fn add_user(&mut self, now: DateTime<Utc>, first_name: &str, last_name: &str) -> String {
        self.tick(now);
        let user = self.draft_user(now, first_name, last_name);
        let id = user.id.clone();
        self.users.insert(user);
        id
    }

    /// The user stays listed, marked as deleted.
    pub fn delete_user(&mut self, id: &str) -> Result<(), EditError> {
        self.edit_user(id, |user| user.deleted = true)
    }

    /// Reverts [`Team::delete_user`].
    pub fn undelete_user(&mut self, id: &str) -> Result<(), EditError> {
        self.edit_user(id, |user| user.deleted = false)
    }

    /// The user is no longer listed; records that refer to the user don't change.
    pub fn remove_user(&mut self, id: &str) -> Result<(), EditError> {
        let removed = self.users.edit(id, |user| user.removed = true);
        removed.ok_or(EditError::NoSuchRecord)
    }

    /// Reverts [`Team::remove_user`]. A user who was marked as deleted before still is.
    pub fn restore_user(&mut self, id: &str) -> Result<(), EditError> {
        let restored = self.users.edit(id, |user| user.removed = false);
        restored.ok_or(EditError::NoSuchRecord)
    }

    /// Renames a user.
    pub fn rename_user(
        &mut self,
        id: &str,
        first_name: &str,
        last_name: &str,
    ) -> Result<(), EditError> {
        self.edit_user(id, |user| {
            user.first_name = Some(first_name.to_owned());
            user.last_name = Some(last_name.to_owned());
        })
    }

    /// Locks or unlocks a user, who stays listed.
    pub fn lock_user(&mut self, id: &str, locked: bool) -> Result<(), EditError> {
        self.edit_user(id, |user| user.locked = locked)
    }

    /// A user signs in, which updates them.
    pub fn sign_in(&mut self, now: DateTime<Utc>, id: &str) -> Result<(), EditError> {
        self.tick(now);
        self.edit_user(id, |user| user.signed_in_at = Some(now))
    }

    fn edit_user(&mut self, id: &str, change: impl FnOnce(&mut User)) -> Result<(), EditError> {
        let now = self.now();
        let changed = self.users.edit_in_place(id, |user| {
            change(user);
            user.updated_at = now;
        });
        changed.ok_or(EditError::NoSuchRecord)
    }

    /// Links a mailbox to a user; returns its id.
    pub fn add_mailbox(&mut self, now: DateTime<Utc>, user_id: &str) -> Result<String, EditError> {
        self.tick(now);
        if !self.has_user(user_id) {
            return Err(EditError::NoSuchRecord);
        }
        let mailbox = self.draft_mailbox(now, user_id);
        let id = mailbox.id.clone();
        self.mailboxes.insert(mailbox);
        Ok(id)
    }

    /// The mailbox is no longer listed.
    pub fn remove_mailbox(&mut self, id: &str) -> Result<(), EditError> {
        let removed = self.mailboxes.edit(id, |mailbox| mailbox.deleted = true);
        removed.ok_or(EditError::NoSuchRecord)
    }

    /// A removed mailbox is linked again, with the same id.
    pub fn restore_mailbox(&mut self, id: &str) -> Result<(), EditError> {
        let restored = self.mailboxes.edit(id, |mailbox| mailbox.deleted = false);
        restored.ok_or(EditError::NoSuchRecord)
    }

    /// The mail provider withdraws access: the mailbox stays listed, inactive.
    pub fn disconnect_mailbox(&mut self, now: DateTime<Utc>, id: &str) -> Result<(), EditError> {
        self.tick(now);
        let disconnected = self.mailboxes.edit_in_place(id, |mailbox| {
            mailbox.active = false;
            mailbox.updated_at = now;
            mailbox.revoked_at = Some(now);
            mailbox.inactive_reason = Some("Access was revoked by the mail provider".to_owned());
        });
        disconnected.ok_or(EditError::NoSuchRecord)
    }
}
