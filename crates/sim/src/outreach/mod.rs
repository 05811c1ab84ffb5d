//! The Outreach API v2 and its OAuth server: the routing table.
//!
//! The records are those of the [world](crate::world): contacts are prospects, their states have a list of
//! their own, and users are locked instead of deleted. Each kind of record has a file with its rendering,
//! filters, sorts and writes; [`mod@list`] and [`resource`] have what all kinds share.
//!
//! Tests use the tokens of [`TokenOptions`](crate::TokenOptions), or answer the consent page with
//! `sim_decision`, see [`crate::oauth`].

mod accounts;
mod answer;
mod body;
mod control;
mod cursor;
mod distortion;
mod email_addresses;
mod enrolment;
mod filter;
mod list;
mod mailboxes;
mod oauth;
mod options;
mod org;
mod page;
mod phone_numbers;
mod prospects;
mod prospects_write;
mod query;
mod record;
mod refusal;
mod related;
mod resource;
mod root;
mod sequence_states;
mod sequence_steps;
mod sequence_templates;
mod sequences;
mod stages;
mod switches;
mod tasks;
mod templates;
mod users;
mod value;

use chrono::{DateTime, TimeDelta, Utc};
use http::Method;

pub(crate) use self::answer::answer;
pub(crate) use self::control::control;
pub(crate) use self::oauth::grant_rules;
pub use self::options::{Duplicates, OutreachOptions, Ruleset};
pub(crate) use self::org::Org;
pub use self::switches::{
    BrokenCursor, DeepOffset, ExpiredWords, ListOrder, Mismatch, OutreachSwitches, RootMeta,
    TokenErrors,
};

use self::list::{list, show};
use self::query::Query;
use self::record::Style;
use self::refusal::{Answer, Refusal};
use self::resource::{Resource, render};
use crate::fault::Action;
use crate::grants::Access;
use crate::request::SimRequest;
use crate::routing::{self, route};
use crate::world::contact::Contact;
use crate::world::{RowRenderers, Team};

const BASE: &str = "/api/v2";

