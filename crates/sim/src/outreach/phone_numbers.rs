//! Prospects' phone numbers as records.

use super::Call;
use super::body::{Document, invalid, text};
use super::email_addresses::change;
use super::list::written;
use super::prospects::Prospects;
use super::record::Record;
use super::refusal::{Answer, Refusal};
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

pub(super) fn create(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let document = Document::read(call, &PhoneNumbers::SCHEMA)?;
    let Some(prospect_id) = document.related::<Prospects>(call, "prospect")? else {
        return Err(Refusal::invalid("Prospect can't be blank"));
    };
    let mut phone = call.team.new_phone(call.now, "other", "");
    apply(call, &document, &mut phone)?;
    if phone.raw.is_empty() {
        let detail = "Number can't be blank";
        return Err(Refusal::invalid_at("/data/attributes/number", detail));
    }
    let id = phone.id.clone();
    change(call, &prospect_id, |contact| contact.phones.push(phone));
    written::<PhoneNumbers>(call, 201, &id)
}

pub(super) fn update(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let (prospect_id, mut phone) = found(call)?;
    let document = Document::read(call, &PhoneNumbers::SCHEMA)?;
    apply(call, &document, &mut phone)?;
    phone.updated_at = call.now;
    change(call, &prospect_id, |contact| {
        let mut phones = contact.phones.iter_mut();
        if let Some(known) = phones.find(|known| known.id == phone.id) {
            *known = phone;
        }
    });
    written::<PhoneNumbers>(call, 200, call.id)
}

pub(super) fn delete(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let (prospect_id, phone) = found(call)?;
    change(call, &prospect_id, |contact| {
        contact.phones.retain(|known| known.id != phone.id);
    });
    Ok(Answer::nothing())
}

fn found(call: &Call<'_>) -> Result<(String, Phone), Refusal> {
    let row = PhoneNumbers::find(call.team, call.id);
    let found = row.map(|row| (row.contact.id.clone(), row.phone.clone()));
    found.ok_or_else(|| Refusal::no_such_record("phoneNumber", call.id))
}

fn apply(call: &Call<'_>, document: &Document, phone: &mut Phone) -> Result<(), Refusal> {
    for (name, value) in document.attributes() {
        match name {
            "number" | "rawNumber" => phone.raw = text(name, value)?.unwrap_or_default(),
            "phoneType" => {
                phone.kind = match text(name, value)?.as_deref() {
                    Some("work") => "work_direct",
                    Some("mobile") => "mobile",
                    Some("home") => "home",
                    Some("voip") => "voip",
                    None | Some("other") => "other",
                    Some(_) => return Err(invalid(name)),
                };
            }
            "order" | "countryCode" | "extension" => {}
            other => document.refuse_unknown(call, other)?,
        }
    }
    Ok(())
}
