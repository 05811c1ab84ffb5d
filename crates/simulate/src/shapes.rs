//! Records of Apollo with a value of the wrong type in a field, and what is stored for such a field.
//!
//! Flags that say that a record is deleted or archived are not changed: they decide a row's
//! presence, and have no value for unknown. The statistics of sequences are not changed either:
//! while they are recomputed, the stored ones are shown.

use serde_json::{Value, json};
use syncline_model::Object;
use syncline_sim::Team;

use crate::{dice::Dice, world::World};

/// A field of the provider's records that is in the common model.
#[derive(Debug)]
pub(crate) struct Field {
    /// The provider's name for it, which is also in `fields_unread`.
    pub(crate) theirs: &'static str,
    /// The SQL condition of a row in which it is unknown.
    pub(crate) unknown: &'static str,
    kind: Kind,
}

/// The type of a readable value.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Single,
    List,
    Object,
}

/// A live record with an unreadable field.
pub(crate) struct Misshapen {
    /// The id of its row.
    pub(crate) id: String,
    /// The id of the record that contains it in a search.
    pub(crate) shown_as: String,
    pub(crate) field: &'static Field,
}

const STATES: &str = "/contact_campaign_statuses/";

const fn one(theirs: &'static str, unknown: &'static str) -> Field {
    Field {
        theirs,
        unknown,
        kind: Kind::Single,
    }
}

const fn list(theirs: &'static str, unknown: &'static str) -> Field {
    Field {
        theirs,
        unknown,
        kind: Kind::List,
    }
}

const USER: &[Field] = &[
    one("first_name", "first_name IS NULL"),
    one("last_name", "last_name IS NULL"),
    one("email", "email IS NULL"),
    one("created_at", "created_at IS NULL"),
];

const MAILBOX: &[Field] = &[
    one("email", "email IS NULL"),
    one("user_id", "user_id IS NULL"),
    one("active", "is_disabled IS NULL"),
    one("created_at", "created_at IS NULL"),
    one("last_synced_at", "updated_at IS NULL"),
];

const SEQUENCE: &[Field] = &[
    one("user_id", "owner_id IS NULL"),
    one("name", "name IS NULL"),
    one("active", "NOT is_enabled"),
    one("created_at", "created_at IS NULL"),
    list("label_ids", "json_array_length(tags) = 0"),
    one("num_steps", "num_steps = 0"),
    Field {
        theirs: "sharing_permission",
        unknown: "share_type = 'team'",
        kind: Kind::Object,
    },
];

const ACCOUNT: &[Field] = &[
    one("owner_id", "owner_id IS NULL"),
    one("name", "name IS NULL"),
    one("domain", "domain IS NULL"),
    one("created_at", "created_at IS NULL"),
];

const CONTACT: &[Field] = &[
    one("owner_id", "owner_id IS NULL"),
    one("account_id", "account_id IS NULL"),
    one("first_name", "first_name IS NULL"),
    one("last_name", "last_name IS NULL"),
    one("title", "job_title IS NULL"),
    one("street_address", "address ->> 'street_1' IS NULL"),
    one("city", "address ->> 'city' IS NULL"),
    one("state", "address ->> 'state' IS NULL"),
    one("postal_code", "address ->> 'postal_code' IS NULL"),
    one("country", "address ->> 'country' IS NULL"),
    one(
        "email",
        "NOT EXISTS (SELECT 1 FROM json_each(email_addresses)
                     WHERE value ->> 'email_address_type' = 'primary')",
    ),
    list(
        "contact_emails",
        "NOT EXISTS (SELECT 1 FROM json_each(email_addresses)
                     WHERE value ->> 'email_address_type' IS NULL)",
    ),
    list("phone_numbers", "json_array_length(phone_numbers) = 0"),
    one("created_at", "created_at IS NULL"),
    one("updated_at", "updated_at IS NULL"),
];

const STATE: &[Field] = &[
    one("status", "state IS NULL"),
    one("send_email_from_email_account_id", "mailbox_id IS NULL"),
    one("added_by_user_id", "user_id IS NULL"),
    one("emailer_campaign_id", "sequence_id IS NULL"),
    one("added_at", "created_at IS NULL"),
];

fn fields_of(object: Object) -> &'static [Field] {
    match object {
        Object::User => USER,
        Object::Mailbox => MAILBOX,
        Object::Sequence => SEQUENCE,
        Object::Account => ACCOUNT,
        Object::Contact => CONTACT,
        Object::SequenceState => STATE,
    }
}

/// Puts a value of the wrong type into a field of some record; returns whether there was one.
pub(crate) fn misshape(world: &World, dice: &mut Dice, team: usize, object: Object) -> bool {
    if !world.misshapes_records {
        return false;
    }
    let carrier = carrier_of(object);
    let live = world.read(team, |team| {
        let mut live = team.live_ids(carrier.as_str());
        live.retain(|id| object == carrier || !team.state_ids_of(id).is_empty());
        // Syncline treats archived sequences as deleted.
        let archived = team.sequences().into_iter();
        let archived: Vec<Value> = archived.filter(|it| it["archived"] == true).collect();
        live.retain(|id| archived.iter().all(|it| it["id"] != id.as_str()));
        live
    });
    let fields = fields_of(object);
    let field = &fields[dice.below(fields.len())];
    let value = value(dice, field);
    let Some(id) = dice.pick(&live) else {
        return false;
    };
    let states = world.read(team, |team| team.state_ids_of(id).len());
    let place = if object == carrier {
        format!("/{}", field.theirs)
    } else {
        format!("{STATES}{}/{}", dice.below(states), field.theirs)
    };
    world.edit(team, |team, _| {
        team.misshape(carrier.as_str(), id, &place, value)
    })
}

/// A value that can't be read there.
fn value(dice: &mut Dice, field: &Field) -> Value {
    let object = json!({"unreadable": [7]});
    let (one, other) = match field.kind {
        Kind::Single => (object, json!([7])),
        Kind::List => (object, json!(7)),
        Kind::Object => (json!([7]), json!(7)),
    };
    if dice.chance(5_000) { one } else { other }
}

/// The object in whose pages Apollo shows an object's records.
fn carrier_of(object: Object) -> Object {
    match object {
        Object::SequenceState => Object::Contact,
        other => other,
    }
}

/// An object's live records that have an unreadable field.
pub(crate) fn misshapen(team: &Team, object: Object) -> Vec<Misshapen> {
    let carrier = carrier_of(object);
    let all = team.misshapen(carrier.as_str()).into_iter();
    all.filter_map(|(carrier_id, place)| {
        let name = match place.strip_prefix(STATES) {
            Some(rest) if object != carrier => rest.split_once('/')?.1,
            None if object == carrier => place.strip_prefix('/')?,
            _ => return None,
        };
        let field = fields_of(object).iter().find(|it| it.theirs == name)?;
        let id = match place.strip_prefix(STATES) {
            None => carrier_id.clone(),
            Some(rest) => {
                let number: usize = rest.split_once('/')?.0.parse().ok()?;
                let state = team.state_ids_of(&carrier_id).get(number)?.clone();
                format!("{carrier_id}.{state}")
            }
        };
        Some(Misshapen {
            id,
            shown_as: carrier_id,
            field,
        })
    })
    .collect()
}
