//! Creating and changing accounts and contacts.

use macro_rules_attribute::apply;
use serde_json::{Value, json};
use syncline_sim::{Action, Fault, Match};

use super::{created, path, row};
use crate::{
    http::refused,
    support::{App, on_both_databases},
};

#[apply(on_both_databases)]
async fn an_account_is_created_and_changed_at_the_provider_and_in_the_tables(database: Database) {
    let app = App::synced(database, 20).await;
    let owner = app.apollo.read(0, |team| team.user_ids()[1].clone());
    let body = json!({"record": {"name": "Wire Works", "domain": "wire.example", "owner_id": owner,
            "custom_fields": {"Field_One": "camelCase stays"}}});
    let id = created(&app.post(&path("accounts"), body).await);
    let theirs = app.apollo.read(0, |team| team.account(&id).unwrap());
    assert_eq!(
        (&theirs["name"], &theirs["domain"]),
        (&json!("Wire Works"), &json!("wire.example"))
    );
    assert_eq!(theirs["owner_id"], json!(owner));
    assert_eq!(
        theirs["typed_custom_fields"],
        json!({"Field_One": "camelCase stays"})
    );
    let ours = row(&app, "accounts", &id).await;
    assert_eq!(
        (&ours["name"], &ours["owner_id"]),
        (&json!("Wire Works"), &json!(owner))
    );

    let body = json!({"record": {"name": "Wire and Sons"}});
    let changed = app
        .send(
            reqwest::Method::PATCH,
            &path(&format!("accounts/{id}")),
            Some(body),
        )
        .await;
    assert_eq!((changed.status.as_u16(), &changed.body), (200, &json!({})));
    let ours = row(&app, "accounts", &id).await;
    assert_eq!(
        (&ours["name"], &ours["domain"]),
        (&json!("Wire and Sons"), &json!("wire.example"))
    );
    let live = app.get(&path(&format!("accounts/{id}"))).await.ok();
    assert_eq!(
        (&live["name"], &live["domain"]),
        (&ours["name"], &ours["domain"])
    );
}

#[apply(on_both_databases)]
async fn a_contact_is_created_with_what_apollo_has_a_place_for_and_told_what_not(
    database: Database,
) {
    let app = App::synced(database, 20).await;
    let (account, owner) = app.apollo.read(0, |team| {
        (team.account_ids()[0].clone(), team.user_ids()[2].clone())
    });
    let body = json!({"record": {
            "first_name": "Lin", "last_name": "Park", "job_title": "Buyer",
            "address": {"street_1": "5 Main St", "street_2": null, "city": "Springfield",
                "state": "IL", "postal_code": "62701", "country": "United States"},
            "email_addresses": [{"email_address": "second@lin.example", "email_address_type": "work"},
                {"email_address": "lin@lin.example", "email_address_type": "primary"}],
            "phone_numbers": [{"phone_number": "+12025550101", "phone_number_type": "mobile"},
                {"phone_number": "+12025550102", "phone_number_type": "work"},
                {"phone_number": "+12025550103", "phone_number_type": "home"}],
            "account_id": account, "owner_id": owner, "custom_fields": {"66a": ["x"]}}});
    let answer = app.post(&path("contacts"), body).await;
    let id = created(&answer);
    let warnings = answer.body["warnings"].as_array().unwrap();
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(
        warnings[0]["detail"]
            .as_str()
            .unwrap()
            .contains("one e-mail address")
    );
    let ours = row(&app, "contacts", &id).await;
    for (field, value) in [
        ("first_name", json!("Lin")),
        ("last_name", json!("Park")),
        ("job_title", json!("Buyer")),
        ("account_id", json!(account)),
        ("owner_id", json!(owner)),
        (
            "email_addresses",
            json!([{"email_address": "lin@lin.example",
                "email_address_type": "primary"}]),
        ),
        (
            "address",
            json!({"street_1": "5 Main St", "street_2": null, "city": "Springfield",
                "state": "IL", "postal_code": "62701", "country": "United States"}),
        ),
    ] {
        assert_eq!(ours[field], value, "{field}");
    }
    let phones = ours["phone_numbers"].as_array().unwrap();
    for (number, kind) in [
        ("+12025550101", "mobile"),
        ("+12025550102", "work"),
        ("+12025550103", "home"),
    ] {
        assert!(
            phones.contains(&json!({"phone_number": number, "phone_number_type": kind})),
            "{kind} in {phones:?}"
        );
    }
    assert_eq!(
        ours["raw_data"]["typed_custom_fields"],
        json!({"66a": ["x"]})
    );
    let live = app.get(&path(&format!("contacts/{id}"))).await.ok();
    assert_eq!(live["phone_numbers"], ours["phone_numbers"]);
    assert_eq!(live["owner_id"], ours["owner_id"]);
}

