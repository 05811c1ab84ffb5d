//! Reading of prospects. Writing is in [`prospects_write`](super::prospects_write).

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::LazyLock;

use bytes::Bytes;
use serde_json::Value as Json;
use sha2::{Digest as _, Sha256};

use super::email_addresses::email_status;
use super::record::{Record, timestamp};
use super::resource::{Item, Resource, Schema, f, fs, to, to_by};
use super::sequence_states::{is_open, word};
use super::value::{Kind, Value};
use crate::json::Object;
use crate::world::Team;
use crate::world::contact::{Contact, Email};
use crate::world::location::Location;
use crate::world::table::Row as _;

/// The attributes with phone numbers, each with the world's kinds of number.
pub(super) const PHONE_LISTS: [(&str, &[&str]); 5] = [
    ("homePhones", &["home"]),
    ("mobilePhones", &["mobile"]),
    ("otherPhones", &["other"]),
    ("voipPhones", &["voip"]),
    ("workPhones", &["work_direct", "work_hq"]),
];

/// Writable attributes that the world does not model; they are stored as written.
#[rustfmt::skip]
pub(super) const UNMODELED: [&str; 49] = [
    "addedAt", "addressStreet2", "angelListUrl", "availableAt", "callsOptStatus", "campaignName", "dateOfBirth",
    "degree", "emailsOptStatus", "eventName", "externalId", "externalOwner", "facebookUrl", "gender",
    "githubUrl", "githubUsername", "googlePlusUrl", "graduationDate", "jobStartDate", "linkedInConnections",
    "linkedInId", "linkedInSlug", "middleName", "nickname", "occupation", "personalNote1", "personalNote2",
    "preferredContact", "quoraUrl", "region", "school", "score", "sharingTeamId", "specialties",
    "stackOverflowId", "stackOverflowUrl", "timeZoneIana", "timeZoneInferred", "twitterUrl", "twitterUsername",
    "websiteUrl1", "websiteUrl2", "websiteUrl3", "smsOptStatus", "smsOptedAt", "smsOptedOut", "callsOptedAt",
    "emailsOptedAt", "optedOutAt",
];

/// The number of custom fields: `custom1`, `custom2`, …
pub(super) const CUSTOM_FIELDS: usize = 150;

#[derive(Debug)]
pub(super) struct Prospects;

impl Resource for Prospects {
    type Row<'t> = &'t Contact;

    const SCHEMA: Schema = Schema {
        kind: "prospect",
        plural: "prospects",
        controller: "Prospects",
        fields: &[
            f("emails", Kind::Address),
            fs("firstName", Kind::Text),
            fs("lastName", Kind::Text),
            fs("title", Kind::Text),
            fs("externalSource", Kind::Text),
            fs("engagedScore", Kind::Number),
            f("timeZone", Kind::Text),
            fs("createdAt", Kind::Time),
            fs("engagedAt", Kind::Time),
            fs("touchedAt", Kind::Time),
            fs("updatedAt", Kind::Time),
        ],
        relations: &[
            to_by(
                "account",
                "account",
                &["id", "customId", "name", "named", "updatedAt"],
            ),
            to("owner", "user"),
            to_by("stage", "stage", &["id", "name"]),
            to_by("activeSequenceStates", "sequenceState", &["id", "state"]),
            to_by("sequenceStates", "sequenceState", &["id", "state"]),
            to("emailAddresses", "emailAddress"),
            to("phoneNumbers", "phoneNumber"),
        ],
    };

    fn rows(team: &Team) -> impl Iterator<Item = &Contact> {
        let trashed_too = team.org.switches.trashed_listed;
        let contacts = team.contacts.seen();
        contacts.filter(move |contact| trashed_too || contact.trashed_at.is_none())
    }

    fn find<'t>(team: &'t Team, id: &str) -> Option<&'t Contact> {
        team.contacts.get(id).filter(|contact| contact.listed())
    }

    fn cached(team: &Team, id: &str) -> Option<Bytes> {
        Some(team.contacts.json_of(id))
    }

    fn hidden(team: &Team, id: &str) -> bool {
        team.contacts.is_hidden(id)
    }
}

