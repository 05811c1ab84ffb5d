//! The APIs that the simulator speaks.
//!
//! All dialects share the world, its edits, faults, gates, hooks, the ledger and the server. Each has a folder
//! of its own for the rest, which is called from here: rendering of rows, the form of ids, and the handling of
//! a request from routing, authentication and limits to headers and body. To add a dialect, add a
//! folder, a variant, and an arm to each `match` below.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use crate::apollo;
use crate::fault::Action;
use crate::grants::GrantRules;
use crate::ledger::Exchange;
use crate::oauth;
use crate::options::Options;
use crate::outreach;
use crate::request::{SimReply, SimRequest};
use crate::salesloft;
use crate::simulator::Hooks;
use crate::world::dice::{Dice, Mint};
use crate::world::table::Lag;
use crate::world::{RowRenderers, World};

/// The API to speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Dialect {
    #[default]
    Apollo,
    /// Outreach API v2.
    Outreach,
    /// Salesloft API v2.
    Salesloft,
}

/// Differences between the worlds of dialects, apart from rendering.
#[derive(Debug, Clone, Copy)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is an independent property"
)]
pub(crate) struct Conventions {
    /// Users who leave are deleted; otherwise they are locked.
    pub(crate) users_are_deleted: bool,
    /// The states of contacts that were added in one call can share an id.
    pub(crate) state_ids_repeat: bool,
    /// E-mail addresses and phone numbers are records with ids.
    pub(crate) parts_have_ids: bool,
    /// No two contacts have the same e-mail address.
    pub(crate) addresses_are_unique: bool,
    /// The ids of labels, custom fields and their choices are their names.
    pub(crate) names_are_ids: bool,
    /// An opened e-mail updates the contact.
    pub(crate) opens_touch_contacts: bool,
    /// States become active with their sequence.
    pub(crate) states_follow_sequences: bool,
    /// A state stays, as ended, when its contact leaves the sequence or is deleted.
    pub(crate) states_stay: bool,
    /// The ids of custom fields are the names that users see.
    pub(crate) fields_have_labels: bool,
}

/// A request, and everything that handling it needs.
#[derive(Debug)]
pub(crate) struct RequestContext<'a> {
    pub(crate) now: DateTime<Utc>,
    pub(crate) request: &'a SimRequest,
    /// The fault for this request.
    pub(crate) fault: Option<&'a Action>,
    pub(crate) options: &'a Options,
    pub(crate) world: &'a mut World,
    pub(crate) hooks: &'a mut Hooks,
    /// The ledger's entry; the dialect sets the team, the user, the action and the number of records.
    pub(crate) exchange: &'a mut Exchange,
    /// Differs for each answer.
    pub(crate) salt: u64,
}

impl Dialect {
    /// Answers a request.
    pub(crate) fn answer(self, context: &mut RequestContext<'_>) -> SimReply {
        match self {
            Self::Apollo => apollo::answer(context),
            Self::Outreach => outreach::answer(context),
            Self::Salesloft => salesloft::answer(context),
        }
    }

    /// The number of the requested page, if pages have numbers.
    pub(crate) fn page(self, request: &SimRequest) -> Option<u64> {
        match self {
            Self::Apollo => apollo::page_of(request),
            // Pages have cursors.
            Self::Outreach => None,
            Self::Salesloft => salesloft::page_of(request),
        }
    }

    /// The index of the team that a request comes from, without checking the rest of it.
    pub(crate) fn team_of(self, world: &World, request: &SimRequest) -> Option<usize> {
        match self {
            Self::Apollo => apollo::team_of(world, request),
            Self::Outreach | Self::Salesloft => oauth::team_of(world, request),
        }
    }

    /// The path below the API's base.
    pub(crate) fn below_base(self, path: &str) -> Option<&str> {
        match self {
            Self::Apollo => apollo::below_base(path),
            Self::Outreach => outreach::below_base(path),
            Self::Salesloft => salesloft::below_base(path),
        }
    }

    /// The rendering of each kind of row in lists.
    pub(crate) fn renderers(self) -> RowRenderers {
        match self {
            Self::Apollo => apollo::RENDERERS,
            Self::Outreach => outreach::RENDERERS,
            Self::Salesloft => salesloft::RENDERERS,
        }
    }

    /// The behaviour of its worlds.
    pub(crate) const fn conventions(self) -> Conventions {
        match self {
            Self::Apollo => Conventions {
                users_are_deleted: true,
                state_ids_repeat: true,
                parts_have_ids: false,
                addresses_are_unique: false,
                names_are_ids: false,
                states_follow_sequences: false,
                opens_touch_contacts: false,
                states_stay: false,
                fields_have_labels: false,
            },
            Self::Outreach => Conventions {
                users_are_deleted: false,
                state_ids_repeat: false,
                parts_have_ids: true,
                addresses_are_unique: true,
                names_are_ids: true,
                states_follow_sequences: true,
                opens_touch_contacts: true,
                states_stay: false,
                fields_have_labels: false,
            },
            Self::Salesloft => Conventions {
                users_are_deleted: false,
                state_ids_repeat: false,
                parts_have_ids: true,
                addresses_are_unique: true,
                names_are_ids: true,
                states_follow_sequences: true,
                opens_touch_contacts: true,
                states_stay: true,
                fields_have_labels: true,
            },
        }
    }

    /// The rules of its tokens.
    pub(crate) fn grant_rules(self, options: &Options) -> GrantRules {
        match self {
            Self::Apollo => apollo::GRANT_RULES,
            Self::Outreach => outreach::grant_rules(&options.outreach.switches),
            Self::Salesloft => salesloft::grant_rules(&options.salesloft.switches),
        }
    }

    /// The lag of its searches.
    pub(crate) fn lag(self, options: &Options) -> Lag {
        match self {
            Self::Apollo => Lag {
                changes: span(options.switches.search_lag),
                deletes: span(options.switches.delete_lag),
            },
            Self::Outreach => Lag {
                changes: outreach::list_lag(&options.outreach.switches),
                deletes: TimeDelta::zero(),
            },
            Self::Salesloft => Lag::default(),
        }
    }

    /// The generator of a team's ids.
    pub(crate) fn mint(self, dice: &mut Dice, options: &Options) -> Mint {
        match self {
            Self::Apollo => Mint::object_ids(dice),
            Self::Outreach => Mint::numbers(dice, options.outreach.first_id),
            Self::Salesloft => Mint::numbers(dice, options.salesloft.first_id),
        }
    }

    /// The decimals of seconds in its times.
    pub(crate) const fn decimals(self) -> u16 {
        match self {
            Self::Apollo | Self::Outreach => 3,
            Self::Salesloft => 6,
        }
    }
}

/// At most a century.
pub(crate) fn span(duration: Duration) -> TimeDelta {
    let longest = TimeDelta::days(36_525);
    TimeDelta::from_std(duration).map_or(longest, |span| span.min(longest))
}
