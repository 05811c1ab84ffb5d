//! Each level at each object, field by field, for what is read and for what is stored already.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use macro_rules_attribute::apply;
use serde_json::{Value, json};

use super::{ALWAYS, LISTS, carry_out, empty, fields_of, set_policy};
use crate::support::{App, CUSTOMER, MASTER_KEY, by_id, on_both_databases};

type Rows = BTreeMap<String, Value>;

async fn rows(app: &App, list: &str) -> Rows {
    let list = format!("{list}?include_raw_data=true&include_deleted_data=true");
    by_id(app.all_records(&list).await)
}

/// The rows have these fields, nothing in the others, and no raw data.
#[track_caller]
fn assert_only(rows: &Rows, full: &Rows, kept: &[String]) {
    assert_eq!(rows.len(), full.len());
    for (id, row) in rows {
        let full = &full[id];
        for field in fields_of(full) {
            let expected = if kept.contains(&field) {
                full[&field].clone()
            } else {
                empty(&field, &full[&field])
            };
            assert_eq!(row[&field], expected, "{field} of {full}");
        }
        assert_eq!(row["raw_data"], Value::Null);
        assert_eq!(row["is_deleted"], full["is_deleted"]);
    }
}

#[apply(on_both_databases)]
async fn common_stores_every_field_and_no_raw_data(database: Database) {
    let full = App::synced(database.another().await, 120).await;
    let app = App::with_contacts(database, 120).await;
    for (object, _) in LISTS {
        set_policy(&app, object, json!({"store": "common"}))
            .await
            .ok();
    }
    app.connect(CUSTOMER, MASTER_KEY).await;
    app.work_off().await;
    for (object, list) in LISTS {
        let (own, all) = (rows(&app, list).await, rows(&full, list).await);
        let kept = fields_of(all.values().next().unwrap());
        assert_only(&own, &all, &kept);
        let read = |app: &Value| app[0]["num_records_synced"].clone();
        let counts = (app.runs(object).await, full.runs(object).await);
        assert_eq!(read(&json!(counts.0)), read(&json!(counts.1)));
        assert_eq!(counts.0[0]["coverage"]["verdict"], "complete");
    }
    let stored = app
        .database
        .count("SELECT count(*) FROM engagement_contacts WHERE CAST(raw_data AS text) <> 'null'")
        .await;
    assert_eq!(stored, 0);

    // Nothing changes at the provider, so nothing is written.
    app.after(TimeDelta::hours(1)).await;
    for (object, _) in LISTS {
        let run = &app.runs(object).await[0];
        assert_eq!(
            (&run["records_updated"], &run["records_created"]),
            (&json!(0), &json!(0))
        );
    }
}

#[apply(on_both_databases)]
async fn fields_stores_those_and_nothing_in_the_others(database: Database) {
    let full = App::synced(database.another().await, 30).await;
    let app = App::with_contacts(database, 30).await;
    let mut kept = BTreeMap::new();
    for (at, (object, list)) in LISTS.into_iter().enumerate() {
        let all = rows(&full, list).await;
        // Every second field: of another object the others.
        let fields = fields_of(all.values().next().unwrap());
        let fields: Vec<String> = fields.into_iter().skip(at % 2).step_by(2).collect();
        let policy = json!({"store": {"fields": fields}});
        set_policy(&app, object, policy).await.ok();
        kept.insert(list, (all, fields));
    }
    app.connect(CUSTOMER, MASTER_KEY).await;
    app.work_off().await;
    for (list, (full, fields)) in &kept {
        assert_only(&rows(&app, list).await, full, fields);
    }
}

