//! `/magic_links`

use chrono::TimeDelta;
use macro_rules_attribute::apply;
use serde_json::{Value, json};

use crate::{
    http::refused,
    support::{App, CUSTOMER, on_both_databases},
};

const LINKS: &str = "/mgmt/v2/magic_links";

#[apply(on_both_databases)]
async fn a_link_has_the_published_fields_and_is_listed(database: Database) {
    let app = App::with_contacts(database, 0).await;
    app.put_customer(CUSTOMER).await.ok();
    let answer = app.post(LINKS, body(3600)).await;
    assert_eq!(answer.status, 201);
    let link = answer.body;
    let provider = app.get("/mgmt/v2/providers").await.ok()[0].clone();
    assert_eq!(link["status"], "new");
    assert_eq!(link["application_id"], provider["application_id"]);
    assert_eq!(link["provider_id"], provider["id"]);
    assert_eq!(link["provider_name"], "apollo");
    assert_eq!(link["customer_id"], CUSTOMER);
    assert_eq!(link["return_url"], "https://ours.example/done?a=b#c");
    assert_eq!(link["expires_at"], "2026-03-01T09:00:00.000Z");
    let second = app.post(LINKS, body(60)).await.ok();
    assert_eq!(app.get(LINKS).await.ok(), json!([link, second]));
}

#[apply(on_both_databases)]
async fn a_url_can_not_be_guessed(database: Database) {
    let app = App::with_contacts(database, 0).await;
    app.put_customer(CUSTOMER).await.ok();
    let mut tokens = Vec::new();
    for _ in 0..2 {
        let link = app.post(LINKS, body(3600)).await.ok();
        let token = link["url"]
            .as_str()
            .unwrap()
            .strip_prefix("https://syncline.example/connect/")
            .unwrap()
            .to_owned();
        assert!(
            token.len() == 64 && token.bytes().all(|byte| byte.is_ascii_hexdigit()),
            "{token}"
        );
        assert!(!token.contains(&link["id"].as_str().unwrap().replace('-', "")));
        tokens.push(token);
    }
    assert_ne!(tokens[0], tokens[1]);
}

#[apply(on_both_databases)]
async fn a_link_expires_when_its_time_is_over(database: Database) {
    let app = App::with_contacts(database, 0).await;
    app.put_customer(CUSTOMER).await.ok();
    app.post(LINKS, body(60)).await.ok();
    app.clock.advance(TimeDelta::seconds(59));
    assert_eq!(app.get(LINKS).await.ok()[0]["status"], "new");
    app.clock.advance(TimeDelta::seconds(1));
    assert_eq!(app.get(LINKS).await.ok()[0]["status"], "expired");
}

#[apply(on_both_databases)]
async fn a_deleted_link_is_gone(database: Database) {
    let app = App::with_contacts(database, 0).await;
    app.put_customer(CUSTOMER).await.ok();
    let kept = app.post(LINKS, body(60)).await.ok();
    let link = app.post(LINKS, body(60)).await.ok();
    let path = format!("{LINKS}/{}", link["id"].as_str().unwrap());
    assert_eq!(app.delete(&path).await.status, 204);
    assert_eq!(app.get(LINKS).await.ok(), json!([kept]));
    refused(&app.delete(&path).await, 404, "NOT_FOUND_ERROR");
}

#[apply(on_both_databases)]
async fn links_go_with_their_customer_and_their_provider(database: Database) {
    let app = App::with_contacts(database, 0).await;
    app.put_customer(CUSTOMER).await.ok();
    app.post(LINKS, body(60)).await.ok();
    assert_eq!(
        app.delete(&format!("/mgmt/v2/customers/{CUSTOMER}"))
            .await
            .status,
        204
    );
    assert_eq!(app.get(LINKS).await.ok(), json!([]));

    app.put_customer(CUSTOMER).await.ok();
    app.post(LINKS, body(60)).await.ok();
    for list in ["sync_configs", "providers"] {
        let id = app.get(&format!("/mgmt/v2/{list}")).await.ok()[0]["id"].clone();
        app.delete(&format!("/mgmt/v2/{list}/{}", id.as_str().unwrap()))
            .await
            .ok();
    }
    assert_eq!(app.get(LINKS).await.ok(), json!([]));
}

#[apply(on_both_databases)]
async fn an_unknown_customer_or_provider_is_a_404(database: Database) {
    let app = App::with_contacts(database, 0).await;
    let answer = app.post(LINKS, body(60)).await;
    assert!(refused(&answer, 404, "NOT_FOUND_ERROR").contains(CUSTOMER));
    app.put_customer(CUSTOMER).await.ok();
    for provider in ["outreach", "invented"] {
        let mut body = body(60);
        body["provider_name"] = json!(provider);
        let answer = app.post(LINKS, body).await;
        assert!(refused(&answer, 404, "NOT_FOUND_ERROR").contains(provider));
    }
    assert_eq!(app.get(LINKS).await.ok(), json!([]));
}

#[apply(on_both_databases)]
async fn a_wrong_link_is_refused_by_field(database: Database) {
    let app = App::with_contacts(database, 0).await;
    app.put_customer(CUSTOMER).await.ok();
    let long = format!("https://ours.example/{}", "x".repeat(2048));
    for (field, values) in [
        (
            "expiration_secs",
            vec![
                json!(0),
                json!(-1),
                json!(1.5),
                json!("60"),
                json!(31_536_001),
                json!(1e300),
                json!(null),
            ],
        ),
        (
            "return_url",
            vec![
                json!(""),
                json!("/done"),
                json!("ours.example"),
                json!("//ours.example"),
                json!("javascript:alert(1)"),
                json!("ftp://ours.example"),
                json!("https://"),
                json!("https:///done"),
                json!("https://ours.example/a b"),
                json!(" https://ours.example"),
                json!("https://ours.example/\r\nSet-Cookie: a=b"),
                json!(long),
                json!(7),
            ],
        ),
        ("customer_id", vec![json!(null), json!(7)]),
        ("provider_name", vec![json!(null)]),
    ] {
        for value in values {
            let mut body = body(60);
            body[field] = value.clone();
            let answer = app.post(LINKS, body).await;
            assert_eq!(answer.error(), (400, "VALIDATION_ERROR", field), "{value}");
        }
        let mut without = body(60);
        without.as_object_mut().unwrap().remove(field);
        let answer = app.post(LINKS, without).await;
        assert_eq!(answer.error(), (400, "VALIDATION_ERROR", field));
    }
    assert_eq!(app.get(LINKS).await.ok(), json!([]));
    app.post(LINKS, body(31_536_000)).await.ok();
}

fn body(expiration_secs: i64) -> Value {
    json!({
        "customer_id": CUSTOMER,
        "provider_name": "apollo",
        "return_url": "https://ours.example/done?a=b#c",
        "expiration_secs": expiration_secs,
    })
}