impl<'t> Item<'t> for &'t Contact {
    fn id(self) -> &'t str {
        &self.id
    }

    fn value(self, name: &str) -> Value<'t> {
        match name {
            "emails" => {
                let emails = self.emails.iter();
                Value::Texts(emails.map(|email| email.address.as_str()).collect())
            }
            "firstName" => Value::text(self.first_name.as_deref()),
            "lastName" => Value::text(self.last_name.as_deref()),
            "title" => Value::text(self.title.as_deref()),
            "externalSource" => Value::Text(external_source(self)),
            "engagedScore" => Value::Number(i64::from(self.opens)),
            "timeZone" => {
                let location = self.location.as_ref();
                Value::text(location.and_then(|location| location.time_zone))
            }
            "createdAt" => Value::Time(self.created_at),
            "engagedAt" | "touchedAt" => Value::time(self.last_activity),
            "updatedAt" => Value::Time(self.updated_at),
            _ => Value::Null,
        }
    }

    fn related(self, name: &str) -> Vec<&'t str> {
        let states = self.states.iter();
        match name {
            "account" => self.account_id.as_deref().into_iter().collect(),
            "owner" => self.owner_id.as_deref().into_iter().collect(),
            "stage" => self.stage_id.as_deref().into_iter().collect(),
            "activeSequenceStates" => states
                .filter(|state| is_open(state))
                .map(|state| state.id.as_str())
                .collect(),
            "sequenceStates" => states.map(|state| state.id.as_str()).collect(),
            "emailAddresses" => self.emails.iter().map(|email| email.id.as_str()).collect(),
            "phoneNumbers" => self.phones.iter().map(|phone| phone.id.as_str()).collect(),
            _ => Vec::new(),
        }
    }

    /// Without this, each state would be searched for in all prospects.
    fn related_values(self, relation: &str, attribute: &str) -> Option<Vec<Value<'t>>> {
        let open_only = match (relation, attribute) {
            ("activeSequenceStates", "state") => true,
            ("sequenceStates", "state") => false,
            _ => return None,
        };
        let states = self.states.iter();
        let states = states.filter(|state| !open_only || is_open(state));
        Some(states.map(|state| Value::Text(word(state))).collect())
    }

    fn write(self, record: &mut Record<'_>) {
        write_address(self, record);
        write_engagement(self, record);
        write_person(self, record);
        for (list, kinds) in PHONE_LISTS {
            let phones = self.phones.iter();
            let phones = phones.filter(|phone| kinds.contains(&phone.kind));
            let phones: Vec<&str> = phones.map(|phone| phone.raw.as_str()).collect();
            record.texts(list, &phones);
        }
        write_extras(&self.custom_fields, &UNMODELED, record);
        write_custom_fields(&self.custom_fields, record);
        write_relationships(self, record);
    }
}

fn write_address(contact: &Contact, record: &mut Record<'_>) {
    let location = contact.location.as_ref();
    let part = |part: fn(&Location) -> &Option<Cow<'static, str>>| {
        location.and_then(|location| part(location).as_deref())
    };
    record
        .maybe("addressCity", part(|location| &location.city))
        .maybe("addressCountry", part(|location| &location.country))
        .maybe("addressState", part(|location| &location.state))
        .maybe("addressStreet", part(|location| &location.street))
        .maybe("addressZip", part(|location| &location.postal_code))
        .maybe("timeZone", location.and_then(|location| location.time_zone));
}

fn write_engagement(contact: &Contact, record: &mut Record<'_>) {
    let opted_out = contact.unsubscribed == Some(true);
    record
        .flag("callOptedOut", contact.call_opted_out == Some(true))
        .number("clickCount", 0);
    if record.style().histogram {
        record.raw("contactHistogram", "[]");
    }
    record
        .flag("emailOptedOut", opted_out)
        .maybe_time("engagedAt", contact.last_activity)
        .number("engagedScore", contact.opens)
        .number("openCount", contact.opens)
        .flag("optedOut", opted_out)
        .number("replyCount", 0)
        .maybe_time("touchedAt", contact.last_activity);
}

fn write_person(contact: &Contact, record: &mut Record<'_>) {
    let emails: Vec<&str> = contact
        .emails
        .iter()
        .map(|email| email.address.as_str())
        .collect();
    let contacts = contact.emails.iter().enumerate();
    let contacts: Vec<String> = contacts
        .map(|(order, email)| email_contact(&contact.id, order, email))
        .collect();
    let account = contact.account.as_deref();
    let company = account.map(|account| account.name.as_str());
    let company = company.or(contact.organization_name.as_deref());
    record
        .maybe("accountName", account.map(|account| account.name.as_str()))
        .maybe("company", company)
        .time("createdAt", contact.created_at)
        .raw("emailContacts", &format!("[{}]", contacts.join(",")))
        .texts("emails", &emails)
        .text("externalSource", external_source(contact))
        .maybe("firstName", contact.first_name.as_deref())
        .maybe("lastName", contact.last_name.as_deref())
        .maybe("linkedInUrl", contact.linkedin_url.as_deref())
        .text("name", &contact.name())
        .maybe("source", contact.crm_id.as_ref().map(|_| "crm"))
        .texts("tags", &contact.label_ids)
        .maybe("title", contact.title.as_deref())
        .maybe_time("trashedAt", contact.trashed_at)
        .nulls(&["trashedByAccount"])
        .time("updatedAt", contact.updated_at);
}

