//! Reading of people. Writing is in [`people_write`](super::people_write).

use std::borrow::Cow;

use bytes::Bytes;
use serde_json::Value as Json;

use super::cadence_memberships::has_replied;
use super::extras::{as_text, labelled, native, write_natives};
use super::query::Query;
use super::record::Record;
use super::resource::{FilterList, Item, Kind, Resource};
use super::switches::SalesloftSwitches;
use super::users::{guid, mailbox};
use super::value::Value;
use crate::json::Object;
use crate::world::Team;
use crate::world::contact::{Contact, Email, State};
use crate::world::location::Location;
use crate::world::table::Row as _;

/// Writable fields that the world does not model; they are stored as written.
pub(super) const UNMODELED: [&str; 15] = [
    "crm_object_type",
    "crm_url",
    "job_seniority",
    "locale",
    "owner_crm_id",
    "person_company_industry",
    "person_company_website",
    "personal_website",
    "phone_extension",
    "twitter_handle",
    "work_city",
    "work_country",
    "work_state",
    "job_function",
    "external_source",
];

const EUROPEAN: [&str; 6] = [
    "Sweden",
    "Germany",
    "France",
    "Spain",
    "Netherlands",
    "Italy",
];

/// The kinds of numbers that `phone` shows, the best first.
pub(super) const WORK_PHONES: [&str; 4] = ["work_direct", "work_hq", "other", "voip"];

#[derive(Debug)]
pub(super) struct People;

macro_rules! filters {
    ($addresses:expr) => {
        &[
            ("ids", Kind::Id),
            ("updated_at", Kind::Time),
            ("created_at", Kind::Time),
            ("last_contacted", Kind::Time),
            ("email_addresses", $addresses),
            ("owned_by_guid", Kind::Text),
            ("owner_id", Kind::Id),
            ("person_stage_id", Kind::Id),
            ("crm_id", Kind::Text),
            ("do_not_contact", Kind::Flag),
            ("can_email", Kind::Flag),
            ("can_call", Kind::Flag),
            ("can_text", Kind::Flag),
            ("account_id", Kind::Id),
            ("custom_fields", Kind::Labels),
            ("job_seniority", Kind::Text),
            ("cadence_id", Kind::Id),
            ("replied", Kind::Flag),
            ("bounced", Kind::Flag),
            ("eu_resident", Kind::Flag),
            ("success", Kind::Flag),
            ("import_id", Kind::Id),
            ("locales", Kind::Text),
            ("owner_crm_id", Kind::Text),
            ("starred_by_guid", Kind::Text),
            ("title", Kind::Text),
            ("country", Kind::Text),
            ("state", Kind::Text),
            ("city", Kind::Text),
            ("new", Kind::Flag),
            ("phone_number", Kind::Flag),
        ]
    };
}

impl Resource for People {
    type Row<'t> = &'t Contact;

    const FILTERS: FilterList = filters!(Kind::Address);
    const SORTS: &'static [&'static str] = &[
        "updated_at",
        "created_at",
        "last_contacted_at",
        "name",
        "title",
        "job_seniority",
        "call_count",
        "sent_emails",
        "clicked_emails",
        "replied_emails",
        "viewed_emails",
        "account",
        "cadence_stage_name",
    ];

    fn rows<'t>(team: &'t Team, _: &Query) -> impl Iterator<Item = &'t Contact> {
        team.contacts.seen()
    }

    /// Somebody hidden is not found.
    fn find<'t>(team: &'t Team, id: &str) -> Option<&'t Contact> {
        let person = team.contacts.get(id);
        person.filter(|person| person.listed() && !team.contacts.is_hidden(id))
    }

    fn cached(team: &Team, id: &str) -> Option<Bytes> {
        Some(team.contacts.json_of(id))
    }

    fn filters(switches: &SalesloftSwitches) -> FilterList {
        const ALL_ADDRESSES: FilterList = filters!(Kind::AnyAddress);
        if switches.email_filter_matches_all {
            ALL_ADDRESSES
        } else {
            Self::FILTERS
        }
    }
}

