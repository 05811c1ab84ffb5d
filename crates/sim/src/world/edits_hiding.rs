//! Records that the API keys' user may not see, because of permission profiles and ownership rules.
//!
//! A hidden record is live. Searches leave it out, also of their totals, and a read by id is
//! refused; both immediately, even with a lag. Writes are not restricted, because their answers are
//! undocumented.

use super::Team;
use super::edits::EditError;

impl Team {
    pub fn hide_contact(&mut self, id: &str) -> Result<(), EditError> {
        self.live_contact(id)?;
        self.contacts.set_hidden(id, true);
        Ok(())
    }

    /// Reverts [`Team::hide_contact`].
    pub fn show_contact(&mut self, id: &str) -> Result<(), EditError> {
        self.live_contact(id)?;
        self.contacts.set_hidden(id, false);
        Ok(())
    }

    pub fn hide_account(&mut self, id: &str) -> Result<(), EditError> {
        self.live_account(id)?;
        self.accounts.set_hidden(id, true);
        Ok(())
    }

    /// Reverts [`Team::hide_account`].
    pub fn show_account(&mut self, id: &str) -> Result<(), EditError> {
        self.live_account(id)?;
        self.accounts.set_hidden(id, false);
        Ok(())
    }

    pub fn hide_deal(&mut self, id: &str) -> Result<(), EditError> {
        self.live_deal(id)?;
        self.deals.set_hidden(id, true);
        Ok(())
    }
}
