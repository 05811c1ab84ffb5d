//! The simulated workspaces: their data, how it is generated and how it changes.
//!
//! [`Team`] is one workspace. `generate` fills it, `edits*` change it, `truth` and `census` read it
//! for tests; the [dialect](crate::Dialect) decides how ids look and how rows are rendered.

pub(crate) mod account;
pub(crate) mod catalogue;
mod census;
pub(crate) mod clues;
pub(crate) mod company;
pub(crate) mod contact;
mod contact_fields;
mod credits;
pub(crate) mod deal;
pub(crate) mod dice;
mod edits;
mod edits_contacts;
mod edits_deals;
mod edits_hiding;
mod edits_random;
mod edits_removal;
mod edits_sequences;
mod edits_steps;
mod edits_tokens;
mod finder;
mod generate;
pub(crate) mod mailbox;
pub(crate) mod money;
#[rustfmt::skip]
mod names;
pub(crate) mod location;
pub(crate) mod person;
pub(crate) mod sequence;
mod shape;
mod sorted;
mod standing;
pub(crate) mod step;
pub(crate) mod table;
pub(crate) mod task;
mod truth;
pub(crate) mod user;

use std::collections::HashMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};

pub use contact::StateKind;
pub use credits::Charge;
pub use edits::EditError;
pub use edits_random::Edits;
pub(crate) use edits_sequences::NewSequence;
pub(crate) use edits_steps::{NewStep, TouchChange};
pub use table::fingerprint_of;
pub use truth::Counts;

use self::account::Account;
use self::catalogue::{Field, Label, Stage};
use self::company::Company;
use self::contact::{Contact, State};
use self::credits::Credits;
use self::deal::{Deal, DealStage};
use self::dice::{Dice, Mint};
use self::finder::Finder;
use self::mailbox::Mailbox;
use self::person::Person;
use self::sequence::Sequence;
use self::shape::Shape;
use self::step::Template;
use self::table::{RenderRow, Row, Table};
use self::task::Task;
use self::user::User;
use crate::apollo::Late;
use crate::dialect::{Conventions, Dialect};
use crate::grants::Grants;
use crate::limits::{Counters, Quota};
use crate::options::{KeyOptions, Options};
use crate::outreach::Org;
use crate::plans::{Plan, QuotaClass};
use crate::salesloft;
use crate::switches::Switches;
use crate::tokens::TokenOptions;

/// One workspace.
#[derive(Debug)]
pub struct Team {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) users: Table<User>,
    pub(crate) accounts: Table<Account>,
    pub(crate) contacts: Table<Contact>,
    pub(crate) sequences: Table<Sequence>,
    /// The e-mail templates of sequences.
    pub(crate) templates: Table<Template>,
    pub(crate) mailboxes: Table<Mailbox>,
    pub(crate) tasks: Table<Task>,
    pub(crate) deals: Table<Deal>,
    /// Apollo's own database, which is the same for all teams and never changes. Most of its people are
    /// nobody's contacts.
    pub(crate) people: Table<Person>,
    pub(crate) companies: Table<Company>,
    /// Finds contacts for enrichment.
    pub(crate) finder: Finder,
    /// Values of the wrong type in sequence states, by their ids.
    pub(crate) state_shapes: HashMap<String, Shape>,
    pub(crate) contact_stages: Vec<Stage>,
    pub(crate) account_stages: Vec<Stage>,
    pub(crate) deal_stages: Vec<Arc<DealStage>>,
    pub(crate) deal_pipeline_id: String,
    pub(crate) labels: Vec<Label>,
    pub(crate) fields: Vec<Field>,
    pub(crate) keys: Vec<KeyOptions>,
    pub(crate) plan: Plan,
    pub(crate) counters: Counters,
    /// The tokens, in dialects with an OAuth server.
    pub(crate) grants: Grants,
    /// Outreach's own data: limits and settings.
    pub(crate) org: Org,
    /// The same of Salesloft.
    pub(crate) salesloft: salesloft::Org,
    pub(crate) dialect: Dialect,
    pub(crate) credits: Credits,
    /// Apollo's enrichment that is still going on.
    pub(crate) late: Late,
    pub(crate) switches: Switches,
    pub(crate) conventions: Conventions,
    pub(crate) renderers: RowRenderers,
    pub(crate) dice: Dice,
    pub(crate) mint: Mint,
}

