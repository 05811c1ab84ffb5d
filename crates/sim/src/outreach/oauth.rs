//! What is particular to Outreach's OAuth server: the rules of tokens, scopes, PKCE and the statuses of errors.

use bytes::Bytes;
use chrono::TimeDelta;

use super::answer::{fault_refusal, reply};
use super::options::OutreachOptions;
use super::refusal::{JSON, Refusal};
use super::switches::{OutreachSwitches, TokenErrors};
use crate::dialect::RequestContext;
use crate::grants::{GrantRules, OldRefreshToken, TokenForm};
use crate::oauth::{self, Client, Consent, Endpoint, HTML, TokenError};
use crate::params::Params;
use crate::request::SimReply;

/// The resources that have scopes: `.read`, `.write`, `.delete` and `.all`.
const FAMILIES: [&str; 20] = [
    "accounts",
    "batches",
    "batchItems",
    "calls",
    "emailAddresses",
    "events",
    "mailboxes",
    "mailings",
    "phoneNumbers",
    "prospects",
    "rulesets",
    "sequenceStates",
    "sequenceSteps",
    "sequenceTemplates",
    "sequences",
    "stages",
    "tasks",
    "templates",
    "users",
    "webhooks",
];

/// The rules of Outreach's tokens.
pub(crate) fn grant_rules(switches: &OutreachSwitches) -> GrantRules {
    GrantRules {
        form: TokenForm::Jwt,
        access_life: TimeDelta::hours(2),
        refresh_life: Some(TimeDelta::days(14)),
        most_newer: Some(100),
        throttle: switches.refresh_throttle.then_some(TimeDelta::seconds(60)),
        old_refresh_token: if switches.old_refresh_valid {
            OldRefreshToken::StaysValid
        } else {
            OldRefreshToken::DeadAtOnce
        },
        refresh_ends_old_access: false,
    }
}

pub(super) fn answer(context: &mut RequestContext<'_>) -> SimReply {
    let settings = &context.options.outreach;
    let params = Params::read(context.request);
    let endpoint = oauth::endpoint(context);
    let mut headers = Vec::new();
    if let Err(refusal) = fault_refusal(context, &mut headers) {
        return refused(context, refusal, headers);
    }
    match endpoint {
        Some(Endpoint::Authorize) => {
            let shown = consent(settings, &params).answer(context, &params);
            let html = Bytes::from(shown.html);
            reply(context, shown.status, HTML, html, shown.headers)
        }
        Some(Endpoint::Token) => match oauth::pair_for(context, &params, client(settings)) {
            Ok(pair) => {
                let body = oauth::pair_body(context.now, &pair, "Bearer", &pair.scopes);
                reply(context, 200, JSON, Bytes::from(body), headers)
            }
            Err(error) => {
                let refusal = token_refusal(error, settings.switches.token_errors);
                refused(context, refusal, headers)
            }
        },
        None => refused(context, Refusal::no_such_route(), headers),
    }
}

fn refused(
    context: &RequestContext<'_>,
    refusal: Refusal,
    headers: Vec<(String, String)>,
) -> SimReply {
    let body = Bytes::from(refusal.body);
    reply(context, refusal.status, refusal.content_type, body, headers)
}

fn client(settings: &OutreachOptions) -> Client<'_> {
    Client {
        id: &settings.client_id,
        secret: &settings.client_secret,
        redirect_uris: &settings.redirect_uris,
    }
}

fn consent<'a>(settings: &'a OutreachOptions, params: &Params) -> Consent<'a> {
    let asked = params.text("scope").unwrap_or_default();
    let scopes = if settings.switches.pkce_refused && params.has("code_challenge") {
        Err("invalid_request")
    } else {
        scopes(&asked).ok_or("invalid_scope")
    };
    Consent {
        client: client(settings),
        name: "Outreach",
        buttons: ["Allow", "Deny"],
        scopes,
        scopes_in_request: true,
        approval_signs_in: true,
    }
}

/// Parses scopes separated by spaces; `None` if one does not exist, or there are none.
fn scopes(text: &str) -> Option<Vec<String>> {
    let scopes: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
    let known = |scope: &String| {
        let parts = scope.split_once('.');
        parts.is_some_and(|(family, action)| {
            FAMILIES.contains(&family) && ["all", "read", "write", "delete"].contains(&action)
        })
    };
    (!scopes.is_empty() && scopes.iter().all(known)).then_some(scopes)
}

fn token_refusal(error: TokenError, errors: TokenErrors) -> Refusal {
    let status = match errors {
        TokenErrors::BadRequest if error == TokenError::InvalidClient => 400,
        _ => error.status(),
    };
    let (content_type, body) = error.content();
    Refusal {
        status,
        content_type,
        body,
    }
}
