//! What callers are told of the failures and limits of Outreach and Salesloft.

use macro_rules_attribute::apply;
use syncline_sim::{Action, Fault, Match, Window};

use super::{at_both_providers, connections};
use crate::{engagement::path, http::refused};

#[apply(at_both_providers)]
async fn a_failure_of_the_provider_keeps_its_status_and_is_never_ours(
    provider: Provider,
    database: Database,
) {
    let app = provider.connected(database, 5).await;
    for (fault, status, code) in [
        (Action::server_error(), 502, "BAD_GATEWAY_ERROR"),
        (Action::bad_gateway(), 502, "BAD_GATEWAY_ERROR"),
        (Action::unavailable(), 503, "SERVICE_UNAVAILABLE_ERROR"),
        (Action::InvalidResponse, 502, "BAD_GATEWAY_ERROR"),
        (Action::forbidden(), 403, "FORBIDDEN_ERROR"),
    ] {
        let list = Match::path(provider.contacts);
        app.apollo.faults().push(Fault::new(list, fault));
        let answer = app.get(&path("contacts")).await;
        refused(&answer, status, code);
        let origin = &answer.body["errors"][0]["meta"]["origin"];
        assert_eq!(origin, "remote-provider");
        assert!(
            !answer.body.to_string().contains("sim-"),
            "no token is told"
        );
    }
    app.get(&path("contacts")).await.ok();
}

/// Both count all endpoints together. Salesloft doesn't say for how long it refuses: a minute.
#[apply(at_both_providers)]
async fn after_a_refusal_nothing_is_sent_until_its_end(provider: Provider, database: Database) {
    let app = provider.connected(database, 5).await;
    let refusal = Action::RateLimited {
        window: Window::Minute,
        retry_after: Some(60),
    };
    let list = Match::path(provider.contacts);
    app.apollo.faults().push(Fault::new(list, refusal));
    let answer = app.get(&path("contacts")).await;
    assert_eq!(answer.status, 429, "{}", answer.body);
    let sent = app.apollo.ledger().len();
    for list in provider.lists() {
        let answer = app.get(&path(&list)).await;
        assert_eq!(answer.status, 429, "{list}: {}", answer.body);
    }
    assert_eq!(app.apollo.ledger().len(), sent);
    app.clock.advance(chrono::TimeDelta::seconds(61));
    app.get(&path("contacts")).await.ok();
}

#[apply(at_both_providers)]
async fn what_is_left_of_the_window_is_what_the_provider_says(
    provider: Provider,
    database: Database,
) {
    let app = provider.connected(database, 5).await;
    app.work_off().await;
    let info = format!("{}/{}/_rate_limit_info", connections(), provider.name);
    let info = app.get(&info).await.ok();
    let (window, limit) = match provider.name {
        "outreach" => ("requests per hour", 10_000),
        _ => ("requests per minute", 600),
    };
    let told = &info["other"][window];
    assert_eq!(told["limit"], limit, "{info}");
    let requests = app.apollo.ledger().requests();
    let counted = requests.iter().filter(|it| it.user.is_some()).count();
    assert_eq!(told["remaining"], limit - counted, "{info}");
}