/// Every endpoint of the API: method, path below the base, action in the ledger, required scope, handler.
/// The first match counts.
#[rustfmt::skip]
static ROUTES: &[Route] = &[
    route(Method::GET,    "",                                    "root",                        "",                        root::root),

    route(Method::GET,    "users",                               "users/list",                  "users.read",              list::<users::Users>),
    route(Method::GET,    "users/{id}",                          "users/get",                   "users.read",              show::<users::Users>),

    route(Method::GET,    "prospects",                           "prospects/list",              "prospects.read",          list::<prospects::Prospects>),
    route(Method::POST,   "prospects",                           "prospects/create",            "prospects.write",         prospects_write::create),
    route(Method::GET,    "prospects/{id}",                      "prospects/get",               "prospects.read",          show::<prospects::Prospects>),
    route(Method::PATCH,  "prospects/{id}",                      "prospects/update",            "prospects.write",         prospects_write::update),
    route(Method::DELETE, "prospects/{id}",                      "prospects/delete",            "prospects.delete",        prospects_write::delete),

    route(Method::GET,    "emailAddresses",                      "emailAddresses/list",         "emailAddresses.read",     list::<email_addresses::EmailAddresses>),
    route(Method::POST,   "emailAddresses",                      "emailAddresses/create",       "emailAddresses.write",    email_addresses::create),
    route(Method::GET,    "emailAddresses/{id}",                 "emailAddresses/get",          "emailAddresses.read",     show::<email_addresses::EmailAddresses>),
    route(Method::PATCH,  "emailAddresses/{id}",                 "emailAddresses/update",       "emailAddresses.write",    email_addresses::update),
    route(Method::DELETE, "emailAddresses/{id}",                 "emailAddresses/delete",       "emailAddresses.delete",   email_addresses::delete),

    route(Method::GET,    "phoneNumbers",                        "phoneNumbers/list",           "phoneNumbers.read",       list::<phone_numbers::PhoneNumbers>),
    route(Method::POST,   "phoneNumbers",                        "phoneNumbers/create",         "phoneNumbers.write",      phone_numbers::create),
    route(Method::GET,    "phoneNumbers/{id}",                   "phoneNumbers/get",            "phoneNumbers.read",       show::<phone_numbers::PhoneNumbers>),
    route(Method::PATCH,  "phoneNumbers/{id}",                   "phoneNumbers/update",         "phoneNumbers.write",      phone_numbers::update),
    route(Method::DELETE, "phoneNumbers/{id}",                   "phoneNumbers/delete",         "phoneNumbers.delete",     phone_numbers::delete),

    route(Method::GET,    "accounts",                            "accounts/list",               "accounts.read",           list::<accounts::Accounts>),
    route(Method::POST,   "accounts",                            "accounts/create",             "accounts.write",          accounts::create),
    route(Method::GET,    "accounts/{id}",                       "accounts/get",                "accounts.read",           show::<accounts::Accounts>),
    route(Method::PATCH,  "accounts/{id}",                       "accounts/update",             "accounts.write",          accounts::update),
    route(Method::DELETE, "accounts/{id}",                       "accounts/delete",             "accounts.delete",         accounts::delete),

    route(Method::GET,    "sequences",                           "sequences/list",              "sequences.read",          list::<sequences::Sequences>),
    route(Method::POST,   "sequences",                           "sequences/create",            "sequences.write",         sequences::create),
    route(Method::POST,   "sequences/{id}/actions/activate",     "sequences/activate",          "sequences.write",         sequences::activate),
    route(Method::POST,   "sequences/{id}/actions/deactivate",   "sequences/deactivate",        "sequences.write",         sequences::deactivate),
    route(Method::GET,    "sequences/{id}",                      "sequences/get",               "sequences.read",          show::<sequences::Sequences>),
    route(Method::PATCH,  "sequences/{id}",                      "sequences/update",            "sequences.write",         sequences::update),
    route(Method::DELETE, "sequences/{id}",                      "sequences/delete",            "sequences.delete",        sequences::delete),

    route(Method::GET,    "sequenceSteps",                       "sequenceSteps/list",          "sequenceSteps.read",      list::<sequence_steps::SequenceSteps>),
    route(Method::POST,   "sequenceSteps",                       "sequenceSteps/create",        "sequenceSteps.write",     sequence_steps::create),
    route(Method::GET,    "sequenceSteps/{id}",                  "sequenceSteps/get",           "sequenceSteps.read",      show::<sequence_steps::SequenceSteps>),
    route(Method::PATCH,  "sequenceSteps/{id}",                  "sequenceSteps/update",        "sequenceSteps.write",     sequence_steps::update),

    route(Method::GET,    "sequenceTemplates",                   "sequenceTemplates/list",      "sequenceTemplates.read",  list::<sequence_templates::SequenceTemplates>),
    route(Method::POST,   "sequenceTemplates",                   "sequenceTemplates/create",    "sequenceTemplates.write", sequence_templates::create),
    route(Method::POST,   "sequenceTemplates/{id}/actions/activate",   "sequenceTemplates/activate",   "sequenceTemplates.write", sequence_templates::activate),
    route(Method::POST,   "sequenceTemplates/{id}/actions/deactivate", "sequenceTemplates/deactivate", "sequenceTemplates.write", sequence_templates::deactivate),
    route(Method::GET,    "sequenceTemplates/{id}",              "sequenceTemplates/get",       "sequenceTemplates.read",  show::<sequence_templates::SequenceTemplates>),
    route(Method::PATCH,  "sequenceTemplates/{id}",              "sequenceTemplates/update",    "sequenceTemplates.write", sequence_templates::update),
    route(Method::DELETE, "sequenceTemplates/{id}",              "sequenceTemplates/delete",    "sequenceTemplates.delete",sequence_templates::delete),

    route(Method::GET,    "templates",                           "templates/list",              "templates.read",          list::<templates::Templates>),
    route(Method::POST,   "templates",                           "templates/create",            "templates.write",         templates::create),
    route(Method::GET,    "templates/{id}",                      "templates/get",               "templates.read",          show::<templates::Templates>),
    route(Method::PATCH,  "templates/{id}",                      "templates/update",            "templates.write",         templates::update),
    route(Method::DELETE, "templates/{id}",                      "templates/delete",            "templates.delete",        templates::delete),

    route(Method::GET,    "sequenceStates",                      "sequenceStates/list",         "sequenceStates.read",     list::<sequence_states::SequenceStates>),
    route(Method::POST,   "sequenceStates",                      "sequenceStates/create",       "sequenceStates.write",    enrolment::create),
    route(Method::POST,   "sequenceStates/{id}/actions/pause",   "sequenceStates/pause",        "sequenceStates.write",    enrolment::pause),
    route(Method::POST,   "sequenceStates/{id}/actions/resume",  "sequenceStates/resume",       "sequenceStates.write",    enrolment::resume),
    route(Method::POST,   "sequenceStates/{id}/actions/finish",  "sequenceStates/finish",       "sequenceStates.write",    enrolment::finish),
    route(Method::GET,    "sequenceStates/{id}",                 "sequenceStates/get",          "sequenceStates.read",     show::<sequence_states::SequenceStates>),
    route(Method::DELETE, "sequenceStates/{id}",                 "sequenceStates/delete",       "sequenceStates.delete",   enrolment::delete),

    route(Method::GET,    "mailboxes",                           "mailboxes/list",              "mailboxes.read",          list::<mailboxes::Mailboxes>),
    route(Method::GET,    "mailboxes/{id}",                      "mailboxes/get",               "mailboxes.read",          show::<mailboxes::Mailboxes>),

    route(Method::GET,    "tasks",                               "tasks/list",                  "tasks.read",              list::<tasks::Tasks>),
    route(Method::POST,   "tasks",                               "tasks/create",                "tasks.write",             tasks::create),
    route(Method::POST,   "tasks/{id}/actions/markComplete",     "tasks/markComplete",          "tasks.write",             tasks::mark_complete),
    route(Method::POST,   "tasks/{id}/actions/reschedule",       "tasks/reschedule",            "tasks.write",             tasks::reschedule),
    route(Method::POST,   "tasks/{id}/actions/snooze",           "tasks/snooze",                "tasks.write",             tasks::reschedule),
    route(Method::POST,   "tasks/{id}/actions/updateNote",       "tasks/updateNote",            "tasks.write",             tasks::update_note),
    route(Method::POST,   "tasks/{id}/actions/reassignOwner",    "tasks/reassignOwner",         "tasks.write",             tasks::reassign_owner),
    route(Method::GET,    "tasks/{id}",                          "tasks/get",                   "tasks.read",              show::<tasks::Tasks>),
    route(Method::PATCH,  "tasks/{id}",                          "tasks/update",                "tasks.write",             tasks::update),
    route(Method::DELETE, "tasks/{id}",                          "tasks/delete",                "tasks.delete",            tasks::delete),

    route(Method::GET,    "stages",                              "stages/list",                 "stages.read",             list::<stages::Stages>),
    route(Method::GET,    "stages/{id}",                         "stages/get",                  "stages.read",             show::<stages::Stages>),
];

