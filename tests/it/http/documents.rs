//! The OpenAPI documents as they are served, and the check that every test's answers go through.

use reqwest::{Method, StatusCode};
use serde_json::Value;

use super::refused;
use crate::support::{
    App, Database,
    documents::{Received, verdict},
};

const CUSTOMER: &str = r#"{"application_id": "a", "customer_id": "c", "name": "A", "email": "a@customer.example",
        "health": {"status": "healthy", "reason": null, "last_synced_at": null}}"#;

fn customer(text: &str) -> Received<'_> {
    Received {
        method: &Method::GET,
        path: "/mgmt/v2/customers/c",
        status: StatusCode::OK,
        content_type: Some("application/json"),
        text,
    }
}

#[test]
fn a_documented_answer_passes() {
    verdict(&customer(CUSTOMER)).unwrap();
}

#[test]
fn an_answer_is_refused_where_it_leaves_its_document() {
    let without_email = CUSTOMER.replace("\"email\": \"a@customer.example\",", "");
    let wrong_type = CUSTOMER.replace("\"A\"", "7");
    let undocumented = CUSTOMER.replace("\"name\"", "\"colour\": \"red\", \"name\"");
    let cases = [
        (customer(&without_email), "\"email\" is a required property"),
        (customer(&wrong_type), "/name: 7 is not of type \"string\""),
        (customer(&undocumented), "'colour' was unexpected"),
        (customer("<html>"), "not JSON"),
        (
            Received {
                content_type: None,
                ..customer(CUSTOMER)
            },
            "no documented content type",
        ),
        (
            Received {
                status: StatusCode::CREATED,
                ..customer(CUSTOMER)
            },
            "\"errors\" is a required property",
        ),
        (
            Received {
                method: &Method::DELETE,
                status: StatusCode::NO_CONTENT,
                ..customer(CUSTOMER)
            },
            "no body is documented",
        ),
        (
            Received {
                path: "/mgmt/v2/nowhere",
                ..customer(CUSTOMER)
            },
            "no such operation",
        ),
    ];
    for (received, expected) in cases {
        let reason = verdict(&received).unwrap_err();
        assert!(reason.contains(expected), "{reason} where {expected}");
    }
}

#[test]
fn a_record_is_checked_to_its_innermost_field() {
    let contact = |address: &str| {
        format!(
            r#"{{"id": "1", "owner_id": null, "account_id": null, "first_name": null,
                "last_name": null, "job_title": null, "address": {address}, "email_addresses": [],
                "phone_numbers": [], "open_count": 0, "click_count": 0, "reply_count": 0,
                "bounced_count": 0, "created_at": null, "updated_at": null, "is_deleted": false,
                "deleted_at": null, "last_modified_at": "2026-03-01T08:00:00.000Z",
                "raw_data": {{"any": "thing"}}}}"#
        )
    };
    let received = |text| Received {
        path: "/engagement/v2/contacts/1",
        ..customer(text)
    };
    let plain = contact("null");
    verdict(&received(&plain)).unwrap();
    let address = r#"{"street_1": null, "street_2": null, "city": "Ghent", "state": null,
        "postal_code": null, "country": null, "planet": "Earth"}"#;
    let odd = contact(address);
    let reason = verdict(&received(&odd)).unwrap_err();
    assert!(reason.contains("/address"), "{reason}");
}

#[tokio::test]
async fn every_operation_of_the_served_documents_is_served() {
    let app = App::with_contacts(Database::sqlite(), 0).await;
    for (api, _) in syncline_server::documents() {
        let document = app.get(&format!("/openapi/{api}.json")).await.ok();
        let version = document["openapi"].as_str().unwrap();
        assert!(version.starts_with("3.1"), "{version}");
        for (path, method) in operations(&document) {
            // Without a key: a route refuses it for that, and what is no route is a 404 or a 405.
            let path = format!("/{api}/v2{}", path.replace(['{', '}'], ""));
            let answer = App::answer(app.request(method, &path)).await;
            refused(&answer, 401, "UNAUTHORIZED_ERROR");
        }
    }
}

#[test]
fn every_reference_in_the_documents_leads_somewhere() {
    for (api, text) in syncline_server::documents() {
        let document: Value = serde_json::from_str(&text).unwrap();
        let compact = document.to_string();
        for reference in compact.split("\"$ref\":\"#").skip(1) {
            let pointer = reference.split('"').next().unwrap();
            assert!(document.pointer(pointer).is_some(), "{api}: {pointer}");
        }
    }
}

fn operations(document: &Value) -> Vec<(String, Method)> {
    let mut operations = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for key in item.as_object().unwrap().keys() {
            let method = key.to_uppercase();
            if ["GET", "PUT", "POST", "PATCH", "DELETE"].contains(&&*method) {
                operations.push((path.clone(), method.parse().unwrap()));
            }
        }
    }
    assert!(!operations.is_empty());
    operations
}
