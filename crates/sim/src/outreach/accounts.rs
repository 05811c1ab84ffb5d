//! Accounts.

use bytes::Bytes;
use serde_json::Value as Json;

use super::Call;
use super::body::{Document, text, texts};
use super::list::written;
use super::prospects::{write_custom_fields, write_extras};
use super::record::Record;
use super::refusal::{Answer, Refusal};
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

pub(super) fn create(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let document = Document::read(call, &Accounts::SCHEMA)?;
    let mut account = call.team.blank_account(call.now);
    account.owner_id = None;
    account.creator_id = Some(call.access.user_id.clone());
    account.named = call.team.org.switches.new_accounts_named;
    apply(call, &document, &mut account)?;
    if account.name.is_empty() {
        let detail = "Name can't be blank";
        return Err(Refusal::invalid_at("/data/attributes/name", detail));
    }
    let id = account.id.clone();
    call.team.accounts.insert(account);
    written::<Accounts>(call, 201, &id)
}

pub(super) fn update(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let mut account = found(call)?;
    let document = Document::read(call, &Accounts::SCHEMA)?;
    apply(call, &document, &mut account)?;
    call.team.replace_account(call.now, account);
    written::<Accounts>(call, 200, call.id)
}

pub(super) fn delete(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    found(call)?;
    let deleted = call.team.delete_account(call.id);
    deleted.map_err(|_| Refusal::no_such_record("account", call.id))?;
    Ok(Answer::nothing())
}

fn found(call: &Call<'_>) -> Result<Account, Refusal> {
    if Accounts::hidden(call.team, call.id) {
        return Err(Refusal::not_for_you());
    }
    let account = Accounts::find(call.team, call.id);
    let missing = || Refusal::no_such_record("account", call.id);
    account.cloned().ok_or_else(missing)
}

fn apply(call: &Call<'_>, document: &Document, account: &mut Account) -> Result<(), Refusal> {
    for (name, value) in document.attributes() {
        match name {
            "name" => account.name = text(name, value)?.unwrap_or_default(),
            "domain" => account.domain = text(name, value)?,
            "named" => account.named = value == true,
            "tags" => account.label_ids = texts(name, value)?,
            other if UNMODELED.contains(&other) || is_custom(other) => {
                account
                    .custom_fields
                    .insert(other.to_owned(), value.clone());
            }
            other => document.refuse_unknown(call, other)?,
        }
    }
    for name in document.relationships() {
        match name {
            "owner" => account.owner_id = document.user(call, name)?,
            other => document.refuse_unknown(call, other)?,
        }
    }
    Ok(())
}

/// `custom1`, `custom2`, …
pub(super) fn is_custom(name: &str) -> bool {
    let number = name.strip_prefix("custom");
    let number = number.and_then(|number| number.parse::<usize>().ok());
    number.is_some_and(|number| (1..=super::prospects::CUSTOM_FIELDS).contains(&number))
}
