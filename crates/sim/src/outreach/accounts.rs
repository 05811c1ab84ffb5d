//! Accounts.

use bytes::Bytes;
use serde_json::Value as Json;

use super::prospects::{write_custom_fields, write_extras};
use super::record::Record;
use super::resource::{Item, Resource, Schema, f, fs, to};
use super::value::{Kind, Value};
use crate::world::Team;
use crate::world::account::Account;
use crate::world::table::Row as _;

/// Writable attributes that the world does not model; they are stored as written.
const UNMODELED: [&str; 19] = [
    "annualRevenueRange",
    "companyType",
    "customId",
    "description",
    "externalSource",
    "followers",
    "foundedAt",
    "industry",
    "linkedInEmployees",
    "linkedInUrl",
    "locality",
    "naicsCodes",
    "naturalName",
    "numberOfEmployees",
    "sharingTeamId",
    "sicCodes",
    "tickerSymbol",
    "websiteUrl",
    "buyerIntentScore",
];

#[derive(Debug)]
pub(super) struct Accounts;

impl Resource for Accounts {
    type Row<'t> = &'t Account;

    const SCHEMA: Schema = Schema {
        kind: "account",
        plural: "accounts",
        controller: "Accounts",
        fields: &[
            fs("customId", Kind::Text),
            fs("domain", Kind::Text),
            fs("name", Kind::Text),
            fs("named", Kind::Flag),
            f("sharingTeamId", Kind::Text),
            fs("buyerIntentScore", Kind::Number),
            fs("createdAt", Kind::Time),
            fs("touchedAt", Kind::Time),
            fs("updatedAt", Kind::Time),
        ],
        relations: &[to("owner", "user")],
    };

    /// Unnamed accounts are not listed; they can be read by id.
    fn rows(team: &Team) -> impl Iterator<Item = &Account> {
        team.accounts.seen().filter(|account| account.named)
    }

    fn find<'t>(team: &'t Team, id: &str) -> Option<&'t Account> {
        team.accounts.get(id).filter(|account| account.listed())
    }

    fn cached(team: &Team, id: &str) -> Option<Bytes> {
        Some(team.accounts.json_of(id))
    }

    fn hidden(team: &Team, id: &str) -> bool {
        team.accounts.is_hidden(id)
    }
}

impl<'t> Item<'t> for &'t Account {
    fn id(self) -> &'t str {
        &self.id
    }

    fn value(self, name: &str) -> Value<'t> {
        match name {
            "name" => Value::Text(&self.name),
            "domain" => Value::text(self.domain.as_deref()),
            "named" => Value::Flag(self.named),
            "createdAt" => Value::Time(self.created_at),
            "touchedAt" => Value::time(self.last_activity),
            "updatedAt" => Value::Time(self.updated_at),
            extra => match self.custom_fields.get(extra) {
                Some(Json::String(text)) => Value::Text(text),
                Some(Json::Number(number)) => number.as_i64().map_or(Value::Null, Value::Number),
                _ => Value::Null,
            },
        }
    }

    fn related(self, name: &str) -> Vec<&'t str> {
        match name {
            "owner" => self.owner_id.as_deref().into_iter().collect(),
            _ => Vec::new(),
        }
    }

    fn write(self, record: &mut Record<'_>) {
        record
            .time("createdAt", self.created_at)
            .maybe("domain", self.domain.as_deref())
            .text("name", &self.name)
            .flag("named", self.named)
            .texts("tags", &self.label_ids)
            .maybe_time("touchedAt", self.last_activity)
            .nulls(&["trashedAt"])
            .time("updatedAt", self.updated_at);
        write_extras(&self.custom_fields, &UNMODELED, record);
        write_custom_fields(&self.custom_fields, record);
        record
            .relate_one("creator", "user", self.creator_id.as_deref())
            .relate_one("defaultPluginMapping", "pluginMapping", None)
            .relate_one("owner", "user", self.owner_id.as_deref())
            .relate_one("updater", "user", None)
            .links_to(&[
                ("batches", "batches"),
                ("prospects", "prospects"),
                ("tasks", "tasks"),
            ]);
    }
}
