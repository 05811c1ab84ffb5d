//! Records that the user behind the API keys may not see, as permission profiles and ownership rules have it.
//!
//! A hidden record is live. Searches leave it out, of their totals too, and a read by id is refused; both from
//! the moment it is hidden, whatever lags. Writes are not kept from it: nobody has documented what they answer.

use super::Team;
use super::edits::EditError;

impl Team {
    pub fn hide_contact(&mut self, id: &str) -> Result<(), EditError> {
        self.live_contact(id)?;
        self.contacts.set_hidden(id, true);
        Ok(())
    }

    /// Takes [`Team::hide_contact`] back.
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

    /// Takes [`Team::hide_account`] back.
    pub fn show_account(&mut self, id: &str) -> Result<(), EditError> {
        self.live_account(id)?;
        self.accounts.set_hidden(id, false);
        Ok(())
    }
}
