//! `/customers`

use macro_rules_attribute::apply;
use serde_json::json;

use crate::{
    http::refused,
    support::{App, CUSTOMER, MASTER_KEY, on_both_databases},
};

#[apply(on_both_databases)]
async fn a_put_creates_a_customer_and_a_second_one_updates_it(database: Database) {
    let app = App::with_contacts(database, 0).await;
    for name in ["First name", "Second name"] {
        let body = json!({"customer_id": "c", "name": name, "email": ""});
        let answer = app.put("/mgmt/v2/customers", body).await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.body["name"], name);
        assert_eq!(app.get("/mgmt/v2/customers/c").await.ok(), answer.body);
    }
    let listed = app.get("/mgmt/v2/customers").await.ok();
    assert_eq!(listed.as_array().unwrap().len(), 1);
    for field in ["application_id", "customer_id", "name", "email"] {
        assert!(listed[0][field].is_string(), "{field}");
    }
}

#[apply(on_both_databases)]
async fn customers_are_listed_by_id(database: Database) {
    let app = App::with_contacts(database, 0).await;
    for id in ["c", "a", "b"] {
        app.put_customer(id).await.ok();
    }
    let listed = app.get("/mgmt/v2/customers").await.ok();
    let ids: Vec<_> = listed
        .as_array()
        .unwrap()
        .iter()
        .map(|c| &c["customer_id"])
        .collect();
    assert_eq!(ids, ["a", "b", "c"]);
}

#[apply(on_both_databases)]
async fn an_id_may_have_any_characters_when_the_path_encodes_them(database: Database) {
    let app = App::with_contacts(database, 0).await;
    for (id, encoded) in [
        ("a/b", "a%2Fb"),
        ("a@b.example", "a%40b.example"),
        ("50% off?#", "50%25%20off%3F%23"),
        ("Zoë 名前", "Zo%C3%AB%20%E5%90%8D%E5%89%8D"),
        ("\\u0000", "%5Cu0000"),
    ] {
        app.put_customer(id).await.ok();
        let path = format!("/mgmt/v2/customers/{encoded}");
        assert_eq!(app.get(&path).await.ok()["customer_id"], id);
        assert_eq!(
            app.get(&format!("{path}/connections")).await.ok(),
            json!([])
        );
        assert_eq!(
            app.post_connection(encoded, MASTER_KEY).await.status,
            200,
            "{id}"
        );
        assert_eq!(app.delete(&path).await.status, 204);
    }
}

#[apply(on_both_databases)]
async fn an_unknown_customer_is_a_404(database: Database) {
    let app = App::with_contacts(database, 0).await;
    for path in ["nobody", "nobody/connections", "nobody/connections/apollo"] {
        let answer = app.get(&format!("/mgmt/v2/customers/{path}")).await;
        assert!(refused(&answer, 404, "NOT_FOUND_ERROR").contains("nobody"));
    }
    refused(
        &app.delete("/mgmt/v2/customers/nobody").await,
        404,
        "NOT_FOUND_ERROR",
    );
}

#[apply(on_both_databases)]
async fn deleting_a_customer_takes_its_connections_and_rows_along(database: Database) {
    let app = App::synced(database, 30).await;
    app.connect("another", "sim-master-key").await;
    app.work_off().await;
    assert_eq!(
        app.delete(&format!("/mgmt/v2/customers/{CUSTOMER}"))
            .await
            .status,
        204
    );
    refused(
        &app.get(&format!("/mgmt/v2/customers/{CUSTOMER}")).await,
        404,
        "NOT_FOUND_ERROR",
    );
    for table in [
        "connections",
        "sync_runs",
        "engagement_contacts",
        "engagement_users",
        "engagement_sequences",
        "engagement_sequence_states",
        "engagement_mailboxes",
        "engagement_accounts",
    ] {
        let of =
            |customer| format!("SELECT count(*) FROM {table} WHERE customer_id = '{customer}'");
        assert_eq!(app.database.count(&of(CUSTOMER)).await, 0, "{table}");
        assert!(
            app.database.count(&of("another")).await > 0,
            "{table} of another customer"
        );
    }
    assert_eq!(
        app.database
            .count("SELECT count(*) FROM outbox WHERE event_type = 'connection.deleted'")
            .await,
        1
    );
}

