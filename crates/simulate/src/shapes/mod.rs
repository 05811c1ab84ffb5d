//! Records with a value of the wrong type in a field, and what is stored for such a field. The fields of
//! each provider have a file of their own.
//!
//! Flags that say that a record is deleted or archived are not changed: they decide a row's
//! presence, and have no value for unknown. Apollo's statistics of sequences are not changed either:
//! while they are recomputed, the stored ones are shown.

pub(crate) mod apollo;
pub(crate) mod outreach;
pub(crate) mod salesloft;

use serde_json::{Value, json};
use syncline_model::Object;
use syncline_sim::Team;

use crate::{check::marked, dice::Dice, provider::SimulatedProvider, world::World};

/// A field of the provider's records that is in the common model.
#[derive(Debug)]
pub(crate) struct Field {
    /// The provider's name for it with that of the objects around it, as in `fields_unread`.
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
    /// The id of the record that it is hidden with: a state goes with its contact.
    pub(crate) shown_as: String,
    pub(crate) field: &'static Field,
}

/// Where Apollo's contacts have their states.
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

const fn nested(theirs: &'static str, unknown: &'static str) -> Field {
    Field {
        theirs,
        unknown,
        kind: Kind::Object,
    }
}

/// Puts a value of the wrong type into a field of some record; returns whether there was one.
pub(crate) fn misshape(world: &World, dice: &mut Dice, team: usize, object: Object) -> bool {
    let fields = (world.provider.fields)(object);
    if !world.misshapes_records || fields.is_empty() {
        return false;
    }
    let carrier = world.provider.carrier_of(object);
    let owner = owner_of(object);
    let live = world.read(team, |team| {
        let mut live = team.live_ids(owner.as_str());
        live.retain(|id| object == owner || !team.state_ids_of(id).is_empty());
        let marked = marked(team, owner);
        live.retain(|id| !marked.contains(id));
        live
    });
    let field = &fields[dice.below(fields.len())];
    let value = value(dice, field);
    let Some(id) = dice.pick(&live) else {
        return false;
    };
    let pointer = format!("/{}", field.theirs.replace('.', "/"));
    if object == owner {
        return world.edit(team, |team, _| {
            team.misshape(object.as_str(), id, &pointer, value)
        });
    }
    let states = world.read(team, |team| team.state_ids_of(id));
    let number = dice.below(states.len());
    let (id, pointer) = if carrier == object {
        (states[number].clone(), pointer)
    } else {
        (id.clone(), format!("{STATES}{number}{pointer}"))
    };
    world.edit(team, |team, _| {
        team.misshape(carrier.as_str(), &id, &pointer, value)
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

/// The object of the records that an object's records belong to.
fn owner_of(object: Object) -> Object {
    match object {
        Object::SequenceState => Object::Contact,
        other => other,
    }
}

/// An object's live records that have an unreadable field.
pub(crate) fn misshapen(
    provider: &SimulatedProvider,
    team: &Team,
    object: Object,
) -> Vec<Misshapen> {
    let named = |name: &str| {
        (provider.fields)(object)
            .iter()
            .find(|it| it.theirs == name)
    };
    let found: Vec<(String, String, String)> = if object == Object::SequenceState {
        states(provider, team)
    } else {
        let all = team.misshapen(object.as_str()).into_iter();
        all.map(|(id, pointer)| (id.clone(), id, pointer)).collect()
    };
    let named = found.into_iter().filter_map(|(shown_as, id, pointer)| {
        let name = pointer.strip_prefix('/')?.replace('/', ".");
        let field = named(&name)?;
        Some(Misshapen {
            id,
            shown_as,
            field,
        })
    });
    named.collect()
}

/// The states with an unreadable field: the contact, the row's id, and the pointer in the state.
fn states(provider: &SimulatedProvider, team: &Team) -> Vec<(String, String, String)> {
    if provider.carrier_of(Object::SequenceState) == Object::SequenceState {
        return team.misshapen_states();
    }
    let all = team.misshapen(Object::Contact.as_str()).into_iter();
    let in_contacts = all.filter_map(|(contact, pointer)| {
        let (number, name) = pointer.strip_prefix(STATES)?.split_once('/')?;
        let number: usize = number.parse().ok()?;
        let state = team.state_ids_of(&contact).get(number)?.clone();
        let row = provider.state_row_id(&contact, &state);
        Some((contact, row, format!("/{name}")))
    });
    in_contacts.collect()
}