impl<'t> Item<'t> for &'t Contact {
    fn id(self) -> &'t str {
        &self.id
    }

    fn value(self, name: &str) -> Value<'t> {
        let text = |text: Option<&'t str>| Value::text(text);
        if let Some(label) = name.strip_prefix("custom_fields[") {
            let label = label.strip_suffix(']').unwrap_or(label);
            let value = self.custom_fields.get(label).and_then(as_text);
            return value.map_or(Value::Null, |text| Value::Text(Cow::Owned(text)));
        }
        match name {
            "updated_at" => Value::Time(self.updated_at),
            "created_at" => Value::Time(self.created_at),
            "last_contacted" | "last_contacted_at" => Value::time(self.last_activity),
            "email_addresses" => text(primary(self)),
            "any email_addresses" => {
                let emails = self.emails.iter();
                let emails = emails.map(|email| Value::Text(Cow::Borrowed(&email.address)));
                Value::Many(emails.collect())
            }
            "owned_by_guid" => {
                let owner = self.owner_id.as_deref();
                owner.map_or(Value::Null, |id| Value::Text(Cow::Owned(guid(id))))
            }
            "owner_id" => Value::id(self.owner_id.as_deref()),
            "person_stage_id" | "cadence_stage_name" => Value::id(self.stage_id.as_deref()),
            "account_id" | "account" => Value::id(self.account_id.as_deref()),
            "cadence_id" => {
                let inside = self.states.iter().filter(|state| state.is_in());
                let ids = inside.map(|state| Value::id(Some(&state.sequence_id)));
                Value::Many(ids.collect())
            }
            "crm_id" => text(self.crm_id.as_deref()),
            "do_not_contact" => Value::Flag(self.unsubscribed == Some(true)),
            "can_email" => Value::Flag(may(self, "email")),
            "can_call" => Value::Flag(may(self, "call")),
            "can_text" => Value::Flag(may(self, "message")),
            "job_seniority" => Value::text(Some(seniority(self))),
            "replied" => Value::Flag(self.states.iter().any(has_replied)),
            "bounced" => Value::Flag(is_bouncing(self)),
            "eu_resident" => Value::Flag(lives_in_europe(self)),
            "success" => Value::Flag(false),
            "locales" => Value::text(native_text(self, "locale")),
            "owner_crm_id" => Value::text(native_text(self, name)),
            "new" => Value::Flag(self.states.is_empty() && self.last_activity.is_none()),
            "phone_number" => Value::Flag(!self.phones.is_empty()),
            "name" => Value::Text(Cow::Owned(self.name())),
            "title" => text(self.title.as_deref()),
            "country" => text(part(self, |location| &location.country)),
            "state" => text(part(self, |location| &location.state)),
            "city" => text(part(self, |location| &location.city)),
            "viewed_emails" | "sent_emails" => Value::Number(i64::from(self.opens)),
            "call_count" | "clicked_emails" | "replied_emails" => Value::Number(0),
            _ => Value::Null,
        }
    }

    fn write(self, record: &mut Record) {
        write_person(self, record);
        write_contact_data(self, record);
        write_place(self, record);
        write_natives(&self.custom_fields, &UNMODELED, record);
        write_engagement(self, record);
        write_references(self, record);
        record.raw("custom_fields", &labelled(&self.custom_fields));
    }
}

fn write_person(person: &Contact, record: &mut Record) {
    record
        .time("created_at", person.created_at)
        .time("updated_at", person.updated_at)
        .maybe_time("last_contacted_at", person.last_activity)
        .maybe("first_name", person.first_name.as_deref())
        .maybe("last_name", person.last_name.as_deref())
        .text("display_name", &person.name())
        .maybe("title", person.title.as_deref())
        .maybe("linkedin_url", person.linkedin_url.as_deref())
        .maybe("crm_id", person.crm_id.as_deref())
        .maybe("person_company_name", person.organization_name.as_deref());
}

fn write_contact_data(person: &Contact, record: &mut Record) {
    let email = primary(person);
    let full = email.map(|address| mailbox(&person.name(), address));
    record
        .maybe("email_address", email)
        .maybe("secondary_email_address", secondary(person))
        .maybe("personal_email_address", personal(person))
        .maybe("full_email_address", full.as_deref())
        .maybe("phone", phone(person, &WORK_PHONES))
        .maybe("home_phone", phone(person, &["home"]))
        .maybe("mobile_phone", phone(person, &["mobile"]))
        .flag("do_not_contact", person.unsubscribed == Some(true))
        .flag("bouncing", is_bouncing(person))
        .texts("contact_restrictions", &restrictions(person))
        .texts("tags", &person.label_ids);
}

fn write_place(person: &Contact, record: &mut Record) {
    record
        .maybe("city", part(person, |location| &location.city))
        .maybe("state", part(person, |location| &location.state))
        .maybe("country", part(person, |location| &location.country))
        .flag("eu_resident", lives_in_europe(person))
        .nulls(&["locale_utc_offset"]);
}

