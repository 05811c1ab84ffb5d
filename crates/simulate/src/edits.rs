//! What people do at the provider: they change, create, delete, restore and hide records, one by
//! one and sometimes by the hundred.

use serde_json::json;
use syncline_model::Object;
use syncline_sim::{Dialect, StateKind, Team};

use crate::{dice::Dice, shapes::misshape, world::World};

/// Users that are never changed: one of them owns the key.
const FIRST_USERS: usize = 3;

/// A kind of edit: its weight, what it changes, and the function, which returns whether it changed
/// anything.
struct Kind {
    weight: u32,
    changes: &'static [Object],
    make: fn(&World, &mut Dice, usize) -> bool,
}

/// What happens at providers that customers connect to by OAuth. Nobody is hidden at Salesloft, where
/// nothing tells that from a deletion; trash is Outreach's, and steps that are disabled Salesloft's.
#[rustfmt::skip]
const MORE_KINDS: &[Kind] = &[
    Kind { weight: 8,  changes: OF_CONTACTS,  make: trash_contact },
    Kind { weight: 6,  changes: OF_STATES,    make: enrol_many },
    Kind { weight: 3,  changes: OF_SEQUENCES, make: switch_step },
];

const OF_CONTACTS: &[Object] = &[Object::Contact, Object::SequenceState, Object::Account];
const OF_STATES: &[Object] = &[Object::Contact, Object::SequenceState, Object::Sequence];
const OF_ACCOUNTS: &[Object] = &[Object::Account, Object::Contact, Object::SequenceState];
const OF_USERS: &[Object] = &[Object::User];
const OF_MAILBOXES: &[Object] = &[Object::Mailbox];
const OF_SEQUENCES: &[Object] = &[Object::Sequence];

#[rustfmt::skip]
const KINDS: &[Kind] = &[
    Kind { weight: 26, changes: OF_CONTACTS,  make: update_contact },
    Kind { weight: 16, changes: OF_CONTACTS,  make: create_contact },
    Kind { weight: 14, changes: OF_CONTACTS,  make: delete_contact },
    Kind { weight: 8,  changes: OF_CONTACTS,  make: undelete_contact },
    Kind { weight: 10, changes: OF_STATES,    make: enrol },
    Kind { weight: 5,  changes: OF_STATES,    make: change_state },
    Kind { weight: 6,  changes: OF_STATES,    make: unenrol },
    Kind { weight: 4,  changes: OF_CONTACTS,  make: hide_contact },
    Kind { weight: 3,  changes: OF_CONTACTS,  make: show_contact },
    Kind { weight: 4,  changes: OF_ACCOUNTS,  make: update_account },
    Kind { weight: 3,  changes: OF_ACCOUNTS,  make: create_account },
    Kind { weight: 3,  changes: OF_ACCOUNTS,  make: delete_account },
    Kind { weight: 2,  changes: OF_ACCOUNTS,  make: undelete_account },
    Kind { weight: 1,  changes: OF_ACCOUNTS,  make: hide_account },
    Kind { weight: 1,  changes: OF_ACCOUNTS,  make: show_account },
    Kind { weight: 4,  changes: OF_USERS,     make: edit_user },
    Kind { weight: 4,  changes: OF_MAILBOXES, make: edit_mailbox },
    Kind { weight: 5,  changes: OF_SEQUENCES, make: edit_sequence },
    Kind { weight: 4,  changes: OF_CONTACTS,  make: misshape_contact },
    Kind { weight: 3,  changes: OF_CONTACTS,  make: misshape_state },
    Kind { weight: 2,  changes: OF_ACCOUNTS,  make: misshape_account },
    Kind { weight: 1,  changes: OF_USERS,     make: misshape_user },
    Kind { weight: 1,  changes: OF_MAILBOXES, make: misshape_mailbox },
    Kind { weight: 1,  changes: OF_SEQUENCES, make: misshape_sequence },
];

/// Makes a few edits in one team, and returns how many.
pub(crate) fn batch(world: &World, dice: &mut Dice, team: usize) -> usize {
    let most = dice.one(&[1, 3, 8]);
    let more = if world.provider.client.is_some() {
        MORE_KINDS
    } else {
        &[]
    };
    let kinds: Vec<&Kind> = KINDS.iter().chain(more).collect();
    let mut made = 0;
    for _ in 0..=dice.below(most) {
        let kind = kinds[dice.weighted(kinds.iter().map(|kind| kind.weight))];
        if (kind.make)(world, dice, team) {
            world.note_change(team, kind.changes);
            made += 1;
        }
    }
    made
}