#[apply(on_both_databases)]
async fn a_wrong_customer_is_refused_by_field_and_not_stored(database: Database) {
    let app = App::with_contacts(database, 0).await;
    let long = "ë".repeat(256);
    for (body, field) in [
        (json!({"name": "n", "email": "e"}), "customer_id"),
        (json!({"customer_id": "c", "email": "e"}), "name"),
        (json!({"customer_id": "c", "name": "n"}), "email"),
        (
            json!({"customer_id": "", "name": "n", "email": "e"}),
            "customer_id",
        ),
        (
            json!({"customer_id": 7, "name": "n", "email": "e"}),
            "customer_id",
        ),
        (
            json!({"customer_id": "c", "name": null, "email": "e"}),
            "name",
        ),
        (
            json!({"customer_id": "c", "name": "n", "email": ["e"]}),
            "email",
        ),
        (
            json!({"customer_id": "c\0", "name": "n", "email": "e"}),
            "customer_id",
        ),
        (
            json!({"customer_id": "c", "name": "\0n", "email": "e"}),
            "name",
        ),
        (
            json!({"customer_id": "c", "name": "n", "email": "\0"}),
            "email",
        ),
        (
            json!({"customer_id": long, "name": "n", "email": "e"}),
            "customer_id",
        ),
        (json!(["c", "n", "e"]), "body"),
        (json!("c"), "body"),
        (json!(null), "body"),
    ] {
        let answer = app.put("/mgmt/v2/customers", body.clone()).await;
        assert_eq!(answer.error(), (400, "VALIDATION_ERROR", field), "{body}");
    }
    assert_eq!(app.get("/mgmt/v2/customers").await.ok(), json!([]));
    let longest = "ë".repeat(255);
    app.put_customer(&longest).await.ok();
    app.post_connection(&longest, MASTER_KEY).await.ok();
}

#[apply(on_both_databases)]
async fn a_text_that_is_too_long_is_refused_by_name(database: Database) {
    let app = App::with_contacts(database, 0).await;
    let long = "n".repeat(4_500_000);
    for (name, email, field) in [
        ("n".repeat(256), "e".to_owned(), "name"),
        (long.clone(), "e".to_owned(), "name"),
        ("a\nb".to_owned(), "e".to_owned(), "name"),
        ("n".to_owned(), "e".repeat(321), "email"),
    ] {
        let body = json!({"customer_id": "c", "name": name, "email": email});
        let answer = app.put("/mgmt/v2/customers", body).await;
        assert_eq!(answer.error(), (400, "VALIDATION_ERROR", field));
    }
    let body = json!({"customer_id": "c", "name": "ë".repeat(255), "email": "e".repeat(320)});
    app.put("/mgmt/v2/customers", body).await.ok();
    let text = "x".repeat(4097);
    for (path, body, field) in [
        (
            "webhook_endpoints",
            json!({"url": "https://a.example", "event_types": ["sync.paused", text]}),
            "event_types[1]",
        ),
        (
            "magic_links",
            json!({"customer_id": text, "provider_name": "apollo"}),
            "customer_id",
        ),
        (
            "sync_configs",
            json!({"destination_name": text}),
            "destination_name",
        ),
        (
            "api_keys",
            json!({"name": "n", "role": "admin", "policy": {"writes": [{"path": text}]}}),
            "policy.writes[0].path",
        ),
        (
            "customers/c/connections",
            json!({"provider_name": "apollo", "api_key": text}),
            "api_key",
        ),
    ] {
        let answer = app.post(&format!("/mgmt/v2/{path}"), body).await;
        assert_eq!(answer.error(), (400, "VALIDATION_ERROR", field));
    }
}

#[apply(on_both_databases)]
async fn names_from_before_they_had_a_bound_are_listed_to_the_last(database: Database) {
    let app = App::with_contacts(database, 0).await;
    for number in 10..20 {
        app.put_customer(&format!("c{number}")).await.ok();
    }
    let repeat = if app.database.is_postgres {
        "repeat('n', 3000000)"
    } else {
        "hex(zeroblob(1500000))"
    };
    app.database
        .execute(&format!("UPDATE customers SET name = {repeat}"))
        .await;
    let listed = app.get("/mgmt/v2/customers").await.ok();
    let listed = listed.as_array().unwrap();
    let ids: Vec<_> = listed
        .iter()
        .map(|it| it["customer_id"].as_str().unwrap())
        .collect();
    assert_eq!(
        ids,
        [
            "c10", "c11", "c12", "c13", "c14", "c15", "c16", "c17", "c18", "c19"
        ]
    );
    assert!(
        listed
            .iter()
            .all(|it| it["name"].as_str().unwrap().len() == 3_000_000)
    );
    assert_eq!(app.get("/mgmt/v2/customers/c10").await.ok(), listed[0]);
}

#[apply(on_both_databases)]
async fn pages_of_customers_say_what_the_whole_list_says(database: Database) {
    let app = App::synced(database, 5).await;
    for id in ["a-first", "z-last"] {
        app.put_customer(id).await.ok();
    }
    app.apollo.edit(0, |team| team.revoke_key(MASTER_KEY));
    app.trigger("user").await;
    app.work_off().await;
    let whole = app.get("/mgmt/v2/customers").await.ok();
    let whole = whole.as_array().unwrap();
    assert_eq!(whole[1]["health"]["status"], "failing", "{whole:?}");
    let (mut pages, mut after) = (Vec::new(), String::new());
    loop {
        let path = format!("/mgmt/v2/customers?page_size=1{after}");
        let page = app.get(&path).await.ok();
        let Some(one) = page.as_array().unwrap().first() else {
            break;
        };
        after = format!("&after={}", one["customer_id"].as_str().unwrap());
        pages.push(one.clone());
    }
    assert_eq!(&pages, whole);
}