#[apply(on_both_databases)]
async fn a_change_leaves_alone_what_it_does_not_name_and_null_clears(database: Database) {
    let app = App::synced(database, 20).await;
    let id = app.apollo.read(0, |team| team.contact_ids()[3].clone());
    let before = row(&app, "contacts", &id).await;
    let url = path(&format!("contacts/{id}"));
    let body = json!({"record": {"first_name": "Renamed", "job_title": null}});
    app.send(reqwest::Method::PATCH, &url, Some(body))
        .await
        .ok();
    let after = row(&app, "contacts", &id).await;
    assert_eq!(after["first_name"], "Renamed");
    assert!(
        after["job_title"].is_null() || after["job_title"] == "",
        "{}",
        after["job_title"]
    );
    for field in [
        "last_name",
        "email_addresses",
        "phone_numbers",
        "address",
        "owner_id",
        "account_id",
    ] {
        assert_eq!(after[field], before[field], "{field}");
    }
    assert!(after["last_modified_at"].as_str() > before["last_modified_at"].as_str());
}

#[apply(on_both_databases)]
async fn a_record_that_is_gone_or_unknown_is_a_404(database: Database) {
    let app = App::synced(database, 20).await;
    let (contact, account) = app.apollo.edit(0, |team| {
        let (contact, account) = (team.contact_ids()[0].clone(), team.account_ids()[0].clone());
        team.delete_contact(&contact).unwrap();
        team.delete_account(&account).unwrap();
        (contact, account)
    });
    let unknown = "66e34b81740c50074e3d1bd4";
    for gone in [
        format!("contacts/{contact}"),
        format!("accounts/{account}"),
        format!("contacts/{unknown}"),
        format!("accounts/{unknown}"),
        "contacts/..".to_owned(),
        "contacts/no%2Fid".to_owned(),
    ] {
        let body = json!({"record": {"first_name": "x", "name": "x"}});
        let answer = app
            .send(reqwest::Method::PATCH, &path(&gone), Some(body))
            .await;
        if gone.ends_with("..") {
            assert!(answer.status.is_client_error(), "{gone}: {}", answer.body);
            continue;
        }
        refused(&answer, 404, "NOT_FOUND_ERROR");
        assert_eq!(
            answer.body["errors"][0]["meta"]["origin"], "remote-provider",
            "{gone}"
        );
        refused(&app.get(&path(&gone)).await, 404, "NOT_FOUND_ERROR");
    }
}

#[apply(on_both_databases)]
async fn what_the_provider_does_not_take_comes_out_as_its_422(database: Database) {
    let app = App::synced(database, 20).await;
    let answer = app.post(&path("accounts"), json!({"record": {}})).await;
    let title = refused(&answer, 422, "UNPROCESSABLE_ENTITY_ERROR");
    assert!(title.contains("name or domain"), "{title}");
    assert_eq!(answer.body["errors"][0]["meta"]["cause"]["status"], 422);
    let body = json!({"record": {"first_name": "A", "account_id": "66e34b81740c50074e3d1bd4"}});
    refused(
        &app.post(&path("contacts"), body).await,
        422,
        "UNPROCESSABLE_ENTITY_ERROR",
    );
}