/// Deletes many of the contacts or accounts, or restores many of the deleted ones; returns how
/// many.
pub(crate) fn mass_edit(world: &World, dice: &mut Dice, team: usize) -> usize {
    let object = dice.one(&[
        Object::Contact,
        Object::Contact,
        Object::Contact,
        Object::Account,
    ]);
    let gone = world.gone(team, object);
    let back = gone.len() > 10 && dice.chance(7_000);
    let percent = dice.between(30, 95);
    let ids = if back {
        gone
    } else {
        world.read(team, |team| team.live_ids(object.as_str()))
    };
    let mut made = 0;
    for id in ids {
        if dice.between(0, 99) < percent {
            made += usize::from(if back {
                bring_back(world, team, object, &id)
            } else {
                delete(world, team, object, &id)
            });
        }
    }
    if made > 0 {
        world.note_change(team, OF_CONTACTS);
    }
    made
}

fn delete(world: &World, team: usize, object: Object, id: &str) -> bool {
    let deleted = world.edit(team, |team, _| match object {
        Object::Contact => team.delete_contact(id),
        Object::Account => team.delete_account(id),
        Object::Mailbox => team.remove_mailbox(id),
        Object::Sequence => team.delete_sequence(id),
        _ => team.remove_user(id),
    });
    if deleted.is_ok() {
        world.note_gone(team, object, id);
    }
    deleted.is_ok()
}

fn bring_back(world: &World, team: usize, object: Object, id: &str) -> bool {
    let restored = world.edit(team, |team, now| match object {
        Object::Contact => team.undelete_contact(now, id),
        Object::Account => team.undelete_account(now, id),
        Object::Mailbox => team.restore_mailbox(id),
        Object::Sequence => team.undelete_sequence(id),
        _ => team.restore_user(id),
    });
    world.note_back(team, object, id);
    restored.is_ok()
}

fn any_live(world: &World, dice: &mut Dice, team: usize, object: Object) -> Option<String> {
    let live = world.read(team, |team| team.live_ids(object.as_str()));
    dice.pick(&live).cloned()
}

fn any_gone(world: &World, dice: &mut Dice, team: usize, object: Object) -> Option<String> {
    dice.pick(&world.gone(team, object)).cloned()
}

fn update_contact(world: &World, dice: &mut Dice, team: usize) -> bool {
    let Some(id) = any_live(world, dice, team, Object::Contact) else {
        return false;
    };
    let number = dice.below(1_000);
    if dice.chance(2_500) {
        return world.edit(team, |team, now| team.log_call(now, &id).is_ok());
    }
    let fields = json!({"title": format!("Title {number}")});
    let updated = world.edit(team, |team, now| team.update_contact(now, &id, &fields));
    updated.unwrap_or(false)
}

fn create_contact(world: &World, _: &mut Dice, team: usize) -> bool {
    world.edit(team, Team::invent_contact);
    true
}

fn delete_contact(world: &World, dice: &mut Dice, team: usize) -> bool {
    let id = any_live(world, dice, team, Object::Contact);
    id.is_some_and(|id| delete(world, team, Object::Contact, &id))
}

fn undelete_contact(world: &World, dice: &mut Dice, team: usize) -> bool {
    let id = any_gone(world, dice, team, Object::Contact);
    id.is_some_and(|id| bring_back(world, team, Object::Contact, &id))
}

fn enrol(world: &World, dice: &mut Dice, team: usize) -> bool {
    let (Some(contact), Some(sequence)) = (
        any_live(world, dice, team, Object::Contact),
        any_live(world, dice, team, Object::Sequence),
    ) else {
        return false;
    };
    let enrolled = world.edit(team, |team, now| team.enrol(now, &contact, &sequence));
    enrolled.is_ok()
}

/// Puts many contacts into a sequence at the same time.
fn enrol_many(world: &World, dice: &mut Dice, team: usize) -> bool {
    let Some(sequence) = any_live(world, dice, team, Object::Sequence) else {
        return false;
    };
    let contacts = world.read(team, |team| team.live_ids(Object::Contact.as_str()));
    let first = dice.below(contacts.len());
    let some = contacts.iter().skip(first).take(dice.one(&[5, 40, 150]));
    let mut enrolled = 0;
    for contact in some {
        let added = world.edit(team, |team, now| team.enrol(now, contact, &sequence));
        enrolled += usize::from(added.is_ok());
    }
    enrolled > 0
}