#[apply(on_both_databases)]
async fn a_stricter_policy_clears_what_is_stored_and_the_rows_count_as_changed(database: Database) {
    let app = App::synced(database, 600).await;
    let mut before = BTreeMap::new();
    for (object, list) in LISTS {
        let full = rows(&app, list).await;
        let fields = fields_of(full.values().next().unwrap());
        let fields: Vec<String> = fields.into_iter().step_by(2).collect();
        before.insert(list, (full, fields.clone()));
        set_policy(&app, object, json!({"store": {"fields": fields}}))
            .await
            .ok();
    }
    app.clock.advance(TimeDelta::seconds(1));
    carry_out(&app).await;
    for (list, (full, fields)) in &before {
        let own = rows(&app, list).await;
        assert_only(&own, full, fields);
        for (id, row) in own {
            let stamp = ALWAYS[3];
            assert!(row[stamp].as_str() > full[&id][stamp].as_str(), "{row}");
        }
    }
    let stamps = crate::support::stamps(&app, &LISTS.map(|(_, list)| list)).await;
    // What is stored is what the next sync would store.
    app.after(TimeDelta::hours(1)).await;
    assert_eq!(
        crate::support::stamps(&app, &LISTS.map(|(_, list)| list)).await,
        stamps
    );
    assert_eq!(
        app.database.count("SELECT count(*) FROM store_tasks").await,
        0
    );
}

#[apply(on_both_databases)]
async fn a_wider_policy_is_filled_in_by_the_next_full_sync(database: Database) {
    let app = App::synced(database, 20).await;
    let full = rows(&app, "contacts").await;
    for narrow in [
        json!({"store": "common"}),
        json!({"store": {"fields": ["first_name"]}}),
    ] {
        set_policy(&app, "contact", narrow).await.ok();
        carry_out(&app).await;
    }
    set_policy(&app, "contact", json!({})).await.ok();
    app.after(TimeDelta::hours(1)).await;
    let filled = rows(&app, "contacts").await;
    for (id, row) in &filled {
        for field in fields_of(row)
            .iter()
            .map(String::as_str)
            .chain(["raw_data"])
        {
            assert_eq!(row[field], full[id][field], "{field}");
        }
    }
    assert_eq!(
        app.runs("contact").await[0]["records_updated"],
        json!(full.len())
    );
}

#[apply(on_both_databases)]
async fn what_is_written_through_the_api_has_the_policy_too(database: Database) {
    let app = App::synced(database, 5).await;
    set_policy(
        &app,
        "contact",
        json!({"store": {"fields": ["first_name"]}}),
    )
    .await
    .ok();
    carry_out(&app).await;
    let body = json!({"record": {"first_name": "Ines", "last_name": "Heron",
        "email_addresses": [{"email_address": "ines@heron.example", "email_address_type": "primary"}]}});
    let made = app.post("/engagement/v2/contacts", body).await.ok();
    let id = made["record"]["id"].as_str().unwrap();
    let row = rows(&app, "contacts").await.remove(id).unwrap();
    assert_eq!(row["first_name"], "Ines");
    assert_eq!(
        (&row["last_name"], &row["email_addresses"]),
        (&Value::Null, &json!([]))
    );
    assert_eq!(row["raw_data"], Value::Null);
}

#[apply(on_both_databases)]
async fn a_policy_that_makes_no_sense_is_refused_by_field(database: Database) {
    let app = App::with_contacts(database, 1).await;
    for (policy, field) in [
        (json!({"store": "all"}), "store"),
        (json!({"store": {"fields": ["phone"]}}), "store.fields"),
        (json!({"retain_days": 0}), "retain_days"),
        (json!({"retain_days": 3651}), "retain_days"),
        (json!({"store": "none", "retain_days": 3}), "retain_days"),
    ] {
        let refused = set_policy(&app, "user", policy.clone()).await;
        let at = format!("config.common_objects[0].{field}");
        let (status, code, pointer) = refused.error();
        assert_eq!(
            (status, code, pointer),
            (400, "VALIDATION_ERROR", at.as_str()),
            "{policy}"
        );
    }
    let config = &app.get("/mgmt/v2/sync_configs").await.ok()[0]["config"];
    assert_eq!(config["common_objects"][0], json!({"object": "user"}));
}
