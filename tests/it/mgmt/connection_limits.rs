//! `limits` of `/customers/{customer_id}/connections`

use macro_rules_attribute::apply;
use serde_json::{Value, json};

use crate::support::{App, CUSTOMER, MASTER_KEY, on_both_databases};

const CONNECTIONS: &str = "/mgmt/v2/customers/customer-1/connections";
const CONNECTION: &str = "/mgmt/v2/customers/customer-1/connections/apollo";

#[apply(on_both_databases)]
async fn a_connection_has_the_configured_limits_until_it_sets_its_own(database: Database) {
    let app = App::with_contacts(database, 5).await;
    assert_eq!(
        app.connect(CUSTOMER, MASTER_KEY).await["limits"],
        limits(10_000, 10_000, 50_000)
    );
    for (body, expected) in [
        // Without a key, and with one.
        (
            json!({"limits": {"records_per_hour": 700}}),
            limits(10_000, 700, 50_000),
        ),
        (json!({"api_key": MASTER_KEY}), limits(10_000, 700, 50_000)),
        (
            json!({"api_key": MASTER_KEY, "limits": null}),
            limits(10_000, 700, 50_000),
        ),
        (
            json!({"api_key": MASTER_KEY, "type": "api_key", "limits":
                {"records_per_object": 200, "records_per_day": 900}}),
            limits(200, 10_000, 900),
        ),
        (
            json!({"limits": {"records_per_day": 800, "records_per_hour": null}}),
            limits(10_000, 10_000, 800),
        ),
        (json!({"limits": {}}), limits(10_000, 10_000, 50_000)),
    ] {
        let answer = app.put(CONNECTION, body.clone()).await.ok();
        assert_eq!(answer["limits"], expected, "{body}");
        assert_eq!(app.get(CONNECTION).await.ok(), answer);
        assert_eq!(app.get(CONNECTIONS).await.ok(), json!([answer]));
    }
}

#[apply(on_both_databases)]
async fn a_new_connection_may_come_with_limits_in_both_forms_of_the_body(database: Database) {
    let app = App::with_contacts(database, 5).await;
    for (customer, mut body) in [
        (
            "short",
            json!({"provider_name": "apollo", "api_key": MASTER_KEY}),
        ),
        (
            "full",
            json!({"provider_name": "apollo", "category": "engagement", "type": "api_key",
                "api_key": MASTER_KEY}),
        ),
    ] {
        app.put_customer(customer).await.ok();
        body["limits"] = json!({"records_per_hour": 300});
        let path = format!("/mgmt/v2/customers/{customer}/connections");
        let answer = app.post(&path, body).await.ok();
        assert_eq!(answer["limits"], limits(10_000, 300, 50_000));
    }
}

#[apply(on_both_databases)]
async fn limits_that_make_no_sense_are_refused_by_field(database: Database) {
    let app = App::with_contacts(database, 5).await;
    app.put_customer(CUSTOMER).await.ok();
    let refuses = async |new: bool| {
        for (limits, field) in [
            (json!({"records_per_hour": 99}), "limits.records_per_hour"),
            (json!({"records_per_day": 0}), "limits.records_per_day"),
            (
                json!({"records_per_object": -1}),
                "limits.records_per_object",
            ),
            (
                json!({"records_per_object": 50_001}),
                "limits.records_per_object",
            ),
            (
                json!({"records_per_hour": 10_000_001}),
                "limits.records_per_hour",
            ),
            (
                json!({"records_per_hour": "500"}),
                "limits.records_per_hour",
            ),
            (
                json!({"records_per_hour": 500.5}),
                "limits.records_per_hour",
            ),
            (json!({"records_per_week": 500}), "limits.records_per_week"),
            (json!(500), "limits"),
        ] {
            let mut body = json!({"api_key": MASTER_KEY, "limits": limits});
            let answer = if new {
                body["provider_name"] = json!("apollo");
                app.post(CONNECTIONS, body.clone()).await
            } else {
                app.put(CONNECTION, body.clone()).await
            };
            assert_eq!(answer.error(), (400, "VALIDATION_ERROR", field), "{body}");
        }
    };
    refuses(true).await;
    assert_eq!(app.get(CONNECTIONS).await.ok(), json!([]));
    assert_eq!(app.apollo.ledger().len(), 0);

    let before = app.connect(CUSTOMER, MASTER_KEY).await;
    app.apollo.ledger().reset();
    refuses(false).await;
    assert_eq!(app.get(CONNECTION).await.ok(), before);
    assert_eq!(app.apollo.ledger().len(), 0);

    let answer = app
        .put(CONNECTION, json!({"limits": {"records_per_hour": 99}}))
        .await;
    let title = answer.body["errors"][0]["title"].as_str().unwrap();
    assert!(title.ends_with("set 100 or more"), "{title}");
}

#[apply(on_both_databases)]
async fn a_wrong_key_beside_limits_changes_neither(database: Database) {
    let app = App::with_contacts(database, 5).await;
    let before = app.connect(CUSTOMER, MASTER_KEY).await;
    for (api_key, status) in [("refused-key", 422), ("", 400)] {
        let body = json!({"api_key": api_key, "limits": {"records_per_hour": 500}});
        assert_eq!(app.put(CONNECTION, body).await.status, status);
        assert_eq!(app.get(CONNECTION).await.ok(), before);
    }
}

#[apply(on_both_databases)]
async fn syncs_keep_to_the_limits_of_their_connection(database: Database) {
    let app = App::with_contacts(database, 450).await;
    app.connect(CUSTOMER, MASTER_KEY).await;
    app.put(CONNECTION, json!({"limits": {"records_per_hour": 300}}))
        .await
        .ok();
    app.work_off().await;
    let run = app.runs("contact").await.remove(0);
    assert_eq!(
        (&run["state"], &run["waiting_reason"]),
        (&json!("waiting"), &json!("records_per_hour")),
        "{run}"
    );
    let hour = chrono::TimeDelta::hours(1);
    assert!(app.apollo.ledger().max_records_in(0, hour) <= 300);
}

fn limits(per_object: i64, per_hour: i64, per_day: i64) -> Value {
    json!({
        "records_per_object": per_object,
        "records_per_hour": per_hour,
        "records_per_day": per_day,
    })
}