/// A contact that is in a sequence, and the sequence.
fn any_membership(world: &World, dice: &mut Dice, team: usize) -> Option<(String, String)> {
    let enrolled = world.read(team, |team| {
        let ids = team.live_ids("contact");
        let mut enrolled = ids;
        enrolled.retain(|id| !team.state_ids_of(id).is_empty());
        enrolled
    });
    let contact = dice.pick(&enrolled)?.clone();
    let sequences = world.read(team, |team| team.sequence_ids_of(&contact));
    let sequence = dice.pick(&sequences)?.clone();
    Some((contact, sequence))
}

fn trash_contact(world: &World, dice: &mut Dice, team: usize) -> bool {
    if world.provider.dialect != Dialect::Outreach {
        return false;
    }
    let id = any_live(world, dice, team, Object::Contact);
    id.is_some_and(|id| world.edit(team, |team, now| team.trash_contact(now, &id).is_ok()))
}

/// Enables or disables a step, which its sequence doesn't show.
fn switch_step(world: &World, dice: &mut Dice, team: usize) -> bool {
    if world.provider.dialect != Dialect::Salesloft {
        return false;
    }
    let sequence = any_live(world, dice, team, Object::Sequence);
    let steps = sequence.map_or_else(Vec::new, |id| {
        world.read(team, |team| team.step_ids_of(&id))
    });
    let step = dice.pick(&steps);
    step.is_some_and(|(id, enabled)| {
        let switched = world.edit(team, |team, _| team.enable_step(id, !enabled));
        switched.is_ok()
    })
}

fn change_state(world: &World, dice: &mut Dice, team: usize) -> bool {
    let Some((contact, sequence)) = any_membership(world, dice, team) else {
        return false;
    };
    let kind = dice.one(&[StateKind::Active, StateKind::Paused, StateKind::Finished]);
    let changed = world.edit(team, |team, now| {
        team.set_state(now, &contact, &sequence, kind, None)
    });
    changed.is_ok()
}

fn unenrol(world: &World, dice: &mut Dice, team: usize) -> bool {
    let membership = any_membership(world, dice, team);
    membership.is_some_and(|(contact, sequence)| {
        let taken_out = world.edit(team, |team, now| team.unenrol(now, &contact, &sequence));
        taken_out.is_ok()
    })
}

fn hide_contact(world: &World, dice: &mut Dice, team: usize) -> bool {
    if !world.provider.says_hidden {
        return false;
    }
    let Some(id) = any_live(world, dice, team, Object::Contact) else {
        return false;
    };
    world.note_hidden(team, Object::Contact, &id);
    world.edit(team, |team, _| team.hide_contact(&id).is_ok())
}

fn show_contact(world: &World, dice: &mut Dice, team: usize) -> bool {
    let Some(id) = any_hidden(world, dice, team, Object::Contact) else {
        return false;
    };
    world.note_shown(team, Object::Contact, &id);
    world.edit(team, |team, _| team.show_contact(&id).is_ok())
}

fn any_hidden(world: &World, dice: &mut Dice, team: usize, object: Object) -> Option<String> {
    let hidden = world.read(team, |team| {
        let mut hidden = team.hidden_ids();
        hidden.retain(|id| team.live_since(object.as_str(), id).is_some());
        hidden
    });
    dice.pick(&hidden).cloned()
}

fn update_account(world: &World, dice: &mut Dice, team: usize) -> bool {
    let Some(id) = any_live(world, dice, team, Object::Account) else {
        return false;
    };
    let fields = json!({"name": format!("Company {}", dice.below(1_000))});
    let updated = world.edit(team, |team, now| team.update_account(now, &id, &fields));
    updated.unwrap_or(false)
}

fn create_account(world: &World, _: &mut Dice, team: usize) -> bool {
    world.edit(team, Team::invent_account);
    true
}

fn delete_account(world: &World, dice: &mut Dice, team: usize) -> bool {
    let id = any_live(world, dice, team, Object::Account);
    id.is_some_and(|id| delete(world, team, Object::Account, &id))
}