/// The lag of lists: 30 seconds with the switch `jitter`.
pub(crate) fn list_lag(switches: &OutreachSwitches) -> TimeDelta {
    TimeDelta::seconds(if switches.jitter { 30 } else { 0 })
}

/// The renderings of rows that are cached.
pub(crate) const RENDERERS: RowRenderers = RowRenderers {
    user: |user| render_default::<users::Users>(user),
    account: |account| render_default::<accounts::Accounts>(account),
    contact: |contact| render_default::<prospects::Prospects>(contact),
    state: |contact, state| {
        let row = sequence_states::StateRow { contact, state };
        render_default::<sequence_states::SequenceStates>(row)
    },
    sequence: |sequence| render_default::<sequences::Sequences>(sequence),
    template: |template| render_default::<templates::Templates>(template),
    mailbox: |mailbox| render_default::<mailboxes::Mailboxes>(mailbox),
    task: |task| render_default::<tasks::Tasks>(task),
    // There are no deals, and there is no database.
    deal: |_| "{}".to_owned(),
    person: |_| "{}".to_owned(),
    company: |_| "{}".to_owned(),
};

fn render_default<R: Resource>(row: R::Row<'_>) -> String {
    render::<R>(row, Style::DEFAULT)
}

/// The rendering of a prospect without the histogram.
fn without_histogram(contact: &Contact) -> String {
    let style = Style {
        histogram: false,
        ..Style::DEFAULT
    };
    render::<prospects::Prospects>(contact, style)
}

/// An endpoint.
type Route = routing::Route<fn(&mut Call<'_>) -> Result<Answer, Refusal>>;

/// A call that has passed all checks before its handler.
#[derive(Debug)]
struct Call<'a> {
    now: DateTime<Utc>,
    team: &'a mut Team,
    request: &'a SimRequest,
    query: &'a Query,
    /// The id in the path, empty where the route has none.
    id: &'a str,
    access: &'a Access,
    /// The fault that changes the list.
    distortion: Option<&'a Action>,
}

impl Call<'_> {
    /// How records in the answer are rendered.
    fn style<'s>(&self, fields: Option<&'s [String]>) -> Style<'s> {
        Style {
            fields,
            ids_as_text: self.team.org.switches.ids_as_text,
            histogram: self.team.org.has_histogram,
        }
    }

    /// Checks that the token has a scope such as `prospects.read`, directly or through `prospects.all`.
    fn require_scope(&self, scope: &str) -> Result<(), Refusal> {
        let (plural, _) = scope.split_once('.').unwrap_or((scope, ""));
        let all = format!("{plural}.all");
        if scope.is_empty() || self.access.has_scope(scope) || self.access.has_scope(&all) {
            Ok(())
        } else {
            Err(Refusal::no_scope(scope))
        }
    }

    /// The link to another page of the list, with the host of the request.
    fn link(&self, page: &[(&str, String)]) -> String {
        let mut pairs = self.query.without_page();
        pairs.extend(page.iter().map(|(name, value)| (*name, value.as_str())));
        let origin = match self.request.header_text("host") {
            Some(host) => format!("http://{host}"),
            None => "https://api.outreach.io".to_owned(),
        };
        let path = &self.request.path;
        match serde_urlencoded::to_string(pairs) {
            Ok(query) if !query.is_empty() => format!("{origin}{path}?{query}"),
            _ => format!("{origin}{path}"),
        }
    }
}

/// The endpoint at a path, with the id in it.
fn find<'a>(method: &Method, path: &'a str) -> Option<(&'static Route, &'a str)> {
    routing::find(ROUTES, method, below_base(path)?)
}

/// The path without its base and without a trailing slash. `oauth/token` has no base.
pub(crate) fn below_base(path: &str) -> Option<&str> {
    if path.starts_with(crate::oauth::BASE) {
        return path.strip_prefix('/');
    }
    let path = path.strip_prefix(BASE)?;
    let path = match path.strip_prefix('/') {
        Some(path) => path,
        None if path.is_empty() => path,
        None => return None,
    };
    Some(path.strip_suffix('/').unwrap_or(path))
}