fn write_relationships(contact: &Contact, record: &mut Record<'_>) {
    record
        .relate_one("account", "account", contact.account_id.as_deref())
        .relate_one("creator", "user", contact.creator_id.as_deref())
        .relate_one("defaultPluginMapping", "pluginMapping", None)
        .relate_one("owner", "user", contact.owner_id.as_deref())
        .relate_one("persona", "persona", None)
        .relate_one("stage", "stage", contact.stage_id.as_deref())
        .relate_one("updater", "user", None);
    for (name, kind, plural) in [
        ("activeSequenceStates", "sequenceState", "sequenceStates"),
        ("emailAddresses", "emailAddress", "emailAddresses"),
        ("phoneNumbers", "phoneNumber", "phoneNumbers"),
    ] {
        record.relate_many(name, kind, &contact.related(name), plural);
    }
    record.links_to(&[
        ("batches", "batches"),
        ("calls", "calls"),
        ("mailings", "mailings"),
        ("sequenceStates", "sequenceStates"),
        ("tasks", "tasks"),
    ]);
}

/// An element of `emailContacts`, whose keys are in snake case.
fn email_contact(prospect_id: &str, order: usize, email: &Email) -> String {
    let hash = |text: &str| {
        let digest = Sha256::digest(text.to_lowercase().as_bytes());
        let digits = digest.iter().take(8).map(|byte| format!("{byte:02x}"));
        digits.collect::<String>()
    };
    let domain = email
        .address
        .split_once('@')
        .map_or("", |(_, domain)| domain);
    let time = |at: Option<chrono::DateTime<chrono::Utc>>| at.map(timestamp);
    let status_changed = email.bounced_at.or(email.unsubscribed_at);
    let mut o = Object::with_capacity(512);
    o.raw("id", &email.id)
        .raw("prospect_id", prospect_id)
        .text("email", &email.address)
        .text("email_hash", &hash(&email.address))
        .text("domain_hash", &hash(domain))
        .maybe("status", email_status(email))
        .maybe("status_changed_at", time(status_changed).as_deref())
        .maybe("email_type", email.kind)
        .number("order", order)
        .maybe("bounced_at", time(email.bounced_at).as_deref())
        .maybe("unsubscribed_at", time(email.unsubscribed_at).as_deref())
        .text("created_at", &timestamp(email.created_at))
        .text("updated_at", &timestamp(email.updated_at));
    o.finish()
}

fn external_source(contact: &Contact) -> &'static str {
    match contact.source {
        "api" => "outreach-api",
        other => other,
    }
}

/// Renders attributes that the world does not model.
pub(super) fn write_extras(
    extras: &BTreeMap<String, Json>,
    names: &[&str],
    record: &mut Record<'_>,
) {
    for name in names {
        match extras.get(*name) {
            Some(value) => record.raw(name, &value.to_string()),
            None => record.raw(name, "null"),
        };
    }
}

/// Renders all custom fields, as text.
pub(super) fn write_custom_fields(fields: &BTreeMap<String, Json>, record: &mut Record<'_>) {
    /// Each name with its member for null, the most frequent value.
    static MISSING: LazyLock<Vec<(String, String)>> = LazyLock::new(|| {
        let names = (1..=CUSTOM_FIELDS).map(|n| format!("custom{n}"));
        names
            .map(|name| {
                let member = format!("\"{name}\":null");
                (name, member)
            })
            .collect()
    });
    for (name, member) in MISSING.iter() {
        let text = fields.get(name).and_then(as_text);
        match text {
            Some(text) => record.text(name, &text),
            None => record.member(name, member),
        };
    }
}

/// A custom field as text, whatever its type.
fn as_text(value: &Json) -> Option<String> {
    match value {
        Json::Null => None,
        Json::String(text) => Some(text.clone()),
        Json::Array(items) => {
            let texts = items.iter().filter_map(Json::as_str);
            Some(texts.collect::<Vec<_>>().join(", "))
        }
        other => Some(other.to_string()),
    }
}
