//! Prospects' phone numbers as records.

use super::record::Record;
use super::resource::{Item, Resource, Schema, fs, to};
use super::value::{Kind, Value};
use crate::world::Team;
use crate::world::contact::{Contact, Phone};

#[derive(Debug)]
pub(super) struct PhoneNumbers;

/// A number with its prospect and its index.
#[derive(Debug, Clone, Copy)]
pub(super) struct PhoneRow<'t> {
    contact: &'t Contact,
    phone: &'t Phone,
    order: usize,
}

impl Resource for PhoneNumbers {
    type Row<'t> = PhoneRow<'t>;

    const SCHEMA: Schema = Schema {
        kind: "phoneNumber",
        plural: "phoneNumbers",
        controller: "PhoneNumbers",
        fields: &[
            fs("number", Kind::Text),
            fs("phoneType", Kind::Text),
            fs("order", Kind::Number),
            fs("updatedAt", Kind::Time),
        ],
        relations: &[to("prospect", "prospect")],
    };

    fn rows(team: &Team) -> impl Iterator<Item = PhoneRow<'_>> {
        team.contacts.seen().flat_map(phones_of)
    }

    fn find<'t>(team: &'t Team, id: &str) -> Option<PhoneRow<'t>> {
        let mut phones = team.contacts.listed().flat_map(phones_of);
        phones.find(|row| row.phone.id == id)
    }
}

impl<'t> Item<'t> for PhoneRow<'t> {
    fn id(self) -> &'t str {
        &self.phone.id
    }

    fn value(self, name: &str) -> Value<'t> {
        match name {
            "number" => Value::Text(&self.phone.raw),
            "phoneType" => Value::Text(phone_type(self.phone)),
            "order" => Value::count(self.order),
            "updatedAt" => Value::Time(self.phone.updated_at),
            _ => Value::Null,
        }
    }

    fn related(self, name: &str) -> Vec<&'t str> {
        match name {
            "prospect" => vec![&self.contact.id],
            _ => Vec::new(),
        }
    }

    fn write(self, record: &mut Record<'_>) {
        let phone = self.phone;
        record
            .nulls(&["countryCode"])
            .time("createdAt", phone.created_at)
            .nulls(&["extension"])
            .text("number", &phone.raw)
            .number("order", self.order)
            .text("phoneType", phone_type(phone))
            .text("rawNumber", &phone.raw)
            .nulls(&["status", "statusChangedAt"])
            .time("updatedAt", phone.updated_at)
            .relate_one("prospect", "prospect", Some(&self.contact.id));
    }
}

fn phones_of(contact: &Contact) -> impl Iterator<Item = PhoneRow<'_>> {
    let phones = contact.phones.iter().enumerate();
    phones.map(move |(order, phone)| PhoneRow {
        contact,
        phone,
        order,
    })
}

fn phone_type(phone: &Phone) -> &'static str {
    match phone.kind {
        "work_direct" | "work_hq" => "work",
        other => other,
    }
}
