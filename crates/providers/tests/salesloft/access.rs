//! What a token may do: one record by its id, the points of the minute, and who it belongs to.

use chrono::TimeDelta;
use syncline_model::{AuthType, Denial, Object, RequestWindow, WindowUsage};
use syncline_providers::{Call, Credentials, ErrorKind, Found, KeyCheck, ListRequest, Window};
use syncline_sim::{Action, Fault, Match};

use crate::support::{FIRST, READ, at, first_user, now, refused, token, truth, usual, with};

#[tokio::test]
async fn mailboxes_are_not_supported_and_nothing_is_sent_for_them() {
    let (sim, salesloft) = usual(10);
    assert!(!salesloft.support(Object::Mailbox).list);
    assert_eq!(salesloft.objects(), READ);
    let error = refused(&salesloft, &first_user(), Object::Mailbox).await;
    assert_eq!((error.kind, error.records), (ErrorKind::Rejected, Some(0)));
    for (object, id) in [(Object::Mailbox, "7"), (Object::Contact, "7/notes")] {
        let error = salesloft.get(&first_user(), object, id).await.unwrap_err();
        assert_eq!((error.kind, error.records), (ErrorKind::Rejected, Some(0)));
    }
    assert!(sim.ledger().is_empty());
}

#[tokio::test]
async fn a_record_exists_until_it_is_deleted_or_hidden() {
    let (sim, salesloft) = usual(40);
    for object in READ {
        let id = truth(&sim, object).remove(0);
        let lookup = salesloft.get(&first_user(), object, &id).await.unwrap();
        assert_eq!(lookup.found, Found::Exists, "{object}");
        assert_eq!(lookup.usage.len(), 1);
    }
    let (deleted, hidden, cadence) = sim.edit(0, |team| {
        let mut people = team.contact_ids();
        let cadence = team.sequence_ids().remove(0);
        team.delete_contact(&people[0]).unwrap();
        team.hide_contact(&people[1]).unwrap();
        team.delete_sequence(&cadence).unwrap();
        (people.remove(0), people.remove(0), cadence)
    });
    for (object, id) in [
        (Object::Contact, deleted.as_str()),
        (Object::Contact, hidden.as_str()),
        (Object::Contact, "999999999"),
        (Object::Sequence, cadence.as_str()),
    ] {
        let lookup = salesloft.get(&first_user(), object, id).await.unwrap();
        assert!(matches!(lookup.found, Found::Gone { .. }), "{lookup:?}");
        assert_eq!(lookup.usage.len(), 1);
    }
}

#[tokio::test]
async fn every_answer_tells_what_is_left_of_the_minute() {
    let (_, salesloft) = usual(10);
    let left = |left| WindowUsage {
        window: RequestWindow::Minute,
        limit: 600,
        left,
    };
    let listed = salesloft.list(&first_user(), Object::User, FIRST).await;
    assert_eq!(listed.unwrap().usage, [left(599)]);
    let deep = ListRequest { page: 501, ..FIRST };
    let listed = salesloft.list(&first_user(), Object::User, deep).await;
    assert_eq!(listed.unwrap().usage, [left(569)]);
    assert_eq!(salesloft.endpoint(Call::List(Object::User)), "requests");
    assert_eq!(salesloft.endpoint(Call::Get(Object::Contact)), "requests");
}

#[tokio::test]
async fn a_refusal_for_want_of_points_is_about_the_minute() {
    let (sim, salesloft) = with(10, |options| options.points_per_minute = 1);
    salesloft
        .list(&first_user(), Object::User, FIRST)
        .await
        .unwrap();
    let error = refused(&salesloft, &first_user(), Object::User).await;
    assert_eq!(error.kind, ErrorKind::RateLimited(Window::Minute));
    assert_eq!((error.usage[0].limit, error.usage[0].left), (1, 0));
    assert_eq!(error.retry_after, None);
    let later = at(&sim, now() + TimeDelta::minutes(1));
    assert!(later.list(&first_user(), Object::User, FIRST).await.is_ok());
}

#[tokio::test]
async fn a_token_is_refused_when_it_is_unknown_and_an_object_when_its_scope_is_missing() {
    let (sim, salesloft) = usual(10);
    let error = refused(&salesloft, &token("nobody's"), Object::User).await;
    assert_eq!(error.kind, ErrorKind::Unauthorized);
    assert_eq!(error.message, "Invalid Bearer token");
    let narrow = sim.edit(0, |team| {
        let user = team.user_ids().remove(0);
        team.grant_tokens(now(), &user, Some(&["people:read"]))
    });
    let narrow = token(&narrow.access);
    assert!(
        salesloft
            .list(&narrow, Object::Contact, FIRST)
            .await
            .is_ok()
    );
    let error = refused(&salesloft, &narrow, Object::Account).await;
    assert_eq!(error.kind, ErrorKind::Forbidden(Denial::KeyScope));
    let error = salesloft.get(&narrow, Object::Account, "7").await;
    let error = error.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Forbidden(Denial::KeyScope));
    let valid = KeyCheck::Valid { account: None };
    assert_eq!(salesloft.check(&narrow).await, valid);
    assert_eq!(salesloft.account(&narrow).await, Ok(None));
}

#[tokio::test]
async fn a_token_is_valid_and_names_its_team() {
    let (sim, salesloft) = usual(10);
    assert_eq!(salesloft.auth_types(), [AuthType::OAuth2]);
    let account = Some(sim.read(0, |team| team.id().to_owned()));
    let key = Credentials::api_key("sim-salesloft-access");
    for credentials in [first_user(), key] {
        let account = account.clone();
        assert_eq!(salesloft.account(&credentials).await, Ok(account.clone()));
        let valid = KeyCheck::Valid { account };
        assert_eq!(salesloft.check(&credentials).await, valid);
    }
    let unknown = salesloft.check(&token("nobody's")).await;
    assert!(matches!(unknown, KeyCheck::Rejected { .. }), "{unknown:?}");
    let outage = Fault::new(Match::path("/v2/me"), Action::bad_gateway());
    sim.faults().push(outage);
    let unclear = salesloft.check(&first_user()).await;
    assert!(matches!(unclear, KeyCheck::Unclear { .. }), "{unclear:?}");
}
