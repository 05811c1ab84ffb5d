//! Generates deals and the stages that they go through.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};

use crate::world::account::Account;
use crate::world::deal::{Deal, DealStage};
use crate::world::dice::{Dice, Mint};
use crate::world::money::Money;
use crate::world::{Team, names};

/// The deals of a new team.
const DEALS: usize = 12;

/// Makes a seed of a team's seed, for deals alone.
const OF_DEALS: u64 = 0x6465_616c_7321_5eed;

impl Team {
    /// Their dice and ids are their own: the rest of a seed's world is the same with and without
    /// deals.
    pub(super) fn add_generated_deals(
        &mut self,
        seed: u64,
        start: DateTime<Utc>,
        epoch: DateTime<Utc>,
    ) {
        let mut dice = Dice::new(seed ^ OF_DEALS);
        let mut mint = Mint::object_ids(&mut dice);
        self.deal_pipeline_id = mint.id(start);
        for &(name, forecast, probability, outcome) in names::DEAL_STAGE {
            self.deal_stages.push(Arc::new(DealStage {
                id: mint.id(start),
                name,
                forecast,
                probability,
                outcome,
            }));
        }
        for _ in 0..DEALS {
            let deal = self.draft_deal((&mut dice, &mut mint), start, epoch);
            self.deals.insert(deal);
        }
    }

    fn draft_deal(
        &self,
        (dice, mint): (&mut Dice, &mut Mint),
        start: DateTime<Utc>,
        epoch: DateTime<Utc>,
    ) -> Deal {
        let account = dice.pick(self.accounts.all());
        let account = account.filter(|_| dice.percent(80));
        let first = account.map_or(start, |account| account.created_at);
        let created_at = dice.instant(first, epoch);
        let mut user = || dice.pick(self.users.all()).map(|user| user.id.clone());
        let (creator_id, owner_id) = (user(), user());
        let stage = dice.pick(&self.deal_stages).cloned();
        let stage = stage.filter(|_| dice.percent(85));
        let stage_updated_at = stage.as_ref().map(|_| dice.instant(created_at, epoch));
        let subject = dice.word(names::DEAL);
        let amount = Money::of_cents(dice.between(2, 400) * 50_000);
        let closes_on = (created_at + TimeDelta::days(dice.between(20, 180))).date_naive();
        Deal {
            id: mint.id(created_at),
            shuffle: dice.between(0, i64::MAX / 2),
            team_id: self.id.clone(),
            pipeline_id: self.deal_pipeline_id.clone(),
            name: match account {
                Some(account) => format!("{} – {subject}", account.name),
                None => subject.to_owned(),
            },
            amount: dice.percent(85).then_some(amount),
            closes_on: dice.percent(80).then_some(closes_on),
            stage,
            stage_updated_at,
            account_id: account.map(|account| account.id.clone()),
            account: account.map(Account::brief),
            owner_id: owner_id.filter(|_| dice.percent(85)),
            creator_id,
            source: dice.word(&["api", "ui_form"]),
            created_at,
            last_activity: dice.instant(stage_updated_at.unwrap_or(created_at), epoch),
            custom_fields: BTreeMap::new(),
            deleted: false,
        }
    }
}
