//! The provider's errors, as the caller sees them: docs/errors.md.

use macro_rules_attribute::apply;
use serde_json::json;
use syncline_sim::{Action, Fault, Match, Window, WireFault};

use super::path;
use crate::{
    http::refused,
    support::{App, CUSTOMER, MASTER_KEY, SCOPED_KEY, on_both_databases},
};

#[apply(on_both_databases)]
async fn a_failure_of_the_provider_keeps_its_status_and_is_never_ours(database: Database) {
    let app = App::synced(database, 5).await;
    for (fault, status, code) in [
        (Action::server_error(), 502, "BAD_GATEWAY_ERROR"),
        (Action::bad_gateway(), 502, "BAD_GATEWAY_ERROR"),
        (Action::unavailable(), 503, "SERVICE_UNAVAILABLE_ERROR"),
        (Action::Wire(WireFault::Reset), 502, "BAD_GATEWAY_ERROR"),
    ] {
        app.apollo
            .faults()
            .push(Fault::new(Match::path("contacts/search"), fault));
        let answer = app.get(&path("contacts")).await;
        refused(&answer, status, code);
        assert_eq!(
            answer.body["errors"][0]["meta"]["origin"],
            "remote-provider"
        );
        assert!(!answer.body.to_string().contains(MASTER_KEY));
    }
    app.get(&path("contacts")).await.ok();
}

#[apply(on_both_databases)]
async fn a_limit_is_a_429_with_the_time_to_come_back_and_nothing_is_sent_until_then(
    database: Database,
) {
    let app = App::synced(database, 5).await;
    app.apollo.faults().push(Fault::new(
        Match::path("contacts/search"),
        Action::RateLimited {
            window: Window::Hour,
            retry_after: Some(1200),
        },
    ));
    for asked in [1, 1] {
        let answer = app
            .request(reqwest::Method::GET, &path("contacts"))
            .header("x-api-key", &app.api_key)
            .header("x-customer-id", CUSTOMER)
            .header("x-provider-name", "apollo")
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status().as_u16(), 429);
        let wait: u64 = answer.headers()["retry-after"]
            .to_str()
            .unwrap()
            .parse()
            .unwrap();
        assert!((1190..=1200).contains(&wait), "{wait}");
        let live = app.apollo.ledger().requests_to("contacts/search");
        assert_eq!(live.iter().filter(|it| it.status == 429).count(), asked);
    }
    // The other endpoints have their own windows.
    app.get(&path("users")).await.ok();
}

#[apply(on_both_databases)]
async fn a_key_without_the_scope_is_a_403_and_a_revoked_one_a_401(database: Database) {
    let app = App::with_contacts(database, 5).await;
    app.connect(CUSTOMER, SCOPED_KEY).await;
    refused(&app.get(&path("users")).await, 403, "FORBIDDEN_ERROR");
    app.apollo.edit(0, |team| team.revoke_key(SCOPED_KEY));
    let answer = app.get(&path("contacts")).await;
    refused(&answer, 401, "UNAUTHORIZED_ERROR");
    assert_eq!(
        answer.body["errors"][0]["meta"]["origin"],
        "remote-provider"
    );
    let body = json!({"record": {"first_name": "x"}});
    refused(
        &app.post(&path("contacts"), body).await,
        401,
        "UNAUTHORIZED_ERROR",
    );
}

#[apply(on_both_databases)]
async fn a_record_that_is_kept_from_the_key_is_a_403(database: Database) {
    let app = App::synced(database, 5).await;
    let id = app.apollo.edit(0, |team| {
        let id = team.contact_ids()[0].clone();
        team.hide_contact(&id).unwrap();
        id
    });
    refused(
        &app.get(&path(&format!("contacts/{id}"))).await,
        403,
        "FORBIDDEN_ERROR",
    );
}
