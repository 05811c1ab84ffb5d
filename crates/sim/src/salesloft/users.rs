//! Users.

use std::borrow::Cow;

use bytes::Bytes;
use sha2::{Digest as _, Sha256};

use super::query::Query;
use super::record::Record;
use super::resource::{FilterList, Item, Kind, Resource, number};
use super::value::Value;
use crate::world::Team;
use crate::world::table::Row as _;
use crate::world::user::User;

#[derive(Debug)]
pub(super) struct Users;

impl Resource for Users {
    type Row<'t> = &'t User;

    const FILTERS: FilterList = &[
        ("ids", Kind::Id),
        ("guid", Kind::Text),
        ("group_id", Kind::Id),
        ("role_id", Kind::Text),
        ("search", Kind::Echo),
        ("active", Kind::Flag),
        ("visible_only", Kind::Echo),
        ("work_country", Kind::Text),
    ];
    const SORTS: &'static [&'static str] = &["id", "email", "name", "group", "role"];
    const WHOLE_WITHOUT_PAGE: bool = true;

    /// Unless `visible_only` is false, deactivated users are left out.
    fn rows<'t>(team: &'t Team, query: &Query) -> impl Iterator<Item = &'t User> {
        let everybody = matches!(query.text("visible_only"), Some("false" | "0"));
        let words = query.text("search").unwrap_or_default().to_lowercase();
        let words: Vec<String> = words.split_whitespace().map(str::to_owned).collect();
        let users = team.users.seen();
        users.filter(move |user| {
            (everybody || is_active(user)) && words.iter().all(|word| mentions(user, word))
        })
    }

    fn find<'t>(team: &'t Team, id: &str) -> Option<&'t User> {
        team.users.get(id).filter(|user| user.listed())
    }

    fn cached(team: &Team, id: &str) -> Option<Bytes> {
        Some(team.users.json_of(id))
    }
}

fn mentions(user: &User, word: &str) -> bool {
    let names = [user.first_name.as_deref(), user.last_name.as_deref()];
    let mut texts = names.into_iter().flatten().chain([user.email.as_str()]);
    texts.any(|text| text.to_lowercase().contains(word))
}

impl<'t> Item<'t> for &'t User {
    fn id(self) -> &'t str {
        &self.id
    }

    fn value(self, name: &str) -> Value<'t> {
        match name {
            "id" => Value::Number(number(&self.id)),
            "email" => Value::Text(Cow::Borrowed(&self.email)),
            "name" => Value::Text(Cow::Owned(self.name())),
            "guid" => Value::Text(Cow::Owned(guid(&self.id))),
            "role" | "role_id" => Value::text(Some(role(self))),
            "active" => Value::Flag(is_active(self)),
            _ => Value::Null,
        }
    }

    fn write(self, record: &mut Record) {
        let name = self.name();
        record
            .text("guid", &guid(&self.id))
            .time("created_at", self.created_at)
            .time("updated_at", self.updated_at)
            .text("name", &name)
            .maybe("first_name", self.first_name.as_deref())
            .maybe("last_name", self.last_name.as_deref())
            .maybe("job_role", self.title.as_deref())
            .flag("active", is_active(self))
            .text("time_zone", "US/Eastern")
            .number("locale_utc_offset", -300)
            .nulls(&["slack_username", "twitter_handle", "work_country"])
            .text("email", &self.email)
            .text("email_client_email_address", &self.email)
            .text("sending_email_address", &self.email)
            .text("from_address", &self.email)
            .text("full_email_address", &mailbox(&name, &self.email))
            .nulls(&["bcc_email_address"])
            .text("email_signature", "")
            .text("email_signature_type", "html")
            .flag("email_signature_click_tracking_disabled", false)
            .flag("team_admin", role(self) == "Admin")
            .flag("local_dial_enabled", false)
            .flag("click_to_call_enabled", false)
            .flag("email_client_configured", true)
            .flag("crm_connected", false)
            .text("seat_package", "premier")
            .raw("external_feature_flags", "{}")
            .raw("_private_fields", "{}")
            .nulls(&["phone_client", "phone_number_assignment", "group"])
            .raw(
                "team",
                &format!(r#"{{"id":{},"_href":"/v2/team"}}"#, self.team_id),
            )
            .raw("role", &format!(r#"{{"id":"{}"}}"#, role(self)));
    }
}

pub(super) fn is_active(user: &User) -> bool {
    !user.locked && !user.deleted
}

/// The managers are administrators.
fn role(user: &User) -> &'static str {
    match user.title.as_deref() {
        Some("Head of Sales" | "RevOps Manager") => "Admin",
        _ => "User",
    }
}

/// A user's second id, which some filters need.
pub(super) fn guid(id: &str) -> String {
    let digest = Sha256::digest(format!("user {id}").as_bytes());
    let digits = digest.iter().map(|byte| format!("{byte:02x}"));
    let digits: String = digits.collect();
    let part = |from: usize, to: usize| digits.get(from..to).unwrap_or_default();
    format!(
        "{}-{}-{}-{}-{}",
        part(0, 8),
        part(8, 12),
        part(12, 16),
        part(16, 20),
        part(20, 32)
    )
}

/// `"Tove Ask" <tove@nordvik.example>`
pub(super) fn mailbox(name: &str, address: &str) -> String {
    format!("\"{name}\" <{address}>")
}