/// A dialect's rendering of each kind of row.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RowRenderers {
    pub(crate) user: RenderRow<User>,
    pub(crate) account: RenderRow<Account>,
    pub(crate) contact: RenderRow<Contact>,
    pub(crate) state: fn(&Contact, &State) -> String,
    pub(crate) sequence: RenderRow<Sequence>,
    pub(crate) template: RenderRow<Template>,
    pub(crate) mailbox: RenderRow<Mailbox>,
    pub(crate) task: RenderRow<Task>,
    pub(crate) deal: RenderRow<Deal>,
    pub(crate) person: RenderRow<Person>,
    pub(crate) company: RenderRow<Company>,
}

/// All workspaces.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) teams: Vec<Team>,
}

impl World {
    pub(crate) fn new(options: &Options) -> Self {
        let mut teams = Vec::with_capacity(options.teams.len());
        for (at, team) in options.teams.iter().enumerate() {
            let n = u64::try_from(at).unwrap_or(0);
            // Spread, so that neighbouring seeds have no team in common.
            let seed = options.seed ^ n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
            let mut team = Team::generate(seed, options, team);
            if options.dialect == Dialect::Apollo {
                let tokens = &options.apollo.tokens;
                team.add_lasting_tokens(at, tokens, TokenOptions::of_apollo_team);
            }
            if options.dialect == Dialect::Outreach {
                let tokens = &options.outreach.tokens;
                team.add_lasting_tokens(at, tokens, TokenOptions::of_team);
                team.drop_histogram_if_due(options.epoch);
            }
            if options.dialect == Dialect::Salesloft {
                team.become_salesloft(&options.salesloft, at);
            }
            teams.push(team);
        }
        Self { teams }
    }
}

impl Team {
    pub fn id(&self) -> &str {
        &self.id
    }

    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// The key is unknown from now on.
    pub fn revoke_key(&mut self, key: &str) {
        self.keys.retain(|known| known.key != key);
    }

    pub fn add_key(&mut self, key: KeyOptions) {
        self.keys.push(key);
    }

    /// Counters are kept: the calls used under the old plan count under the new one.
    pub fn set_plan(&mut self, plan: Plan) {
        self.plan = plan;
    }

    pub fn plan(&self) -> Plan {
        self.plan
    }

    pub(crate) fn quota(&self, class: QuotaClass) -> Quota {
        self.plan.quota(class, &self.switches.plans)
    }

    /// Sets the team's time, which never goes back; requests, and edits with a time, call this
    /// themselves. Edits without a time happen at the latest time set, and searches show delayed
    /// changes when their time has come.
    pub fn tick(&mut self, now: DateTime<Utc>) {
        self.users.tick(now);
        self.accounts.tick(now);
        self.contacts.tick(now);
        self.sequences.tick(now);
        self.templates.tick(now);
        self.mailboxes.tick(now);
        self.tasks.tick(now);
        self.deals.tick(now);
        self.finish_late(self.now());
    }

    /// The latest time that was set.
    pub fn now(&self) -> DateTime<Utc> {
        self.contacts.now()
    }

    /// The user on whose behalf API calls are made: the oldest live one.
    pub(crate) fn caller(&self) -> Option<&User> {
        self.users.all().iter().find(|user| user.live())
    }

    /// Whether a user with this id is listed, possibly as deleted.
    pub(crate) fn has_user(&self, id: &str) -> bool {
        self.users.get(id).is_some_and(Row::listed)
    }

    pub(crate) fn caller_id(&self) -> Option<String> {
        self.caller().map(|user| user.id.clone())
    }

    pub(crate) fn mint(&mut self, at: DateTime<Utc>) -> String {
        self.mint.id(at)
    }

    /// An id for a part of a record; empty if parts have no ids in the dialect.
    pub(crate) fn mint_part(&mut self, at: DateTime<Utc>) -> String {
        if self.conventions.parts_have_ids {
            self.mint(at)
        } else {
            String::new()
        }
    }

    pub(crate) fn shuffle(&mut self) -> i64 {
        self.dice.between(0, i64::MAX / 2)
    }
}
