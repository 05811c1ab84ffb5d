//! Reading of accounts. Writing is in [`accounts_write`](super::accounts_write).

use bytes::Bytes;

use super::extras::{labelled, native, write_natives};
use super::query::Query;
use super::record::Record;
use super::resource::{FilterList, Item, Kind, Resource};
use super::value::Value;
use crate::world::Team;
use crate::world::account::Account;
use crate::world::table::Row as _;

/// Writable fields that the world does not model; they are stored as written.
pub(super) const UNMODELED: [&str; 22] = [
    "city",
    "company_type",
    "conversational_name",
    "country",
    "crm_id",
    "crm_object_type",
    "crm_url",
    "description",
    "do_not_contact",
    "founded",
    "industry",
    "linkedin_url",
    "locale",
    "owner_crm_id",
    "postal_code",
    "revenue_range",
    "size",
    "state",
    "street",
    "twitter_handle",
    "website",
    "account_tier_id",
];

#[derive(Debug)]
pub(super) struct Accounts;

impl Resource for Accounts {
    type Row<'t> = &'t Account;

    const FILTERS: FilterList = &[
        ("ids", Kind::Id),
        ("updated_at", Kind::Time),
        ("created_at", Kind::Time),
        ("last_contacted", Kind::Time),
        ("domain", Kind::Address),
        ("archived", Kind::Flag),
        ("name", Kind::Text),
        ("account_stage_id", Kind::Id),
        ("owner_id", Kind::Id),
        ("crm_id", Kind::Text),
        ("industry", Kind::Text),
        ("tag", Kind::Text),
        ("website", Kind::Text),
        ("owner_crm_id", Kind::Text),
        ("locales", Kind::Text),
        ("country", Kind::Text),
        ("state", Kind::Text),
        ("custom_fields", Kind::Labels),
    ];
    const SORTS: &'static [&'static str] = &[
        "updated_at",
        "created_at",
        "last_contacted_at",
        "account_stage",
        "account_stage_name",
        "account_tier",
        "account_tier_name",
        "name",
        "counts_people",
    ];

    fn rows<'t>(team: &'t Team, _: &Query) -> impl Iterator<Item = &'t Account> {
        team.accounts.seen()
    }

    fn find<'t>(team: &'t Team, id: &str) -> Option<&'t Account> {
        let account = team.accounts.get(id);
        account.filter(|account| account.listed() && !team.accounts.is_hidden(id))
    }

    fn cached(team: &Team, id: &str) -> Option<Bytes> {
        Some(team.accounts.json_of(id))
    }
}

impl<'t> Item<'t> for &'t Account {
    fn id(self) -> &'t str {
        &self.id
    }

    fn value(self, name: &str) -> Value<'t> {
        let label = name.strip_prefix("custom_fields[");
        if let Some(label) = label.and_then(|label| label.strip_suffix(']')) {
            let value = self.custom_fields.get(label);
            return Value::text(value.and_then(|value| value.as_str()));
        }
        match name {
            "updated_at" => Value::Time(self.updated_at),
            "created_at" => Value::Time(self.created_at),
            "last_contacted" | "last_contacted_at" => Value::time(self.last_activity),
            "domain" => Value::text(self.domain.as_deref()),
            "archived" => Value::Flag(self.archived_at.is_some()),
            "name" => Value::text(Some(&self.name)),
            "account_stage_id" | "account_stage" | "account_stage_name" => {
                Value::id(self.stage_id.as_deref())
            }
            "owner_id" => Value::id(self.owner_id.as_deref()),
            "counts_people" => Value::count(self.num_contacts),
            "tag" => {
                let tags = self.label_ids.iter();
                Value::Many(tags.map(|tag| Value::text(Some(tag))).collect())
            }
            other => {
                let other = if other == "locales" { "locale" } else { other };
                let value = native(&self.custom_fields, other);
                Value::text(value.and_then(|value| value.as_str()))
            }
        }
    }

    fn write(self, record: &mut Record) {
        let contacted = self.last_activity.is_some();
        let owner = self.owner_id.as_deref();
        record
            .time("created_at", self.created_at)
            .time("updated_at", self.updated_at)
            .maybe_time("archived_at", self.archived_at)
            .text("name", &self.name)
            .maybe("domain", self.domain.as_deref())
            .maybe("phone", self.phone.as_deref())
            .texts("tags", &self.label_ids)
            .maybe_time("last_contacted_at", self.last_activity)
            .maybe("last_contacted_type", contacted.then_some("email"));
        write_natives(&self.custom_fields, &UNMODELED, record);
        match self.num_contacts {
            0 => record.nulls(&["counts"]),
            people => record.raw("counts", &format!(r#"{{"people":{people}}}"#)),
        };
        record
            // An array while it is empty, though it is described as an object.
            .raw("user_relationships", "[]")
            .nulls(&[
                "prospector_engagement_level",
                "prospector_engagement_score",
                "account_tier",
            ])
            .refer("company_stage", "account_stages", self.stage_id.as_deref())
            .refer("creator", "users", self.creator_id.as_deref())
            .refer("owner", "users", owner)
            .refer("last_contacted_by", "users", owner.filter(|_| contacted))
            .nulls(&["last_contacted_person"])
            .raw("custom_fields", &labelled(&self.custom_fields));
    }
}
