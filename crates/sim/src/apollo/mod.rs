//! The Apollo.io API: its routing table, and what is checked for every call before its handler.

#![expect(
    clippy::unnecessary_wraps,
    reason = "handlers share a signature, and some have nothing to refuse"
)]

mod accounts;
mod answer;
mod auth;
mod bulk_companies;
mod bulk_enrichment;
mod bulk_people;
mod catalogues;
mod company_filter;
mod contacts;
mod contacts_write;
mod control;
mod distortion;
mod email_accounts;
mod emailer_campaigns;
mod emailer_steps;
mod enrichment;
mod enrolment;
mod late;
mod mishap;
mod mixed_companies;
mod mixed_people;
mod oauth;
mod opportunities;
mod options;
mod page;
mod refusal;
mod render;
mod reply;
mod tasks;
mod usage_stats;
mod users;
mod webhook_result;

use chrono::{DateTime, Utc};
use http::Method;

pub(crate) use self::answer::{answer, page_of};
pub(crate) use self::auth::team_of;
pub(crate) use self::control::{charges, control};
pub(crate) use self::late::Late;
pub(crate) use self::oauth::GRANT_RULES;
pub use self::options::ApolloOptions;
use self::refusal::{Answer, Refusal};
pub(crate) use self::render::RENDERERS;
use crate::fault::Action;
use crate::params::Params;
use crate::plans::QuotaClass::{self, BulkEnrichment, Database, Enrichment};
use crate::routing::id_in;
use crate::world::{Charge, Team};

/// Every endpoint: method, path below the base, action name for quotas and scopes, handler. The
/// first match counts, so fixed paths come before those with an id.
#[rustfmt::skip]
pub(crate) static ROUTES: &[Route] = &[
    route(Method::GET,    "auth/health",                                 "auth/health",                                  auth::health).open(),

    route(Method::GET,    "users/api_profile",                           "users/api_profile",                            users::api_profile).any_key(),
    route(Method::GET,    "users/search",                                "users/search",                                 users::search),

    route(Method::POST,   "contacts/search",                             "contacts/search",                              contacts::search),
    route(Method::POST,   "contacts/update_stages",                      "contacts/update_stages",                       contacts_write::update_stages),
    route(Method::POST,   "contacts/update_owners",                      "contacts/update_owners",                       contacts_write::update_owners),
    route(Method::POST,   "contacts",                                    "contacts/create",                              contacts_write::create),
    route(Method::GET,    "contacts/{id}",                               "contacts/show",                                contacts::show),
    route(Method::PATCH,  "contacts/{id}",                               "contacts/update",                              contacts_write::update),
    route(Method::PUT,    "contacts/{id}",                               "contacts/update",                              contacts_write::update),
    route(Method::DELETE, "contacts/{id}",                               "contacts/destroy",                             contacts_write::destroy),

    route(Method::POST,   "accounts/search",                             "accounts/search",                              accounts::search),
    route(Method::POST,   "accounts",                                    "accounts/create",                              accounts::create),
    route(Method::GET,    "accounts/{id}",                               "accounts/show",                                accounts::show),
    route(Method::PATCH,  "accounts/{id}",                               "accounts/update",                              accounts::update),
    route(Method::PUT,    "accounts/{id}",                               "accounts/update",                              accounts::update),

    route(Method::POST,   "emailer_campaigns/search",                    "emailer_campaigns/search",                     emailer_campaigns::search),
    route(Method::GET,    "emailer_campaigns/search",                    "emailer_campaigns/search",                     emailer_campaigns::search),
    route(Method::POST,   "emailer_campaigns",                           "emailer_campaigns/create",                     emailer_campaigns::create),
    route(Method::POST,   "emailer_campaigns/remove_or_stop_contact_ids","emailer_campaigns/remove_or_stop_contact_ids", enrolment::remove_or_stop),
    route(Method::POST,   "emailer_campaigns/{id}/add_contact_ids",      "emailer_campaigns/add_contact_ids",            enrolment::add),
    route(Method::POST,   "emailer_campaigns/{id}/approve",              "emailer_campaigns/approve",                    emailer_campaigns::approve),
    route(Method::POST,   "emailer_campaigns/{id}/abort",                "emailer_campaigns/abort",                      emailer_campaigns::abort),
    route(Method::POST,   "emailer_campaigns/{id}/archive",              "emailer_campaigns/archive",                    emailer_campaigns::archive),
    route(Method::GET,    "emailer_campaigns/{id}",                      "emailer_campaigns/show",                       emailer_campaigns::show),

    route(Method::POST,   "emailer_steps",                               "emailer_steps/create",                         emailer_steps::create),
    route(Method::DELETE, "emailer_steps/{id}",                          "emailer_steps/destroy",                        emailer_steps::destroy),
    route(Method::PUT,    "emailer_touches/{id}",                        "emailer_touches/update",                       emailer_steps::update_touch),

    route(Method::GET,    "email_accounts",                              "email_accounts/index",                         email_accounts::index),
    route(Method::GET,    "labels",                                      "labels/index",                                 catalogues::labels),
    route(Method::GET,    "contact_stages",                              "contact_stages/index",                         catalogues::contact_stages),
    route(Method::GET,    "account_stages",                              "account_stages/index",                         catalogues::account_stages),
    route(Method::GET,    "opportunity_stages",                          "opportunity_stages/index",                     catalogues::opportunity_stages),
    route(Method::GET,    "typed_custom_fields",                         "typed_custom_fields/index",                    catalogues::typed_custom_fields),

    route(Method::POST,   "tasks/search",                                "tasks/search",                                 tasks::search),
    route(Method::GET,    "tasks/search",                                "tasks/search",                                 tasks::search),
    route(Method::POST,   "tasks",                                       "tasks/create",                                 tasks::create),
    route(Method::GET,    "tasks/{id}",                                  "tasks/show",                                   tasks::show),
    route(Method::PATCH,  "tasks/{id}",                                  "tasks/update",                                 tasks::update),
    route(Method::POST,   "tasks/{id}/complete",                         "tasks/complete",                               tasks::complete),
    route(Method::POST,   "tasks/{id}/skip",                             "tasks/skip",                                   tasks::skip),

    route(Method::GET,    "opportunities/search",                        "opportunities/search",                         opportunities::search),
    route(Method::POST,   "opportunities",                               "opportunities/create",                         opportunities::create),
    route(Method::GET,    "opportunities/{id}",                          "opportunities/show",                           opportunities::show),
    route(Method::PATCH,  "opportunities/{id}",                          "opportunities/update",                         opportunities::update),

    route(Method::POST,   "people/match",                                "people/match",                                 enrichment::match_person).of(Enrichment),
    route(Method::POST,   "people/bulk_match",                           "people/bulk_match",                            bulk_people::match_people).of(BulkEnrichment),
    route(Method::GET,    "organizations/enrich",                        "organizations/enrich",                         enrichment::enrich_organization).of(Enrichment),
    route(Method::POST,   "organizations/bulk_enrich",                   "organizations/bulk_enrich",                    bulk_companies::enrich_organizations).of(BulkEnrichment),
    route(Method::POST,   "mixed_people/api_search",                     "mixed_people/api_search",                      mixed_people::api_search).of(Database),
    route(Method::POST,   "mixed_companies/search",                      "mixed_companies/search",                       mixed_companies::search).of(Database),

    route(Method::GET,    "webhook_result/{id}",                         "webhook_result/show",                          webhook_result::show),

    route(Method::POST,   "usage_stats/api_usage_stats",                 "usage_stats/api_usage_stats",                  usage_stats::api_usage_stats),
];

