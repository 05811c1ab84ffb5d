//! What is particular to Apollo's OAuth server: tokens of 30 days, scopes with names of their own, and how
//! calls with a token are refused.

use bytes::Bytes;
use chrono::TimeDelta;

use super::ApolloOptions;
use super::refusal::{JSON, Refusal};
use crate::dialect::RequestContext;
use crate::fault::Action;
use crate::grants::{GrantRules, OldRefreshToken, TokenForm};
use crate::oauth::{self, Client, Consent, Endpoint, HTML};
use crate::params::Params;
use crate::request::SimReply;

/// Refresh tokens rotate. When they end is not documented.
pub(crate) const GRANT_RULES: GrantRules = GrantRules {
    form: TokenForm::Hex,
    access_life: TimeDelta::days(30),
    refresh_life: None,
    most_newer: None,
    throttle: None,
    old_refresh_token: OldRefreshToken::DeadAtOnce,
    refresh_ends_old_access: false,
};

/// The scope of each action; those of the other actions are not known, so any token will do.
const SCOPES: &[(&str, &str)] = &[
    ("accounts/search", "accounts_search"),
    ("accounts/show", "account_read"),
    ("contacts/create", "contact_write"),
    ("contacts/search", "contacts_search"),
    ("contacts/show", "contact_read"),
    ("contacts/update", "contact_update"),
    ("email_accounts/index", "email_accounts_list"),
    (
        "emailer_campaigns/add_contact_ids",
        "emailer_campaigns_add_contact_ids",
    ),
    (
        "emailer_campaigns/remove_or_stop_contact_ids",
        "emailer_campaigns_remove_or_stop_contact_ids",
    ),
    ("emailer_campaigns/search", "emailer_campaigns_search"),
    ("labels/index", "tags_list"),
    ("mixed_companies/search", "mixed_companies_search"),
    ("mixed_people/api_search", "mixed_people_api_search"),
    ("opportunities/create", "opportunity_write"),
    ("opportunities/search", "opportunities_list"),
    ("opportunities/show", "opportunity_read"),
    ("opportunities/update", "opportunity_update"),
    ("opportunity_stages/index", "opportunity_stages_list"),
    ("organizations/bulk_enrich", "organizations_bulk_enrich"),
    ("people/bulk_match", "people_bulk_match"),
    ("tasks/create", "tasks_create"),
    ("tasks/search", "tasks_list"),
    ("typed_custom_fields/index", "custom_fields_list"),
    ("usage_stats/api_usage_stats", "api_usage_stats_read"),
    ("users/api_profile", "read_user_profile"),
    ("users/search", "users_list"),
    ("webhook_result/show", "webhook_result_read"),
];

/// The scope that an action needs.
pub(super) fn scope_of(action: &str) -> Option<&'static str> {
    let known = SCOPES.iter().find(|(of, _)| *of == action);
    known.map(|(_, scope)| *scope)
}

pub(super) fn answer(context: &mut RequestContext<'_>) -> SimReply {
    let settings = &context.options.apollo;
    let params = Params::read(context.request);
    let endpoint = oauth::endpoint(context);
    if let Some(Action::Answer { status, body, .. }) = context.fault {
        return reply(context, *status, JSON, Bytes::from(body.clone()));
    }
    match endpoint {
        Some(Endpoint::Authorize) => {
            let shown = consent(settings, &params).answer(context, &params);
            let html = Bytes::from(shown.html);
            SimReply::new(context.now, shown.status, HTML, html, shown.headers)
        }
        Some(Endpoint::Token) => match oauth::pair_for(context, &params, client(settings)) {
            Ok(pair) => {
                let body = oauth::pair_body(context.now, &pair, "Bearer", &pair.scopes);
                reply(context, 200, JSON, Bytes::from(body))
            }
            Err(error) => {
                let (content_type, body) = error.content();
                reply(context, error.status(), content_type, Bytes::from(body))
            }
        },
        None => {
            let refusal = Refusal::not_found();
            let body = Bytes::from(refusal.body);
            reply(context, refusal.status, refusal.content_type, body)
        }
    }
}

fn reply(context: &RequestContext<'_>, status: u16, content_type: &str, body: Bytes) -> SimReply {
    SimReply::new(context.now, status, content_type, body, Vec::new())
}

fn client(settings: &ApolloOptions) -> Client<'_> {
    Client {
        id: &settings.client_id,
        secret: &settings.client_secret,
        redirect_uris: &settings.redirect_uris,
    }
}

fn consent<'a>(settings: &'a ApolloOptions, params: &Params) -> Consent<'a> {
    let asked = params.text("scope").unwrap_or_default();
    let scopes: Vec<String> = asked.split_whitespace().map(str::to_owned).collect();
    let is_known = |scope: &String| SCOPES.iter().any(|(_, known)| known == scope);
    let all_known = !scopes.is_empty() && scopes.iter().all(is_known);
    Consent {
        client: client(settings),
        name: "Apollo",
        buttons: ["Authorize", "Cancel"],
        scopes: all_known.then_some(scopes).ok_or("invalid_scope"),
        scopes_in_request: true,
        approval_signs_in: false,
    }
}
