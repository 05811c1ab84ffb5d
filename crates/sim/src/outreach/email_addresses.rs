//! Prospects' e-mail addresses as records.

use super::Call;
use super::body::{Document, invalid, text};
use super::list::written;
use super::prospects::Prospects;
use super::prospects_write::refuse_taken;
use super::record::Record;
use super::refusal::{Answer, Refusal};
use super::resource::{Item, Resource, Schema, fs, to};
use super::value::{Kind, Value};
use crate::world::Team;
use crate::world::contact::{Contact, Email};

#[derive(Debug)]
pub(super) struct EmailAddresses;

/// An address with its prospect and its index.
#[derive(Debug, Clone, Copy)]
pub(super) struct EmailRow<'t> {
    contact: &'t Contact,
    email: &'t Email,
    order: usize,
}

impl Resource for EmailAddresses {
    type Row<'t> = EmailRow<'t>;

    const SCHEMA: Schema = Schema {
        kind: "emailAddress",
        plural: "emailAddresses",
        controller: "EmailAddresses",
        fields: &[
            fs("email", Kind::Address),
            fs("emailType", Kind::Text),
            fs("status", Kind::Text),
            fs("order", Kind::Number),
            fs("statusChangedAt", Kind::Time),
            fs("unsubscribedAt", Kind::Time),
            fs("updatedAt", Kind::Time),
        ],
        relations: &[to("prospect", "prospect")],
    };

    fn rows(team: &Team) -> impl Iterator<Item = EmailRow<'_>> {
        team.contacts.seen().flat_map(emails_of)
    }

    fn find<'t>(team: &'t Team, id: &str) -> Option<EmailRow<'t>> {
        let mut emails = team.contacts.listed().flat_map(emails_of);
        emails.find(|row| row.email.id == id)
    }
}

impl<'t> Item<'t> for EmailRow<'t> {
    fn id(self) -> &'t str {
        &self.email.id
    }

    fn value(self, name: &str) -> Value<'t> {
        let email = self.email;
        match name {
            "email" => Value::Text(&email.address),
            "emailType" => Value::text(email.kind),
            "status" => Value::text(email_status(email)),
            "order" => Value::count(self.order),
            "statusChangedAt" => Value::time(email.bounced_at.or(email.unsubscribed_at)),
            "unsubscribedAt" => Value::time(email.unsubscribed_at),
            "updatedAt" => Value::Time(email.updated_at),
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
        let email = self.email;
        record
            .time("createdAt", email.created_at)
            .text("email", &email.address)
            .maybe("emailType", email.kind)
            .number("order", self.order)
            .maybe("status", email_status(email))
            .maybe_time(
                "statusChangedAt",
                email.bounced_at.or(email.unsubscribed_at),
            )
            .maybe_time("unsubscribedAt", email.unsubscribed_at)
            .time("updatedAt", email.updated_at)
            .relate_one("prospect", "prospect", Some(&self.contact.id));
    }
}

fn emails_of(contact: &Contact) -> impl Iterator<Item = EmailRow<'_>> {
    let emails = contact.emails.iter().enumerate();
    emails.map(move |(order, email)| EmailRow {
        contact,
        email,
        order,
    })
}

pub(super) fn email_status(email: &Email) -> Option<&'static str> {
    if email.bounced_at.is_some() {
        Some("bounced")
    } else if email.unsubscribed_at.is_some() {
        Some("unsubscribed")
    } else {
        None
    }
}

pub(super) fn create(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let document = Document::read(call, &EmailAddresses::SCHEMA)?;
    let Some(prospect_id) = document.related::<Prospects>(call, "prospect")? else {
        return Err(Refusal::invalid("Prospect can't be blank"));
    };
    let address = document.attribute("email");
    let Some(address) = address
        .map(|value| text("email", value))
        .transpose()?
        .flatten()
    else {
        return Err(Refusal::invalid_at(
            "/data/attributes/email",
            "Email can't be blank",
        ));
    };
    refuse_taken(call.team, "", &address)?;
    let mut email = call.team.new_email(call.now, &address);
    let order = apply(call, &document, &mut email)?;
    let id = email.id.clone();
    change(call, &prospect_id, |contact| {
        let order = order.unwrap_or(usize::MAX).min(contact.emails.len());
        contact.emails.insert(order, email);
    });
    written::<EmailAddresses>(call, 201, &id)
}

pub(super) fn update(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let (prospect_id, mut email) = found(call)?;
    let document = Document::read(call, &EmailAddresses::SCHEMA)?;
    let before = email.clone();
    let order = apply(call, &document, &mut email)?;
    if email.address != before.address {
        refuse_taken(call.team, &prospect_id, &email.address)?;
    }
    email.updated_at = call.now;
    change(call, &prospect_id, |contact| {
        let emails = &mut contact.emails;
        let at = emails.iter().position(|known| known.id == email.id);
        if let Some(at) = at {
            emails.remove(at);
            let order = order.unwrap_or(at).min(emails.len());
            emails.insert(order, email);
        }
    });
    written::<EmailAddresses>(call, 200, call.id)
}

pub(super) fn delete(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let (prospect_id, email) = found(call)?;
    change(call, &prospect_id, |contact| {
        contact.emails.retain(|known| known.id != email.id);
    });
    Ok(Answer::nothing())
}

fn found(call: &Call<'_>) -> Result<(String, Email), Refusal> {
    let row = EmailAddresses::find(call.team, call.id);
    let found = row.map(|row| (row.contact.id.clone(), row.email.clone()));
    found.ok_or_else(|| Refusal::no_such_record("emailAddress", call.id))
}

/// Applies the attributes, and returns `order` if it is among them.
fn apply(
    call: &Call<'_>,
    document: &Document,
    email: &mut Email,
) -> Result<Option<usize>, Refusal> {
    let mut order = None;
    for (name, value) in document.attributes() {
        match name {
            "email" => email.address = text(name, value)?.unwrap_or_default(),
            "emailType" => {
                email.kind = match text(name, value)?.as_deref() {
                    None => None,
                    Some("work") => Some("work"),
                    Some("personal") => Some("personal"),
                    Some(_) => return Err(invalid(name)),
                };
            }
            "order" => order = value.as_u64().and_then(|order| usize::try_from(order).ok()),
            "status" => {}
            other => document.refuse_unknown(call, other)?,
        }
    }
    Ok(order)
}

/// Changes an address or number of a prospect.
pub(super) fn change(call: &mut Call<'_>, prospect_id: &str, edit: impl FnOnce(&mut Contact)) {
    let touches = call.team.org.switches.parts_touch_prospect;
    let now = call.now;
    call.team.contacts.edit(prospect_id, |contact| {
        edit(contact);
        if touches {
            contact.updated_at = now;
        }
    });
}