fn write_engagement(person: &Contact, record: &mut Record) {
    let replied = person.states.iter().find(|state| has_replied(state));
    let mut counts = Object::new();
    counts
        .number("emails_sent", person.opens)
        .number("emails_viewed", person.opens)
        .number("emails_clicked", 0)
        .number("emails_replied_to", usize::from(replied.is_some()))
        .number("emails_bounced", usize::from(is_bouncing(person)))
        .number("calls", 0);
    let contacted = person.last_activity.is_some();
    record
        .maybe_time("last_replied_at", replied.map(|state| state.changed_at))
        .maybe("last_contacted_type", contacted.then_some("email"))
        .nulls(&["success_count"])
        .flag("starred", false)
        .flag("untouched", !contacted)
        .flag("hot_lead", false)
        .raw("counts", &counts.finish());
}

fn write_references(person: &Contact, record: &mut Record) {
    let owner = person.owner_id.as_deref();
    let contacted = person.last_activity.is_some();
    let inside = person.states.iter().filter(|state| state.is_in());
    let inside: Vec<&str> = inside.map(|state| state.sequence_id.as_str()).collect();
    let latest = person.states.iter().max_by_key(|state| state.added_at);
    let latest = latest.map(|state| state.sequence_id.as_str());
    record
        .nulls(&["account_crm_id"])
        .refer("account", "accounts", person.account_id.as_deref())
        .refer("owner", "users", owner)
        .refer("last_contacted_by", "users", owner.filter(|_| contacted))
        .nulls(&[
            "import",
            "last_completed_step",
            "last_completed_step_cadence",
        ])
        .refer("person_stage", "person_stages", person.stage_id.as_deref())
        .refer("most_recent_cadence", "cadences", latest)
        .refer_many("cadences", "cadences", &inside);
}

/// The main address: the first that is neither secondary nor personal.
pub(super) fn primary(person: &Contact) -> Option<&str> {
    address(person, |email| email.kind.is_none())
}

pub(super) fn personal(person: &Contact) -> Option<&str> {
    address(person, |email| email.kind == Some("personal"))
}

pub(super) fn secondary(person: &Contact) -> Option<&str> {
    let named = address(person, |email| email.kind == Some("work"));
    let mut further = person.emails.iter().filter(|email| email.kind.is_none());
    named.or_else(|| further.nth(1).map(|email| email.address.as_str()))
}

fn address(person: &Contact, is: impl Fn(&Email) -> bool) -> Option<&str> {
    let email = person.emails.iter().find(|email| is(email));
    email.map(|email| email.address.as_str())
}

pub(super) fn phone<'t>(person: &'t Contact, kinds: &[&str]) -> Option<&'t str> {
    kinds.iter().find_map(|kind| {
        let phone = person.phones.iter().find(|phone| phone.kind == *kind);
        phone.map(|phone| phone.raw.as_str())
    })
}

fn part(person: &Contact, part: fn(&Location) -> &Option<Cow<'static, str>>) -> Option<&str> {
    person
        .location
        .as_ref()
        .and_then(|location| part(location).as_deref())
}

pub(super) fn is_bouncing(person: &Contact) -> bool {
    let bounced = |state: &State| {
        state
            .failure_reason
            .is_some_and(|why| why.contains("bounced"))
    };
    person.emails.iter().any(|email| email.bounced_at.is_some())
        || person.states.iter().any(bounced)
}

/// Whether a way of contact is not restricted.
pub(super) fn may(person: &Contact, way: &str) -> bool {
    person.unsubscribed != Some(true) && !restrictions(person).contains(&way)
}

/// The ways of contact that are not allowed: `call`, `email` and `message`.
fn restrictions(person: &Contact) -> Vec<&str> {
    let told = native(&person.custom_fields, "contact_restrictions").and_then(Json::as_array);
    match told {
        Some(ways) => ways.iter().filter_map(Json::as_str).collect(),
        None if person.call_opted_out == Some(true) => vec!["call"],
        None => Vec::new(),
    }
}

fn lives_in_europe(person: &Contact) -> bool {
    let told = native(&person.custom_fields, "eu_resident").and_then(Json::as_bool);
    if let Some(told) = told {
        return told;
    }
    part(person, |location| &location.country).is_some_and(|country| EUROPEAN.contains(&country))
}

fn seniority(person: &Contact) -> &str {
    native_text(person, "job_seniority").unwrap_or("unknown")
}

fn native_text<'t>(person: &'t Contact, name: &str) -> Option<&'t str> {
    native(&person.custom_fields, name).and_then(Json::as_str)
}
