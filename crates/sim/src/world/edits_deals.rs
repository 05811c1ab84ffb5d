//! Changes to deals.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, NaiveDate, Utc};
use serde_json::{Map, Value};

use super::Team;
use super::account::{Account, AccountBrief};
use super::contact_fields::{checked, merge, text};
use super::deal::Deal;
use super::edits::EditError;
use super::edits_contacts::as_map;
use super::money::Money;

impl Team {
    /// Creates a deal with the fields of Apollo's create call and returns its id.
    pub fn create_deal(&mut self, now: DateTime<Utc>, fields: &Value) -> Result<String, EditError> {
        self.tick(now);
        let fields = as_map(fields);
        let mut deal = self.blank_deal(now);
        if let Some(id) = fields.get("account_id") {
            deal.account_id = checked(id, |id| self.live_account(id).is_ok())?;
            let account = deal.account_id.as_deref();
            let account = account.and_then(|id| self.accounts.get(id));
            deal.account = account.map(Account::brief);
        }
        self.apply_to_deal(&mut deal, fields, now)?;
        let id = deal.id.clone();
        self.deals.insert(deal);
        Ok(id)
    }

    fn blank_deal(&mut self, now: DateTime<Utc>) -> Deal {
        Deal {
            id: self.mint(now),
            shuffle: self.shuffle(),
            team_id: self.id.clone(),
            pipeline_id: self.deal_pipeline_id.clone(),
            name: String::new(),
            amount: None,
            closes_on: None,
            stage: None,
            stage_updated_at: None,
            account_id: None,
            account: None,
            owner_id: None,
            creator_id: self.caller_id(),
            source: "api",
            created_at: now,
            last_activity: now,
            custom_fields: BTreeMap::new(),
            deleted: false,
        }
    }

    /// Changes the given fields; a deal's account stays. Its last activity moves only if that changed
    /// anything, which is returned.
    pub fn update_deal(
        &mut self,
        now: DateTime<Utc>,
        id: &str,
        fields: &Value,
    ) -> Result<bool, EditError> {
        self.tick(now);
        let before = self.live_deal(id)?;
        let mut deal = before.clone();
        self.apply_to_deal(&mut deal, as_map(fields), now)?;
        if deal == *before {
            return Ok(false);
        }
        deal.last_activity = now;
        self.deals.edit(id, |row| *row = deal);
        Ok(true)
    }

    fn apply_to_deal(
        &self,
        deal: &mut Deal,
        fields: &Map<String, Value>,
        now: DateTime<Utc>,
    ) -> Result<(), EditError> {
        for (name, value) in fields {
            match name.as_str() {
                // A deal without a name is refused before, or keeps its name.
                "name" => deal.name = text(value).unwrap_or_else(|| deal.name.clone()),
                "amount" => deal.amount = text(value).as_deref().and_then(Money::read),
                "closed_date" => deal.closes_on = text(value).as_deref().and_then(day),
                "owner_id" => deal.owner_id = checked(value, |id| self.has_user(id))?,
                "opportunity_stage_id" => self.move_deal(deal, value, now)?,
                "typed_custom_fields" => merge(&mut deal.custom_fields, value),
                _ => {}
            }
        }
        Ok(())
    }

    fn move_deal(
        &self,
        deal: &mut Deal,
        stage_id: &Value,
        now: DateTime<Utc>,
    ) -> Result<(), EditError> {
        let of_id = |id: &str| self.deal_stages.iter().find(|stage| stage.id == id);
        let id = checked(stage_id, |id| of_id(id).is_some())?;
        let stage = id.as_deref().and_then(of_id).cloned();
        if stage != deal.stage {
            deal.stage = stage;
            deal.stage_updated_at = Some(now);
        }
        Ok(())
    }

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

/// A day as `YYYY-MM-DD`; a time after it is ignored.
fn day(text: &str) -> Option<NaiveDate> {
    NaiveDate::parse_from_str(text.get(..10)?, "%Y-%m-%d").ok()
}
