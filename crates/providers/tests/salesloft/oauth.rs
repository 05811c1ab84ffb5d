//! Consent, and the tokens that it leads to.

use std::sync::Arc;

use chrono::TimeDelta;
use secrecy::{ExposeSecret, SecretString};
use syncline_model::{OAuthClient, Object};
use syncline_providers::{
    Credentials, Provider, TokenErrorKind,
    oauth::{Authorization, Code},
};
use syncline_sim::{SimRequest, Simulator};

use crate::support::{FIRST, now, usual};

const BACK: &str = "https://app.test/oauth/callback";

fn application() -> OAuthClient {
    OAuthClient {
        id: "sim-salesloft-client".to_owned(),
        secret: "sim-salesloft-secret".into(),
    }
}

/// The code of a customer who consents.
fn consent(sim: &Simulator, salesloft: &Arc<dyn Provider>) -> SecretString {
    let authorization = Authorization {
        client_id: "sim-salesloft-client",
        redirect_uri: BACK,
        scopes: &["people:read".to_owned()],
        state: "s1",
        challenge: Some("not taken"),
    };
    let mut url = salesloft.oauth().unwrap().authorize_url(&authorization);
    let asked = url.query().unwrap();
    assert!(
        !asked.contains("scope") && !asked.contains("challenge"),
        "{asked}"
    );
    url.query_pairs_mut().append_pair("sim_decision", "approve");
    let target = format!("{}?{}", url.path(), url.query().unwrap());
    let reply = sim.respond(now(), &SimRequest::get(&target));
    let back = reqwest::Url::parse(reply.header("location").unwrap()).unwrap();
    let mut told = back.query_pairs();
    told.find(|(name, _)| name == "code")
        .unwrap()
        .1
        .into_owned()
        .into()
}

#[tokio::test]
async fn a_consent_buys_tokens_that_are_refreshed_once() {
    let (sim, salesloft) = usual(10);
    let server = salesloft.oauth().unwrap();
    let code = Code {
        code: &consent(&sim, &salesloft),
        redirect_uri: BACK,
        verifier: None,
    };
    let first = server.exchange(&application(), code, now()).await.unwrap();
    assert_eq!(first.expires_at, now() + TimeDelta::hours(2));
    let application = application();
    let refresh = |token| server.refresh(&application, token, now());
    let second = refresh(&first.refresh_token).await.unwrap();
    let secrets = [&first.refresh_token, &second.refresh_token].map(ExposeSecret::expose_secret);
    assert_ne!(secrets[0], secrets[1]);
    let used = refresh(&first.refresh_token).await.unwrap_err();
    assert_eq!(used.kind, TokenErrorKind::InvalidGrant);
    let credentials = Credentials::OAuth(second);
    assert!(
        salesloft
            .list(&credentials, Object::User, FIRST)
            .await
            .is_ok()
    );
    let stranger = OAuthClient {
        secret: "wrong".into(),
        ..application
    };
    let refused = server.refresh(&stranger, &first.refresh_token, now());
    assert_eq!(
        refused.await.unwrap_err().kind,
        TokenErrorKind::Misconfigured
    );
}
