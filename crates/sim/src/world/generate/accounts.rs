//! Generates accounts.

use chrono::{DateTime, Utc};

use super::ascii;
use crate::world::account::{Account, Address};
use crate::world::{Team, names};

impl Team {
    pub(in crate::world) fn draft_account(
        &mut self,
        created_at: DateTime<Utc>,
        latest: DateTime<Utc>,
    ) -> Account {
        let head = self.dice.word(names::COMPANY_HEAD);
        let tail = self.dice.word(names::COMPANY_TAIL);
        let street = self.dice.word(names::STREET);
        let number = self.dice.between(1, 480);
        let location = self.dice.pick(names::PLACE).copied().unwrap_or_default();
        let address = match self.dice.below(10) {
            0..6 => Some(Address {
                raw: format!(
                    "{number} {street}, {}, {} {}",
                    location[0], location[1], location[4]
                ),
                parts: Some((format!("{number} {street}"), location)),
            }),
            6 => Some(Address {
                raw: format!("{}, near the station", location[0]),
                parts: None,
            }),
            _ => None,
        };
        let owner = self.dice.pick(self.users.all()).map(|user| user.id.clone());
        let stage = self
            .dice
            .pick(&self.account_stages)
            .map(|stage| stage.id.clone());
        let phone = format!("+1415555{:04}", self.dice.between(100, 199));
        Account {
            id: self.mint(created_at),
            shuffle: self.shuffle(),
            team_id: self.id.clone(),
            name: format!("{head} {tail}"),
            domain: (!self.dice.percent(8))
                .then(|| format!("{}{}.example", ascii(head), ascii(tail))),
            organization_id: self.dice.percent(40).then(|| self.mint(created_at)),
            stage_id: self.dice.percent(80).then_some(stage).flatten(),
            owner_id: self.dice.percent(85).then_some(owner).flatten(),
            creator_id: self.caller_id(),
            source: self.dice.word(&["api", "csv_import", "crm"]),
            created_at,
            updated_at: created_at,
            index_key: created_at,
            last_activity: self
                .dice
                .percent(30)
                .then(|| self.dice.instant(created_at, latest)),
            phone: self.dice.percent(60).then_some(phone),
            address,
            label_ids: Vec::new(),
            custom_fields: std::collections::BTreeMap::new(),
            num_contacts: 0,
            named: true,
            archived_at: None,
            deleted: false,
        }
    }
}
