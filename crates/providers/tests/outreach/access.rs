//! Who may read, how much, and what refusals say.

use syncline_model::{AuthType, Credentials, Denial, Object, RequestWindow, WindowUsage};
use syncline_providers::{Call, ErrorKind, KeyCheck, Window, http::Method};
use syncline_sim::{Action, Fault, Match, TokenOptions};

use crate::support::{FIRST, access, both, client, now, refused, simulator, tokens};

#[tokio::test]
async fn a_page_tells_what_is_left_of_the_hour_and_a_refusal_when_it_ends() {
    let sim = simulator(50, |options| options.outreach.requests_per_hour = 2);
    let outreach = client(&sim);
    for left in [1, 0] {
        let page = outreach.list(&access(), Object::User, FIRST).await;
        let expected = WindowUsage {
            window: RequestWindow::Hour,
            limit: 2,
            left,
        };
        assert_eq!(page.unwrap().usage, [expected]);
    }
    let error = refused(&outreach, Object::Account).await;
    assert_eq!(error.kind, ErrorKind::RateLimited(Window::Hour));
    assert_eq!(error.retry_after.unwrap().as_secs(), 3_600);
    assert_eq!((error.usage[0].limit, error.usage[0].left), (2, 0));
    assert!(error.message.contains("exceeded"), "{error}");
}

#[tokio::test]
async fn all_calls_count_under_one_name() {
    let (_, outreach) = both(1);
    for object in Object::ALL {
        assert_eq!(outreach.endpoint(Call::List(*object)), "requests");
        assert_eq!(outreach.endpoint(Call::Get(*object)), "requests");
    }
    assert_eq!(outreach.auth_types(), [AuthType::OAuth2]);
    let capabilities = outreach.capabilities();
    assert!(capabilities.live_reads().is_ok() && capabilities.tasks().is_ok());
    assert!(capabilities.enrichments().is_err());
    let forwards = capabilities.forwards().unwrap();
    assert!(!forwards.may_cost_credits("api/v2/prospects"));
    let counted = forwards.endpoint_of(&Method::POST, "api/v2/calls");
    assert_eq!(counted, "requests");
}

#[tokio::test]
async fn tokens_are_valid_and_name_their_user() {
    let (sim, outreach) = both(10);
    let id = sim.read(0, |team| team.user_ids().remove(0));
    let user = outreach.account(&access()).await.unwrap();
    let named = user.clone().unwrap();
    assert!(
        named.starts_with(&format!("{id} of https://app.example/")),
        "{named}"
    );
    let expected = KeyCheck::Valid { account: user };
    assert_eq!(outreach.check(&access()).await, expected);
    sim.edit(0, |team| team.expire_access_tokens(now()));
    for credentials in [access(), tokens("nobody's"), tokens("line\nbreak")] {
        let verdict = outreach.check(&credentials).await;
        assert!(matches!(verdict, KeyCheck::Rejected { .. }), "{verdict:?}");
    }
    let error = refused(&outreach, Object::User).await;
    assert_eq!(error.kind, ErrorKind::Unauthorized);
    assert!(error.message.starts_with("Expired JWT token."), "{error}");
}

#[tokio::test]
async fn a_check_without_a_clear_answer_is_unclear_and_a_denied_one_valid() {
    let (sim, outreach) = both(10);
    sim.faults()
        .push(Fault::new(Match::any(), Action::bad_gateway()));
    sim.faults()
        .push(Fault::new(Match::any(), Action::forbidden()));
    let unclear = outreach.check(&access()).await;
    assert!(matches!(unclear, KeyCheck::Unclear { .. }), "{unclear:?}");
    let denied = outreach.check(&access()).await;
    assert_eq!(denied, KeyCheck::Valid { account: None });
}

#[tokio::test]
async fn an_api_key_is_refused_without_a_request() {
    let (sim, outreach) = both(10);
    let key = Credentials::api_key("sim-outreach-access");
    let error = outreach.list(&key, Object::User, FIRST).await.unwrap_err();
    assert_eq!(
        (error.kind, error.records),
        (ErrorKind::Unauthorized, Some(0))
    );
    assert!(error.message.contains("OAuth"), "{error}");
    let verdict = outreach.check(&key).await;
    assert!(matches!(verdict, KeyCheck::Rejected { .. }));
    assert_eq!(sim.ledger().len(), 0);
}

#[tokio::test]
async fn a_missing_scope_keeps_its_object_away_and_no_other() {
    let sim = simulator(20, |options| {
        let scopes = ["users.read", "accounts.all"];
        options.outreach.tokens = vec![TokenOptions::of_team(0).with_scopes(&scopes)];
    });
    let outreach = client(&sim);
    for object in [Object::User, Object::Account] {
        outreach.list(&access(), object, FIRST).await.unwrap();
    }
    let error = refused(&outreach, Object::Contact).await;
    assert_eq!(error.kind, ErrorKind::Forbidden(Denial::KeyScope));
    assert!(error.message.contains("prospects.read"), "{error}");
    let looked_up = outreach.get(&access(), Object::Contact, "1").await;
    let error = looked_up.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Forbidden(Denial::KeyScope));
}
