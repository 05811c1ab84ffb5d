//! The token endpoint's answers, and what is sent there.

use std::sync::Mutex;

use async_trait::async_trait;

use super::*;

static FORM: Rules = Rules {
    authorize_url: "https://provider.example/oauth/authorize",
    token_url: "https://provider.example/oauth/token",
    body: TokenBody::Form,
    takes_proof_key: true,
    names_scopes: true,
    scopes: &["users.read"],
    access_token_life: TimeDelta::hours(1),
    refresh_token_life: None,
};

static JSON: Rules = Rules {
    authorize_url: "https://app.example/#/oauth/authorize",
    body: TokenBody::Json,
    takes_proof_key: false,
    names_scopes: false,
    ..FORM
};

/// Answers every request alike, and keeps the newest one's body.
struct Endpoint {
    answer: Result<Response, ProviderError>,
    body: Mutex<String>,
}

#[async_trait]
impl Transport for Endpoint {
    async fn send(&self, request: Outgoing) -> Result<Response, ProviderError> {
        let body = request.body.unwrap_or_default();
        *self.body.lock().unwrap() = String::from_utf8_lossy(&body).into_owned();
        self.answer.clone()
    }
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "a server can also be without an answer"
)]
fn answer(status: u16, body: &str) -> Result<Response, ProviderError> {
    Ok(Response {
        status,
        headers: HeaderMap::new(),
        body: Bytes::from(body.to_owned()),
    })
}

fn server(
    rules: &'static Rules,
    answer: Result<Response, ProviderError>,
) -> (OAuthServer, Arc<Endpoint>) {
    let endpoint = Arc::new(Endpoint {
        answer,
        body: Mutex::default(),
    });
    let name = ProviderName::literal("provider");
    let transport: Arc<dyn Transport> = endpoint.clone();
    let server = OAuthServer::new(name, rules, OAuthConfig::default(), Some(transport));
    (server.unwrap(), endpoint)
}

fn client() -> OAuthClient {
    OAuthClient {
        id: "client-1".to_owned(),
        secret: "secret-1".to_owned().into(),
    }
}

fn now() -> Time {
    Time::from_timestamp_millis(1_800_000_000_000).unwrap()
}

async fn refreshed(
    rules: &'static Rules,
    given: Result<Response, ProviderError>,
) -> (Result<OAuthTokens, TokenError>, String) {
    let (server, endpoint) = server(rules, given);
    let token = SecretString::from("refresh-1");
    let refreshed = server.refresh(&client(), &token, now()).await;
    let body = endpoint.body.lock().unwrap().clone();
    (refreshed, body)
}

async fn kind_of(given: Result<Response, ProviderError>) -> TokenErrorKind {
    refreshed(&FORM, given).await.0.unwrap_err().kind
}

#[tokio::test]
async fn a_refresh_returns_the_new_pair_and_when_it_expires() {
    let given = answer(
        200,
        r#"{"access_token":"a2","refresh_token":"r2","expires_in":7200,"token_type":"bearer"}"#,
    );
    let (tokens, sent) = refreshed(&FORM, given).await;
    let tokens = tokens.unwrap();
    assert_eq!(tokens.access_token.expose_secret(), "a2");
    assert_eq!(tokens.refresh_token.expose_secret(), "r2");
    assert_eq!(tokens.expires_at, now() + TimeDelta::hours(2));
    assert_eq!(
        sent,
        "grant_type=refresh_token&client_id=client-1&client_secret=secret-1&refresh_token=refresh-1"
    );
}

#[tokio::test]
async fn a_refresh_token_that_is_not_repeated_stays() {
    for given in [
        r#"{"access_token":"a2"}"#,
        r#"{"access_token":"a2","refresh_token":null,"expires_in":0}"#,
        r#"{"access_token":"a2","refresh_token":"","expires_in":9223372036854775807}"#,
    ] {
        let tokens = refreshed(&JSON, answer(200, given)).await.0.unwrap();
        assert_eq!(tokens.refresh_token.expose_secret(), "refresh-1", "{given}");
        assert_eq!(tokens.expires_at, now() + TimeDelta::hours(1), "{given}");
    }
}

