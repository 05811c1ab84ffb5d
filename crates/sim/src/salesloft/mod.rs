//! The Salesloft API v2 and its OAuth server: the routing table.
//!
//! The records are those of the [world](crate::world): contacts are people, sequences are cadences, and their
//! states are memberships, which stay when somebody leaves. Each kind of record has a file with its
//! rendering, filters and sorts; [`mod@list`] and [`resource`] have what all kinds share.
//!
//! Tests use the tokens `sim-salesloft-access` and `sim-salesloft-refresh`, or answer the consent page with
//! `sim_decision`, see [`crate::oauth`].

mod accounts;
mod accounts_write;
mod actions;
mod answer;
mod body;
mod cadence_exports;
mod cadence_imports;
mod cadence_memberships;
mod cadences;
mod control;
mod custom_fields;
mod distortion;
mod eastern;
mod email_templates;
mod enrolment;
mod extras;
mod filter;
mod list;
mod oauth;
mod options;
mod org;
mod page;
mod people;
mod people_write;
mod person_stages;
mod query;
mod record;
mod refusal;
mod resource;
mod root;
mod steps;
mod switches;
mod tasks;
mod tasks_write;
mod upsert;
mod users;
mod value;
mod webhook_subscriptions;

use chrono::{DateTime, Utc};
use http::Method;

pub(crate) use self::answer::{answer, page_of};
pub(crate) use self::control::control;
pub(crate) use self::oauth::grant_rules;
pub use self::options::SalesloftOptions;
pub(crate) use self::org::Org;
pub use self::switches::{DeletedCadence, SalesloftSwitches, TaskUpdates};

use self::list::{list, show};
use self::query::Query;
use self::refusal::{Answer, Refusal};
use self::resource::render;
use crate::fault::Action;
use crate::grants::Access;
use crate::params::Params;
use crate::routing::{self, route};
use crate::world::{RowRenderers, Team};

const BASE: &str = "/v2/";

/// Every endpoint of the API: method, path below the base, action in the ledger, required scope, handler.
/// Each path also works with `.json`.
#[rustfmt::skip]
static ROUTES: &[Route] = &[
    route(Method::GET,    "me",                       "me",                          "team:read",     root::me),
    route(Method::GET,    "team",                     "team",                        "team:read",     root::team),

    route(Method::GET,    "users",                    "users/list",                  "team:read",     list::<users::Users>),
    route(Method::GET,    "users/{id}",               "users/get",                   "team:read",     show::<users::Users>),

    route(Method::GET,    "people",                   "people/list",                 "people:read",   list::<people::People>),
    route(Method::POST,   "people",                  "people/create",               "people:write",  people_write::create),
    route(Method::GET,    "people/{id}",              "people/get",                  "people:read",   show::<people::People>),
    route(Method::PUT,    "people/{id}",             "people/update",               "people:write",  people_write::update),
    route(Method::DELETE, "people/{id}",             "people/delete",               "people:delete", people_write::delete),
    route(Method::POST,   "person_upserts",          "people/upsert",               "people:write",  people_write::upsert),

    route(Method::GET,    "accounts",                 "accounts/list",               "accounts:read", list::<accounts::Accounts>),
    route(Method::POST,   "accounts",                "accounts/create",             "accounts:write",accounts_write::create),
    route(Method::GET,    "accounts/{id}",            "accounts/get",                "accounts:read", show::<accounts::Accounts>),
    route(Method::PUT,    "accounts/{id}",           "accounts/update",             "accounts:write",accounts_write::update),
    route(Method::DELETE, "accounts/{id}",           "accounts/delete",             "accounts:delete",accounts_write::delete),
    route(Method::POST,   "account_upserts",         "accounts/upsert",             "accounts:write",accounts_write::upsert),

    route(Method::GET,    "cadences",                 "cadences/list",               "cadences:read", list::<cadences::Cadences>),
    route(Method::GET,    "cadences/{id}",            "cadences/get",                "cadences:read", show::<cadences::Cadences>),
    route(Method::POST,   "cadence_imports",         "cadence_imports/create",      "cadences:write",cadence_imports::create),
    route(Method::GET,    "cadence_exports/{id}",    "cadence_exports/get",         "cadences:read", cadence_exports::show),

    route(Method::GET,    "cadence_memberships",      "cadence_memberships/list",    "cadences:read", list::<cadence_memberships::CadenceMemberships>),
    route(Method::POST,   "cadence_memberships",     "cadence_memberships/create",  "cadences:write",enrolment::create),
    route(Method::GET,    "cadence_memberships/{id}", "cadence_memberships/get",     "cadences:read", show::<cadence_memberships::CadenceMemberships>),
    route(Method::DELETE, "cadence_memberships/{id}","cadence_memberships/delete",  "cadences:delete",enrolment::delete),

    route(Method::GET,    "steps",                    "steps/list",                  "cadences:read", list::<steps::Steps>),
    route(Method::GET,    "steps/{id}",               "steps/get",                   "cadences:read", show::<steps::Steps>),
    route(Method::GET,    "action_details/email_details/{id}",     "email_details/get",     "cadences:read", steps::email_details),
    route(Method::GET,    "action_details/call_instructions/{id}", "call_instructions/get", "cadences:read", steps::instructions),
    route(Method::GET,    "action_details/other_details/{id}",     "other_details/get",     "cadences:read", steps::instructions),
    route(Method::GET,    "actions",                  "actions/list",                "cadences:read", list::<actions::Actions>),
    route(Method::GET,    "actions/{id}",             "actions/get",                 "cadences:read", show::<actions::Actions>),

    route(Method::GET,    "tasks",                    "tasks/list",                  "tasks:read",    tasks::list_tasks),
    route(Method::POST,   "tasks",                   "tasks/create",                "tasks:write",   tasks_write::create),
    route(Method::GET,    "tasks/{id}",               "tasks/get",                   "tasks:read",    show::<tasks::Tasks>),
    route(Method::PUT,    "tasks/{id}",              "tasks/update",                "tasks:write",   tasks_write::update),

    route(Method::GET,    "email_templates",          "email_templates/list",        "emails:read",   list::<email_templates::EmailTemplates>),
    route(Method::GET,    "email_templates/{id}",     "email_templates/get",         "emails:read",   show::<email_templates::EmailTemplates>),
    route(Method::GET,    "custom_fields",            "custom_fields/list",          "",              list::<custom_fields::CustomFields>),
    route(Method::GET,    "custom_fields/{id}",       "custom_fields/get",           "",              show::<custom_fields::CustomFields>),
    route(Method::GET,    "person_stages",            "person_stages/list",          "people:read",   list::<person_stages::PersonStages>),
    route(Method::GET,    "person_stages/{id}",       "person_stages/get",           "people:read",   show::<person_stages::PersonStages>),

    route(Method::GET,    "webhook_subscriptions",   "webhook_subscriptions/index", "",              webhook_subscriptions::list),
    route(Method::POST,   "webhook_subscriptions",   "webhook_subscriptions/create","",              webhook_subscriptions::create),
    route(Method::GET,    "webhook_subscriptions/{id}","webhook_subscriptions/get",   "",              webhook_subscriptions::show),
    route(Method::PUT,    "webhook_subscriptions/{id}","webhook_subscriptions/update","",              webhook_subscriptions::update),
    route(Method::DELETE, "webhook_subscriptions/{id}","webhook_subscriptions/delete","",              webhook_subscriptions::delete),
];

