//! Changes to deals.

use std::sync::Arc;

use super::Team;
use super::account::AccountBrief;
use super::deal::Deal;
use super::edits::EditError;

impl Team {
    /// The deal disappears.
    pub fn delete_deal(&mut self, id: &str) -> Result<(), EditError> {
        self.live_deal(id)?;
        self.deals.edit(id, |deal| deal.deleted = true);
        Ok(())
    }

    pub(crate) fn live_deal(&self, id: &str) -> Result<&Deal, EditError> {
        match self.deals.get(id) {
            None => Err(EditError::NoSuchRecord),
            Some(deal) if deal.deleted => Err(EditError::Deleted),
            Some(deal) => Ok(deal),
        }
    }

    /// The deals of an account show its new short form; without one, they lose the account.
    pub(super) fn show_on_deals(&mut self, account_id: &str, account: Option<&Arc<AccountBrief>>) {
        let deals = self.deals.all().iter();
        let deals = deals.filter(|deal| deal.account_id.as_deref() == Some(account_id));
        let ids: Vec<String> = deals.map(|deal| deal.id.clone()).collect();
        for id in ids {
            self.deals.edit_in_place(&id, |deal| {
                deal.account = account.cloned();
                deal.account_id = account.map(|account| account.id.clone());
            });
        }
    }
}