fn undelete_account(world: &World, dice: &mut Dice, team: usize) -> bool {
    let id = any_gone(world, dice, team, Object::Account);
    id.is_some_and(|id| bring_back(world, team, Object::Account, &id))
}

fn hide_account(world: &World, dice: &mut Dice, team: usize) -> bool {
    if !world.provider.says_hidden {
        return false;
    }
    let Some(id) = any_live(world, dice, team, Object::Account) else {
        return false;
    };
    world.note_hidden(team, Object::Account, &id);
    world.edit(team, |team, _| team.hide_account(&id).is_ok())
}

fn show_account(world: &World, dice: &mut Dice, team: usize) -> bool {
    let Some(id) = any_hidden(world, dice, team, Object::Account) else {
        return false;
    };
    world.note_shown(team, Object::Account, &id);
    world.edit(team, |team, _| team.show_account(&id).is_ok())
}

fn misshape_contact(world: &World, dice: &mut Dice, team: usize) -> bool {
    misshape(world, dice, team, Object::Contact)
}

fn misshape_state(world: &World, dice: &mut Dice, team: usize) -> bool {
    misshape(world, dice, team, Object::SequenceState)
}

fn misshape_account(world: &World, dice: &mut Dice, team: usize) -> bool {
    misshape(world, dice, team, Object::Account)
}

fn misshape_user(world: &World, dice: &mut Dice, team: usize) -> bool {
    misshape(world, dice, team, Object::User)
}

fn misshape_mailbox(world: &World, dice: &mut Dice, team: usize) -> bool {
    misshape(world, dice, team, Object::Mailbox)
}

fn misshape_sequence(world: &World, dice: &mut Dice, team: usize) -> bool {
    misshape(world, dice, team, Object::Sequence)
}

fn edit_user(world: &World, dice: &mut Dice, team: usize) -> bool {
    let users = world.read(team, Team::user_ids);
    let Some(id) = users.get(FIRST_USERS..).and_then(|rest| dice.pick(rest)) else {
        return false;
    };
    match dice.below(7) {
        0 => {
            let name = format!("User {}", dice.below(1_000));
            world.edit(team, |team, _| {
                team.rename_user(id, &name, "Renamed").is_ok()
            })
        }
        1 => {
            world.edit(team, |team, now| team.add_user(now, "New", "Colleague"));
            true
        }
        2 => world.edit(team, |team, _| team.delete_user(id).is_ok()),
        3 => world.edit(team, |team, _| team.undelete_user(id).is_ok()),
        4 | 5 => delete(world, team, Object::User, id),
        _ => any_gone(world, dice, team, Object::User)
            .is_some_and(|id| bring_back(world, team, Object::User, &id)),
    }
}

fn edit_mailbox(world: &World, dice: &mut Dice, team: usize) -> bool {
    let mailbox = any_live(world, dice, team, Object::Mailbox);
    match (dice.below(5), mailbox) {
        (0 | 1, Some(id)) => delete(world, team, Object::Mailbox, &id),
        (2, Some(id)) => world.edit(team, |team, now| team.disconnect_mailbox(now, &id).is_ok()),
        (3, _) => any_gone(world, dice, team, Object::Mailbox)
            .is_some_and(|id| bring_back(world, team, Object::Mailbox, &id)),
        _ => world.edit(team, |team, now| {
            let owner = team.user_ids().into_iter().next();
            owner.is_some_and(|owner| team.add_mailbox(now, &owner).is_ok())
        }),
    }
}

fn edit_sequence(world: &World, dice: &mut Dice, team: usize) -> bool {
    let name = format!("Sequence {}", dice.below(1_000));
    let sequence = any_live(world, dice, team, Object::Sequence);
    match (dice.below(7), sequence) {
        (0 | 1, Some(id)) => delete(world, team, Object::Sequence, &id),
        (2, Some(id)) => world.edit(team, |team, _| team.archive_sequence(&id).is_ok()),
        (3, Some(id)) => world.edit(team, |team, _| team.rename_sequence(&id, &name).is_ok()),
        (4, Some(id)) => {
            let active = dice.chance(5_000);
            world.edit(team, |team, _| {
                team.set_sequence_active(&id, active).is_ok()
            })
        }
        (5, _) => any_gone(world, dice, team, Object::Sequence)
            .is_some_and(|id| bring_back(world, team, Object::Sequence, &id)),
        _ => {
            world.edit(team, |team, now| team.create_sequence(now, &name));
            true
        }
    }
}
