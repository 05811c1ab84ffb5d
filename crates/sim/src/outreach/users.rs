//! Users.

use bytes::Bytes;

use super::record::Record;
use super::resource::{Item, Resource, Schema, fs};
use super::value::{Kind, Value};
use crate::world::Team;
use crate::world::table::Row as _;
use crate::world::user::User;

#[derive(Debug)]
pub(super) struct Users;

impl Resource for Users {
    type Row<'t> = &'t User;

    const SCHEMA: Schema = Schema {
        kind: "user",
        plural: "users",
        controller: "Users",
        fields: &[
            fs("email", Kind::Address),
            fs("username", Kind::Address),
            fs("firstName", Kind::Text),
            fs("lastName", Kind::Text),
            fs("locked", Kind::Flag),
            fs("currentSignInAt", Kind::Time),
            fs("createdAt", Kind::Time),
            fs("updatedAt", Kind::Time),
        ],
        relations: &[],
    };

    fn rows(team: &Team) -> impl Iterator<Item = &User> {
        team.users.seen()
    }

    fn find<'t>(team: &'t Team, id: &str) -> Option<&'t User> {
        team.users.get(id).filter(|user| user.listed())
    }

    fn cached(team: &Team, id: &str) -> Option<Bytes> {
        Some(team.users.json_of(id))
    }
}

impl<'t> Item<'t> for &'t User {
    fn id(self) -> &'t str {
        &self.id
    }

    fn value(self, name: &str) -> Value<'t> {
        match name {
            "email" | "username" => Value::Text(&self.email),
            "firstName" => Value::text(self.first_name.as_deref()),
            "lastName" => Value::text(self.last_name.as_deref()),
            "locked" => Value::Flag(is_locked(self)),
            "currentSignInAt" => Value::time(self.signed_in_at),
            "createdAt" => Value::Time(self.created_at),
            "updatedAt" => Value::Time(self.updated_at),
            _ => Value::Null,
        }
    }

    fn related(self, _: &str) -> Vec<&'t str> {
        Vec::new()
    }

    fn write(self, record: &mut Record<'_>) {
        record
            .time("createdAt", self.created_at)
            .maybe_time("currentSignInAt", self.signed_in_at)
            .nulls(&["defaultRulesetId"])
            .raw("duties", "[]")
            .text("email", &self.email)
            .maybe("firstName", self.first_name.as_deref())
            .maybe("lastName", self.last_name.as_deref())
            .maybe_time("lastSignInAt", self.signed_in_at)
            .flag("locked", is_locked(self))
            .text("name", &self.name())
            .nulls(&[
                "passwordExpiresAt",
                "phoneCountryCode",
                "phoneNumber",
                "phoneType",
                "scimExternalId",
                "scimSource",
            ])
            .maybe("title", self.title.as_deref())
            .time("updatedAt", self.updated_at)
            .text("userGuid", &self.assistant_id)
            .text("username", &self.email)
            .relate_one("profile", "profile", None)
            .relate_one("role", "role", None)
            .links_to(&[("mailboxes", "mailboxes")]);
    }
}

/// Whether the user is locked.
pub(super) fn is_locked(user: &User) -> bool {
    user.locked || user.deleted
}
