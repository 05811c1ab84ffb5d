//! Mailboxes.

use bytes::Bytes;

use super::record::Record;
use super::resource::{Item, Resource, Schema, fs, number, to};
use super::value::{Kind, Value};
use crate::world::Team;
use crate::world::mailbox::Mailbox;
use crate::world::table::Row as _;

#[derive(Debug)]
pub(super) struct Mailboxes;

impl Resource for Mailboxes {
    type Row<'t> = &'t Mailbox;

    const SCHEMA: Schema = Schema {
        kind: "mailbox",
        plural: "mailboxes",
        controller: "Mailboxes",
        fields: &[
            fs("email", Kind::Address),
            fs("userId", Kind::Number),
            fs("createdAt", Kind::Time),
            fs("updatedAt", Kind::Time),
        ],
        relations: &[to("user", "user")],
    };

    fn rows(team: &Team) -> impl Iterator<Item = &Mailbox> {
        team.mailboxes.seen()
    }

    fn find<'t>(team: &'t Team, id: &str) -> Option<&'t Mailbox> {
        team.mailboxes.get(id).filter(|mailbox| mailbox.listed())
    }

    fn cached(team: &Team, id: &str) -> Option<Bytes> {
        Some(team.mailboxes.json_of(id))
    }
}

impl<'t> Item<'t> for &'t Mailbox {
    fn id(self) -> &'t str {
        &self.id
    }

    fn value(self, name: &str) -> Value<'t> {
        match name {
            "email" => Value::Text(&self.email),
            "userId" => Value::Number(number(&self.user_id)),
            "createdAt" => Value::Time(self.created_at),
            "updatedAt" => Value::Time(self.updated_at),
            _ => Value::Null,
        }
    }

    fn related(self, name: &str) -> Vec<&'t str> {
        match name {
            "user" => vec![&self.user_id],
            _ => Vec::new(),
        }
    }

    fn write(self, record: &mut Record<'_>) {
        let (send_method, provider) = match self.kind.0 {
            "gmail" => ("gmail_api", "google"),
            "office365" => ("ews", "office365"),
            _ => ("smtp", "other"),
        };
        record
            .nulls(&["authId"])
            .time("createdAt", self.created_at)
            .nulls(&["deleteQueuedAt"])
            .flag("editable", true)
            .text("email", &self.email)
            .text("emailProvider", provider)
            .text("emailSignature", &self.signature)
            .number("maxEmailsPerDay", 5_000)
            .number("maxMailingsPerDay", self.daily_threshold)
            .number("maxMailingsPerWeek", 5_000)
            .nulls(&[
                "optOutMessage",
                "optOutSignature",
                "prospectEmailExclusions",
            ])
            .text("providerType", provider)
            .flag("sendDisabled", !self.active)
            .maybe_time("sendErroredAt", self.revoked_at)
            .text("sendMethod", send_method)
            .maybe_time("sendSuccessAt", self.last_synced_at)
            .nulls(&["syncErroredAt"])
            .maybe_time("syncFinishedAt", self.last_synced_at)
            .maybe_time("syncSuccessAt", self.last_synced_at)
            .time("updatedAt", self.updated_at)
            .number("userId", number(&self.user_id))
            .text("username", &self.email)
            .relate_one("creator", "user", Some(&self.user_id))
            .relate_one("updater", "user", None)
            .relate_one("user", "user", Some(&self.user_id))
            .links_to(&[("mailAliases", "mailAliases"), ("mailings", "mailings")]);
    }
}