#[tokio::test]
async fn a_code_is_sent_with_its_proof_key_as_the_server_reads_it() {
    let given = || answer(200, r#"{"access_token":"a","refresh_token":"r"}"#);
    for (rules, expected) in [
        (
            &FORM,
            "grant_type=authorization_code&client_id=client-1&client_secret=secret-1&code=c%2B1&\
             redirect_uri=https%3A%2F%2Fwe.example%2Foauth%2Fcallback&code_verifier=v-1",
        ),
        (
            &JSON,
            r#"{"grant_type":"authorization_code","client_id":"client-1","client_secret":"secret-1","code":"c+1","redirect_uri":"https://we.example/oauth/callback"}"#,
        ),
    ] {
        let (server, endpoint) = server(rules, given());
        let code = Code {
            code: &SecretString::from("c+1"),
            redirect_uri: "https://we.example/oauth/callback",
            verifier: Some(&SecretString::from("v-1")),
        };
        server.exchange(&client(), code, now()).await.unwrap();
        assert_eq!(*endpoint.body.lock().unwrap(), expected);
    }
}

#[tokio::test]
async fn only_an_invalid_grant_ends_an_authorization() {
    for status in [400, 401] {
        let invalid = answer(status, r#"{"error":"invalid_grant"}"#);
        assert_eq!(kind_of(invalid).await, TokenErrorKind::InvalidGrant);
        let client = answer(status, r#"{"error":"invalid_client"}"#);
        assert_eq!(kind_of(client).await, TokenErrorKind::Misconfigured);
    }
    let throttled = answer(429, "Retry later\n");
    assert_eq!(kind_of(throttled).await, TokenErrorKind::RateLimited);
    for (status, body) in [
        (503, "no healthy upstream"),
        (400, "Bad Request"),
        (502, r#"{"error":{"code":7}}"#),
    ] {
        let kind = kind_of(answer(status, body)).await;
        assert_eq!(kind, TokenErrorKind::Temporary, "{status} {body}");
    }
}

#[tokio::test]
async fn an_answer_that_got_lost_may_have_replaced_the_token() {
    for lost in [
        Err(ProviderError::new(ErrorKind::Timeout, None, "timed out")),
        Err(ProviderError::new(ErrorKind::Connection, None, "reset")),
        answer(200, "<html>"),
        answer(200, r#"{"access_token":"a\nb","refresh_token":"r"}"#),
    ] {
        assert_eq!(kind_of(lost).await, TokenErrorKind::Unknown);
    }
    let unsent = ProviderError::new(ErrorKind::Connection, None, "refused").with_records(0);
    assert_eq!(kind_of(Err(unsent)).await, TokenErrorKind::Temporary);
}

#[tokio::test]
async fn errors_repeat_no_secret() {
    let echo = answer(400, "no refresh-1 of client-1 with secret-1");
    let error = refreshed(&FORM, echo).await.0.unwrap_err();
    assert_eq!(
        error.reason,
        "the token endpoint answered 400 no [redacted] of client-1 with [redacted]"
    );
}

#[test]
fn a_customer_is_sent_to_the_provider_with_what_it_needs() {
    let scopes = ["users.read".to_owned(), "tasks.all".to_owned()];
    let authorization = Authorization {
        client_id: "client-1",
        redirect_uri: "https://we.example/oauth/callback",
        scopes: &scopes,
        state: "s-1",
        challenge: Some("d-1"),
    };
    let url = |rules| {
        server(rules, answer(200, ""))
            .0
            .authorize_url(&authorization)
    };
    assert_eq!(
        url(&FORM).as_str(),
        "https://provider.example/oauth/authorize?response_type=code&client_id=client-1&\
         redirect_uri=https%3A%2F%2Fwe.example%2Foauth%2Fcallback&state=s-1&\
         scope=users.read+tasks.all&code_challenge=d-1&code_challenge_method=S256"
    );
    assert_eq!(
        url(&JSON).as_str(),
        "https://app.example/#/oauth/authorize?response_type=code&client_id=client-1&\
         redirect_uri=https%3A%2F%2Fwe.example%2Foauth%2Fcallback&state=s-1"
    );
}

#[test]
fn an_address_that_is_no_url_is_refused_by_its_setting() {
    let config = OAuthConfig {
        token_url: Some("provider.example/token".to_owned()),
        ..OAuthConfig::default()
    };
    let refused = OAuthServer::new(ProviderName::literal("provider"), &FORM, config, None);
    assert_eq!(
        refused.unwrap_err().to_string(),
        "the token_url of provider is not usable: it must begin with http:// or https://"
    );
}
