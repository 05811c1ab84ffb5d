//! Rendering of records, in Apollo's order of keys.

pub(crate) mod account;
mod catalogue;
mod company;
pub(crate) mod contact;
pub(crate) mod deal;
mod mailbox;
mod person;
mod sequence;
mod task;
mod user;

use crate::world::RowRenderers;
use crate::world::company::Company;
use crate::world::contact::State;
use crate::world::mailbox::Mailbox;
use crate::world::person::Person;
use crate::world::step::Template;
use crate::world::task::Task;
use crate::world::user::User;

/// The rendering of each kind of row in searches; of sequences once their statistics are loaded.
pub(crate) const RENDERERS: RowRenderers = RowRenderers {
    user: User::render,
    account: |account| account.render(account::View::Search),
    contact: |contact| contact.render(contact::View::Search),
    state: |_, state| State::render(state),
    sequence: |sequence| sequence.render(false),
    template: Template::render,
    mailbox: Mailbox::render,
    task: Task::render,
    deal: |deal| deal.render(deal::View::Search),
    person: Person::render_found,
    company: Company::render_found,
};
