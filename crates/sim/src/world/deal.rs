//! A deal: a sale that the team hopes for, and the stages that it goes through.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, NaiveDate, Utc};
use serde_json::Value;

use super::account::AccountBrief;
use super::money::Money;
use super::table::{Order, Row};

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Deal {
    pub(crate) id: String,
    /// Its position if no order is requested.
    pub(crate) shuffle: i64,
    pub(crate) team_id: String,
    pub(crate) pipeline_id: String,
    pub(crate) name: String,
    pub(crate) amount: Option<Money>,
    /// The day on which it is expected to be closed.
    pub(crate) closes_on: Option<NaiveDate>,
    /// A deal that was created without a stage has none.
    pub(crate) stage: Option<Arc<DealStage>>,
    pub(crate) stage_updated_at: Option<DateTime<Utc>>,
    pub(crate) account_id: Option<String>,
    /// The account's short form.
    pub(crate) account: Option<Arc<AccountBrief>>,
    pub(crate) owner_id: Option<String>,
    pub(crate) creator_id: Option<String>,
    pub(crate) source: &'static str,
    pub(crate) created_at: DateTime<Utc>,
    /// The last change counts as activity.
    pub(crate) last_activity: DateTime<Utc>,
    pub(crate) custom_fields: BTreeMap<String, Value>,
    pub(crate) deleted: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DealStage {
    pub(crate) id: String,
    pub(crate) name: &'static str,
    /// `Pipeline`, `Closed` or `Omitted`.
    pub(crate) forecast: &'static str,
    /// In percent.
    pub(crate) probability: i64,
    pub(crate) outcome: Outcome,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Open,
    Won,
    Lost,
}

impl DealStage {
    pub(crate) fn is_closed(&self) -> bool {
        self.outcome != Outcome::Open
    }

    pub(crate) fn is_won(&self) -> bool {
        self.outcome == Outcome::Won
    }
}

impl Deal {
    fn is(&self, state: impl Fn(&DealStage) -> bool) -> bool {
        self.stage.as_deref().is_some_and(state)
    }
}

impl Row for Deal {
    fn id(&self) -> &str {
        &self.id
    }

    fn listed(&self) -> bool {
        !self.deleted
    }

    fn created_at(&self) -> DateTime<Utc> {
        self.created_at
    }

    fn rank(&self, order: Order) -> i64 {
        match order {
            Order::Created => self.created_at.timestamp_millis(),
            Order::Updated | Order::LastActivity => self.last_activity.timestamp_millis(),
            Order::Amount => self.amount.map_or(i64::MIN, Money::cents),
            Order::Closed => i64::from(self.is(DealStage::is_closed)),
            Order::Won => i64::from(self.is(DealStage::is_won)),
            _ => self.shuffle,
        }
    }
}
