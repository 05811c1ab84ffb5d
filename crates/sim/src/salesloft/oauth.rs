//! What is particular to Salesloft's OAuth server: the rules of tokens, scopes and the statuses of errors.
//!
//! There is no scope parameter: scopes are the application's.

use bytes::Bytes;
use chrono::TimeDelta;

use super::answer::fault_refusal;
use super::options::SalesloftOptions;
use super::refusal::{JSON, Refusal};
use super::switches::SalesloftSwitches;
use crate::dialect::RequestContext;
use crate::grants::{GrantRules, TokenForm};
use crate::oauth::{self, Client, Consent, Endpoint, HTML, TokenError};
use crate::params::Params;
use crate::request::SimReply;
use crate::tokens::TokenPair;

/// The rules of Salesloft's tokens. Refresh tokens have no documented end.
pub(crate) fn grant_rules(switches: &SalesloftSwitches) -> GrantRules {
    GrantRules {
        form: TokenForm::Hex,
        access_life: TimeDelta::hours(2),
        refresh_life: None,
        most_newer: None,
        throttle: None,
        old_refresh_token: switches.old_refresh_token,
        refresh_ends_old_access: switches.refresh_ends_old_access,
    }
}

pub(super) fn answer(context: &mut RequestContext<'_>) -> SimReply {
    let settings = &context.options.salesloft;
    let params = Params::read(context.request);
    let endpoint = oauth::endpoint(context);
    let mut headers = Vec::new();
    if let Err(refusal) = fault_refusal(context, &mut headers) {
        return refused(context, refusal, headers);
    }
    match endpoint {
        Some(Endpoint::Authorize) => {
            let shown = consent(settings).answer(context, &params);
            let html = Bytes::from(shown.html);
            SimReply::new(context.now, shown.status, HTML, html, shown.headers)
        }
        Some(Endpoint::Token) => match oauth::pair_for(context, &params, client(settings)) {
            Ok(pair) => {
                let scopes = told_scopes(settings, &pair);
                let body = oauth::pair_body(context.now, &pair, "bearer", scopes);
                SimReply::new(context.now, 200, JSON, Bytes::from(body), headers)
            }
            Err(error) => refused(context, token_refusal(error, &settings.switches), headers),
        },
        None => refused(context, Refusal::not_found(false), headers),
    }
}

fn refused(
    context: &RequestContext<'_>,
    refusal: Refusal,
    headers: Vec<(String, String)>,
) -> SimReply {
    let body = Bytes::from(refusal.body);
    SimReply::new(
        context.now,
        refusal.status,
        refusal.content_type,
        body,
        headers,
    )
}

fn client(settings: &SalesloftOptions) -> Client<'_> {
    Client {
        id: &settings.client_id,
        secret: &settings.client_secret,
        redirect_uris: &settings.redirect_uris,
    }
}

fn consent(settings: &SalesloftOptions) -> Consent<'_> {
    Consent {
        client: client(settings),
        name: "Salesloft",
        buttons: ["Authorize", "Cancel"],
        scopes: Ok(settings.scopes.clone()),
        scopes_in_request: false,
        approval_signs_in: false,
    }
}

/// The scopes of a pair; a token for everything has those of the application.
fn told_scopes<'a>(settings: &'a SalesloftOptions, pair: &'a TokenPair) -> &'a [String] {
    if pair.scopes.is_empty() {
        &settings.scopes
    } else {
        &pair.scopes
    }
}

fn token_refusal(error: TokenError, switches: &SalesloftSwitches) -> Refusal {
    let status = if switches.token_errors_are_unauthorized {
        401
    } else {
        error.status()
    };
    let (content_type, body) = error.content();
    Refusal {
        status,
        content_type,
        body,
    }
}
