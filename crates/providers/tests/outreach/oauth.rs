//! From a customer's consent to tokens, and from tokens to newer ones.

#![expect(
    clippy::unwrap_used,
    reason = "a test's helpers may panic as its tests do"
)]

use std::{collections::HashMap, sync::Arc};

use chrono::TimeDelta;
use secrecy::ExposeSecret;
use syncline_model::{Credentials, OAuthClient, Object};
use syncline_providers::{
    KeyCheck, Provider, TokenErrorKind,
    oauth::{Authorization, Code},
};
use syncline_sim::{SimRequest, Simulator};

use crate::support::{FIRST, both, now};

fn oauth_client() -> OAuthClient {
    OAuthClient {
        id: "sim-outreach-client".to_owned(),
        secret: "sim-outreach-secret".to_owned().into(),
    }
}

const REDIRECT_URI: &str = "https://syncline.test/oauth/callback";

/// Consents as the oldest user, and returns the code.
fn consent(sim: &Simulator, outreach: &Arc<dyn Provider>) -> String {
    let server = outreach.oauth().unwrap();
    let scopes: Vec<String> = server
        .rules()
        .scopes
        .iter()
        .map(|it| (*it).to_owned())
        .collect();
    let mut url = server.authorize_url(&Authorization {
        client_id: "sim-outreach-client",
        redirect_uri: REDIRECT_URI,
        scopes: &scopes,
        state: "state-1",
        challenge: Some("challenge"),
    });
    assert_eq!(url.host_str(), Some("api.outreach.io"));
    assert!(!url.as_str().contains("challenge"), "{url}");
    url.query_pairs_mut().append_pair("sim_decision", "approve");
    let target = format!("{}?{}", url.path(), url.query().unwrap());
    let reply = sim.respond(now(), &SimRequest::get(&target));
    assert_eq!(reply.status, 302, "{}", reply.text());
    let back: reqwest::Url = reply.header("location").unwrap().parse().unwrap();
    let pairs: HashMap<String, String> = back.query_pairs().into_owned().collect();
    assert_eq!(pairs["state"], "state-1");
    pairs["code"].clone()
}

#[tokio::test]
async fn a_customer_who_consents_can_be_read() {
    let (sim, outreach) = both(20);
    let server = outreach.oauth().unwrap();
    let code = consent(&sim, &outreach).into();
    let code = Code {
        code: &code,
        redirect_uri: REDIRECT_URI,
        verifier: None,
    };
    let tokens = server.exchange(&oauth_client(), code, now()).await.unwrap();
    assert_eq!(tokens.expires_at, now() + TimeDelta::hours(2));
    let credentials = Credentials::OAuth(tokens);
    for object in Object::ALL {
        let page = outreach.list(&credentials, *object, FIRST).await.unwrap();
        assert!(page.returned > 0, "{object}");
    }
    let again = server.exchange(&oauth_client(), code, now()).await;
    assert_eq!(again.unwrap_err().kind, TokenErrorKind::InvalidGrant);
}

#[tokio::test]
async fn a_refresh_token_becomes_new_tokens_once_a_minute() {
    let (_, outreach) = both(20);
    let server = outreach.oauth().unwrap();
    let old = "sim-outreach-refresh".to_owned().into();
    let tokens = server.refresh(&oauth_client(), &old, now()).await.unwrap();
    let is_new = tokens.refresh_token.expose_secret() != "sim-outreach-refresh";
    assert!(is_new, "every refresh returns another refresh token");
    let checked = outreach.check(&Credentials::OAuth(tokens)).await;
    assert!(matches!(checked, KeyCheck::Valid { .. }), "{checked:?}");
    let soon = server.refresh(&oauth_client(), &old, now()).await;
    assert_eq!(soon.unwrap_err().kind, TokenErrorKind::RateLimited);
    let stranger = "nobody's".to_owned().into();
    let refused = server.refresh(&oauth_client(), &stranger, now()).await;
    assert_eq!(refused.unwrap_err().kind, TokenErrorKind::InvalidGrant);
    let client = OAuthClient {
        secret: "wrong".to_owned().into(),
        ..oauth_client()
    };
    let refused = server.refresh(&client, &old, now()).await;
    assert_eq!(refused.unwrap_err().kind, TokenErrorKind::Misconfigured);
}