/// The documented base path, and the older one that still works.
const BASES: [&str; 2] = ["/api/v1/", "/v1/"];

type Handler = fn(&mut Call<'_>) -> Result<Answer, Refusal>;

/// An endpoint.
#[derive(Debug)]
pub(crate) struct Route {
    method: Method,
    path: &'static str,
    pub(crate) action: &'static str,
    pub(crate) access: Access,
    pub(crate) class: QuotaClass,
    pub(crate) handler: Handler,
}

/// Who may call an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// Everyone; the answer says whether the key is valid.
    Open,
    /// Any key, unless a switch requires that its scope includes the action.
    AnyKey,
    /// A master key, or a key with this action in its scope.
    Scope,
}

/// An authorized call for its handler.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    pub(crate) now: DateTime<Utc>,
    pub(crate) team: &'a mut Team,
    /// The API key, `None` for a call with a token.
    pub(crate) key: Option<&'a str>,
    pub(crate) params: &'a Params,
    /// The id in the path, empty if the route has none.
    pub(crate) id: &'a str,
    pub(crate) action: &'static str,
    /// A fault that changes the list.
    pub(crate) distortion: Option<&'a Action>,
}

impl Call<'_> {
    /// Takes credits for a person, a company or, if the subject is empty, a search.
    fn charge(&mut self, subject: &str, credits: u64) {
        self.team.charge(Charge {
            at: self.now,
            key: self.key.map(str::to_owned),
            action: self.action,
            subject: subject.to_owned(),
            credits,
        });
    }
}

const fn route(
    method: Method,
    path: &'static str,
    action: &'static str,
    handler: Handler,
) -> Route {
    Route {
        method,
        path,
        action,
        access: Access::Scope,
        class: QuotaClass::Ordinary,
        handler,
    }
}

impl Route {
    const fn open(mut self) -> Self {
        self.access = Access::Open;
        self
    }

    const fn any_key(mut self) -> Self {
        self.access = Access::AnyKey;
        self
    }

    const fn of(mut self, class: QuotaClass) -> Self {
        self.class = class;
        self
    }
}

/// The endpoint of a path, with the id in it.
fn find<'a>(method: &Method, path: &'a str) -> Option<(&'static Route, &'a str)> {
    let path = below_base(path)?;
    let mut routes = ROUTES.iter().filter(|route| route.method == *method);
    routes.find_map(|route| Some((route, id_in(route.path, path)?)))
}

/// The path without its base and without a trailing slash.
pub(crate) fn below_base(path: &str) -> Option<&str> {
    let path = BASES.iter().find_map(|base| path.strip_prefix(base))?;
    Some(path.strip_suffix('/').unwrap_or(path))
}
