//! Prospects' e-mail addresses as records.

use super::record::Record;
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