/// The renderings of rows that are cached.
pub(crate) const RENDERERS: RowRenderers = RowRenderers {
    user: |user| render(user),
    account: |account| render(account),
    contact: |contact| render(contact),
    state: |contact, state| render(cadence_memberships::Membership { contact, state }),
    sequence: |sequence| render(sequence),
    template: |template| render(template),
    // There are no mailboxes.
    mailbox: |_| "{}".to_owned(),
    task: |task| render(task),
    // There are no deals, and there is no database.
    deal: |_| "{}".to_owned(),
    person: |_| "{}".to_owned(),
    company: |_| "{}".to_owned(),
};

/// An endpoint.
type Route = routing::Route<fn(&mut Call<'_>) -> Result<Answer, Refusal>>;

/// A call that has passed all checks before its handler.
#[derive(Debug)]
struct Call<'a> {
    now: DateTime<Utc>,
    team: &'a mut Team,
    query: &'a Query,
    /// Query and body.
    params: &'a Params,
    /// The id in the path, empty where the route has none.
    id: &'a str,
    access: &'a Access,
    /// The fault that changes the list.
    distortion: Option<&'a Action>,
}

impl Call<'_> {
    /// Checks that the token has a scope.
    fn require_scope(&self, scope: &str) -> Result<(), Refusal> {
        if scope.is_empty() || self.access.has_scope(scope) {
            Ok(())
        } else {
            Err(Refusal::no_scope(scope))
        }
    }

    /// The status of an answer with a new record.
    fn created_status(&self) -> u16 {
        if self.team.salesloft.switches.created_status {
            201
        } else {
            200
        }
    }

    fn not_found(&self) -> Refusal {
        Refusal::not_found(self.team.salesloft.switches.not_found_without_status)
    }
}

/// The endpoint at a path, with the id in it.
fn find<'a>(method: &Method, path: &'a str) -> Option<(&'static Route, &'a str)> {
    routing::find(ROUTES, method, below_base(path)?)
}

/// The path without its base, a trailing slash and `.json`. `oauth/token` has no base.
pub(crate) fn below_base(path: &str) -> Option<&str> {
    if path.starts_with(crate::oauth::BASE) {
        return path.strip_prefix('/');
    }
    let path = path.strip_prefix(BASE)?;
    let path = path.strip_suffix('/').unwrap_or(path);
    Some(path.strip_suffix(".json").unwrap_or(path))
}