#[apply(on_both_databases)]
async fn a_wrong_body_is_refused_by_field_and_nothing_is_sent(database: Database) {
    let app = App::synced(database, 5).await;
    app.apollo.ledger().reset();
    for (list, body, field) in [
        ("contacts", json!({}), "record"),
        (
            "contacts",
            json!({"record": {"first_name": 7}}),
            "record.first_name",
        ),
        (
            "contacts",
            json!({"record": {"email_addresses": [{"email_address_type": "work"}]}}),
            "record.email_addresses[0].email_address",
        ),
        (
            "accounts",
            json!({"record": {"custom_fields": []}}),
            "record.custom_fields",
        ),
        (
            "sequence_states",
            json!({"record": {"contact_id": "c", "sequence_id": "s"}}),
            "record.mailbox_id",
        ),
        (
            "sequences",
            json!({"record": {"name": "x", "type": "shared"}}),
            "record.type",
        ),
        (
            "sequences",
            json!({"record": {"name": "x", "type": "team",
                "steps": [{"type": "call"}, {"type": "auto_email"}]}}),
            "record.steps[1].template",
        ),
        (
            "tasks",
            json!({"record": {"user_id": "u", "contact_id": "c", "type": "call",
                "due_at": "tomorrow"}}),
            "record.due_at",
        ),
    ] {
        let answer = app.post(&path(list), body.clone()).await;
        assert_eq!(
            answer.error(),
            (400, "VALIDATION_ERROR", field),
            "{list} {body}"
        );
    }
    assert!(app.apollo.ledger().is_empty());
}

#[apply(on_both_databases)]
async fn a_create_whose_answer_can_not_be_shown_is_a_success_with_its_id(database: Database) {
    let app = App::synced(database, 5).await;
    // Nested deeper than any row may be.
    let deep = format!("{}{}", "[".repeat(1_500), "]".repeat(1_500));
    let odd = Action::Respell(r#""Odd""#.to_owned(), deep);
    app.apollo
        .faults()
        .push(Fault::new(Match::path("v1/contacts"), odd));
    let answer = app
        .post(&path("contacts"), json!({"record": {"first_name": "Odd"}}))
        .await;
    assert!(
        answer.body["warnings"][0]["detail"].is_string(),
        "{}",
        answer.body
    );
    let id = created(&answer);
    assert_eq!(
        app.get(&path(&format!("contacts/{id}"))).await.ok()["first_name"],
        "Odd"
    );
}

#[apply(on_both_databases)]
async fn an_owner_that_can_not_be_set_is_a_warning_because_the_contact_is_there(
    database: Database,
) {
    let app = App::synced(database, 5).await;
    let body = json!({"record": {"first_name": "Orphan", "owner_id": "66e34b81740c50074e3d1bd4"}});
    let answer = app.post(&path("contacts"), body).await;
    let warning = answer.body["warnings"][0]["detail"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    assert!(warning.contains("owner_id"), "{}", answer.body);
    let id = created(&answer);
    assert_eq!(row(&app, "contacts", &id).await["first_name"], "Orphan");
}

#[apply(on_both_databases)]
async fn an_object_that_is_not_synced_can_be_written_all_the_same(database: Database) {
    let app = App::synced(database, 5).await;
    let config = app.get("/mgmt/v2/sync_configs").await.ok()[0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let body = json!({"config": {"default_config": {"period_ms": 60_000, "strategy": "full only"},
            "common_objects": [{"object": "user"}]}});
    app.put(
        &format!("/mgmt/v2/sync_configs/{config}?force_delete_syncs=true"),
        body,
    )
    .await
    .ok();
    let answer = app
        .post(&path("contacts"), json!({"record": {"first_name": "Solo"}}))
        .await;
    assert_eq!(answer.body["warnings"], Value::Null);
    let id = created(&answer);
    assert_eq!(
        app.get(&path(&format!("contacts/{id}"))).await.ok()["first_name"],
        "Solo"
    );
}
