//! What is alike about writing accounts and contacts at Outreach and Salesloft. What differs is in
//! `outreach/records.rs` and `salesloft/records.rs`.

use chrono::TimeDelta;
use macro_rules_attribute::apply;
use serde_json::{Value, json};

use super::{
    at_both_providers,
    writing::{asked, change, create, fail, lose_answer, synced},
};
use crate::{
    engagement::{created, path, row},
    http::refused,
};

#[apply(at_both_providers)]
async fn a_record_that_is_gone_or_unknown_is_a_404(provider: Provider, database: Database) {
    let app = synced(provider, database).await;
    let (contact, account) = app.apollo.edit(0, |team| {
        let (contact, account) = (team.contact_ids()[0].clone(), team.account_ids()[0].clone());
        team.delete_contact(&contact).unwrap();
        team.delete_account(&account).unwrap();
        (contact, account)
    });
    let emails = json!({"email_addresses": [{"email_address": "x@gone.example"}]});
    for (one, record) in [
        (format!("contacts/{contact}"), json!({"first_name": "x"})),
        (format!("contacts/{contact}"), emails),
        (format!("accounts/{account}"), json!({"name": "x"})),
        ("contacts/999999999".to_owned(), json!({"first_name": "x"})),
        ("accounts/nobody".to_owned(), json!({"name": "x"})),
        ("accounts/no%2Fid".to_owned(), json!({"name": "x"})),
    ] {
        let answer = change(&app, &one, &record).await;
        refused(&answer, 404, "NOT_FOUND_ERROR");
    }
}

#[apply(at_both_providers)]
async fn an_id_that_can_not_be_one_names_its_field_and_nothing_is_sent(
    provider: Provider,
    database: Database,
) {
    let app = synced(provider, database).await;
    let owned = |owner: &str| json!({"name": "x", "domain": "x.example", "owner_id": owner});
    for (list, record, field) in [
        ("accounts", owned("u-1"), "owner_id"),
        ("contacts", json!({"owner_id": ""}), "owner_id"),
        ("contacts", json!({"account_id": "1.5"}), "account_id"),
    ] {
        let answer = create(&app, list, &record).await;
        let field = format!("record.{field}");
        assert_eq!(answer.error(), (400, "VALIDATION_ERROR", field.as_str()));
    }
    assert!(app.apollo.ledger().is_empty());
    // Whether there is a user with that id only the provider knows.
    let answer = create(&app, "accounts", &owned("999999999")).await;
    refused(&answer, 422, "UNPROCESSABLE_ENTITY_ERROR");
}

/// Where accounts are written, and the type that a contact's only address has.
fn facts(name: &str) -> (&'static str, Value) {
    match name {
        "outreach" => ("/api/v2/accounts", json!("work")),
        _ => ("/v2/accounts", json!("primary")),
    }
}

#[apply(at_both_providers)]
async fn a_create_whose_answer_is_lost_is_found_and_not_doubled(
    provider: Provider,
    database: Database,
) {
    let app = synced(provider, database).await;
    let (accounts, kind) = facts(provider.name);
    lose_answer(&app, accounts);
    let account = json!({"name": "Lost Works", "domain": "lost.example"});
    let id = created(&create(&app, "accounts", &account).await);
    assert_eq!(row(&app, "accounts", &id).await["name"], "Lost Works");
    assert_eq!(asked(&app, "POST", accounts), 1);

    lose_answer(&app, provider.contacts);
    let emails = json!([{"email_address": "lost@soul.example", "email_address_type": kind}]);
    let contact = json!({"first_name": "Lost", "last_name": "Soul", "email_addresses": emails});
    let id = created(&create(&app, "contacts", &contact).await);
    let shown = row(&app, "contacts", &id).await;
    assert_eq!(
        (&shown["first_name"], &shown["email_addresses"]),
        (&json!("Lost"), &emails)
    );
    assert_eq!(asked(&app, "POST", provider.contacts), 1);
}

#[apply(at_both_providers)]
async fn a_create_that_was_not_carried_out_is_an_error(provider: Provider, database: Database) {
    let app = synced(provider, database).await;
    let (accounts, _) = facts(provider.name);
    let account = json!({"name": "Never Works", "domain": "never.example"});
    fail(&app, accounts);
    let answer = create(&app, "accounts", &account).await;
    refused(&answer, 502, "BAD_GATEWAY_ERROR");
    created(&create(&app, "accounts", &account).await);
    // The one from before is no answer to a later create.
    app.clock.advance(TimeDelta::minutes(10));
    fail(&app, accounts);
    let answer = create(&app, "accounts", &account).await;
    refused(&answer, 502, "BAD_GATEWAY_ERROR");

    fail(&app, provider.contacts);
    let contact = json!({"first_name": "Never", "last_name": "There",
        "email_addresses": [{"email_address": "never@there.example"}]});
    let answer = create(&app, "contacts", &contact).await;
    refused(&answer, 502, "BAD_GATEWAY_ERROR");
}

#[apply(at_both_providers)]
async fn an_account_is_updated_or_created_by_its_domain(provider: Provider, database: Database) {
    let app = synced(provider, database).await;
    let body = |name: &str| {
        json!({"record": {"name": name, "domain": "upsert.example"},
            "upsert_on": {"domain": "upsert.example"}})
    };
    let first = app.post(&path("accounts/_upsert"), body("First")).await;
    let second = app.post(&path("accounts/_upsert"), body("Second")).await;
    assert_eq!(created(&first), created(&second));
    let account = row(&app, "accounts", &created(&first)).await;
    assert_eq!(account["name"], "Second");
}
