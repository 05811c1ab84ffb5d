//! Records with fields that can't be read: they are stored without those fields, and the run names
//! them.

use chrono::TimeDelta;
use macro_rules_attribute::apply;
use serde_json::{Value, json};
use syncline_sim::{Action, Fault, Match};

use crate::support::{App, CUSTOMER, MASTER_KEY, on_both_databases, per_object};

const TIME: &str = "2024-03-02T08:15:30.120Z";

/// An object as Apollo lists it, with a record whose every mapped field can be read.
struct Kind {
    object: &'static str,
    list: &'static str,
    path: &'static str,
    array: &'static str,
    record: Value,
    /// Apollo's fields and Syncline's.
    fields: &'static [(&'static str, &'static str)],
}

fn kinds() -> Vec<Kind> {
    vec![
        user(),
        mailbox(),
        account(),
        sequence(),
        contact(),
        sequence_state(),
    ]
}

fn user() -> Kind {
    Kind {
        object: "user",
        list: "users",
        path: "users/search",
        array: "users",
        record: json!({"first_name": "Expired", "last_name": "Expired", "email": "old@example.com",
                "created_at": TIME, "deleted": false}),
        fields: &[
            ("first_name", "first_name"),
            ("last_name", "last_name"),
            ("email", "email"),
            ("created_at", "created_at"),
            ("deleted", "is_deleted"),
        ],
    }
}

fn mailbox() -> Kind {
    Kind {
        object: "mailbox",
        list: "mailboxes",
        path: "email_accounts",
        array: "email_accounts",
        record: json!({"email": "old@example.com", "user_id": "old", "active": false,
                "created_at": TIME, "last_synced_at": TIME}),
        fields: &[
            ("email", "email"),
            ("user_id", "user_id"),
            ("active", "is_disabled"),
            ("created_at", "created_at"),
            ("last_synced_at", "updated_at"),
        ],
    }
}

fn account() -> Kind {
    Kind {
        object: "account",
        list: "accounts",
        path: "accounts/search",
        array: "accounts",
        record: json!({"owner_id": "old", "name": "Expired", "domain": "old.example",
                "created_at": TIME}),
        fields: &[
            ("owner_id", "owner_id"),
            ("name", "name"),
            ("domain", "domain"),
            ("created_at", "created_at"),
        ],
    }
}

fn sequence() -> Kind {
    Kind {
        object: "sequence",
        list: "sequences",
        path: "emailer_campaigns/search",
        array: "emailer_campaigns",
        record: json!({"user_id": "old", "name": "Expired", "active": true, "archived": false,
                "created_at": TIME, "label_ids": ["old"], "num_steps": 3, "unique_opened": 12,
                "permissions": "private", "sharing_permission": {"visibility": "private"}}),
        fields: &[
            ("user_id", "owner_id"),
            ("name", "name"),
            ("active", "is_enabled"),
            ("archived", "is_archived"),
            ("created_at", "created_at"),
            ("label_ids", "tags"),
            ("num_steps", "num_steps"),
            ("unique_opened", "metrics"),
            ("permissions", "share_type"),
            ("sharing_permission", "share_type"),
        ],
    }
}

fn contact() -> Kind {
    Kind {
        object: "contact",
        list: "contacts",
        path: "contacts/search",
        array: "contacts",
        record: json!({"owner_id": "old", "account_id": "old", "first_name": "Expired",
                "last_name": "Expired", "title": "Expired", "street_address": "Expired", "city": "Expired",
                "state": "Expired", "postal_code": "Expired", "country": "Expired", "email": "old@example.com",
                "contact_emails": [{"email": "older@example.com"}],
                "phone_numbers": [{"sanitized_number": "+1555", "type": "work"}],
                "created_at": TIME, "updated_at": TIME, "emailer_campaign_ids": [], "account": {}}),
        fields: &[
            ("owner_id", "owner_id"),
            ("account_id", "account_id"),
            ("first_name", "first_name"),
            ("last_name", "last_name"),
            ("title", "job_title"),
            ("street_address", "address"),
            ("city", "address"),
            ("state", "address"),
            ("postal_code", "address"),
            ("country", "address"),
            ("email", "email_addresses"),
            ("contact_emails", "email_addresses"),
            ("phone_numbers", "phone_numbers"),
            ("created_at", "created_at"),
            ("updated_at", "updated_at"),
            ("emailer_campaign_ids", ""),
            ("account", ""),
        ],
    }
}

fn sequence_state() -> Kind {
    Kind {
        object: "sequence_state",
        list: "sequence_states",
        path: "contacts/search",
        array: "contacts",
        record: json!({"status": "old", "send_email_from_email_account_id": "old",
                "added_by_user_id": "old", "emailer_campaign_id": "old", "added_at": TIME}),
        fields: &[
            ("status", "state"),
            ("send_email_from_email_account_id", "mailbox_id"),
            ("added_by_user_id", "user_id"),
            ("emailer_campaign_id", "sequence_id"),
            ("added_at", "created_at"),
        ],
    }
}

fn values() -> [Value; 10] {
    [
        json!(null),
        json!("x"),
        json!(""),
        json!(7),
        json!(-1.5),
        json!(1e300),
        json!([]),
        json!([null, 7, "x", [], {"email": 7, "type": {}}]),
        json!({}),
        json!({"a": [1]}),
    ]
}

#[apply(on_both_databases)]
async fn any_value_in_any_field_costs_that_field_alone(database: Database) {
    let app = App::with_contacts(database, 1).await;
    for kind in kinds() {
        answer(&app, &kind, |_| None);
    }
    app.connect(CUSTOMER, MASTER_KEY).await;
    app.work_off().await;
    let mut before = Vec::new();
    for kind in kinds() {
        let rows = rows(&app, &kind).await;
        assert_eq!(rows.len(), kind.fields.len() + 1, "{}", kind.object);
        before.push(rows);
    }
    for value in values() {
        app.apollo.faults().clear();
        for kind in kinds() {
            answer(&app, &kind, |_| Some(value.clone()));
        }
        app.after(TimeDelta::hours(1)).await;
        for (kind, before) in kinds().iter().zip(&before) {
            let run = &app.runs(kind.object).await[0];
            assert_eq!(run["status"], "SUCCESS", "{run}");
            assert_eq!(
                run["records_rejected"], 0,
                "{value} in {}: {run}",
                kind.object
            );
            assert_only_the_field_changed(kind, &value, before, &rows(&app, kind).await);
        }
    }
}

#[apply(on_both_databases)]
async fn a_run_counts_and_names_the_fields_that_it_could_not_read(database: Database) {
    let app = App::with_contacts(database, 1).await;
    let contacts = [
        json!({"id": "c1", "title": {"a": 1}, "phone_numbers": [null, {"raw_number": []}]}),
        json!({"id": "c2", "title": true, "created_at": "-5000-01-01T00:00:00Z"}),
        json!({"id": "c3", "title": 7, "account": 7, "emailer_campaign_ids": "x"}),
    ];
    answer_with(&app, "contacts/search", "contacts", &contacts);
    app.connect(CUSTOMER, MASTER_KEY).await;
    app.work_off().await;
    let run = &app.runs("contact").await[0];
    assert_eq!(run["records_created"], 3);
    let unread = json!({"title": 2, "phone_numbers[]": 1, "phone_numbers[].raw_number": 1,
            "created_at": 1});
    assert_eq!(run["fields_unread"], unread);
    let path = format!("/mgmt/v2/sync-runs/{}", run["id"].as_str().unwrap());
    assert_eq!(app.get(&path).await.ok()["fields_unread"], unread);
    assert_eq!(app.runs("user").await[0]["fields_unread"], json!({}));
    let row = app
        .get("/engagement/v2/contacts/c1?read_from_cache=true&include_raw_data=true")
        .await
        .ok();
    assert_eq!(row["job_title"], json!(null));
    assert_eq!(
        row["phone_numbers"],
        json!([{"phone_number": null, "phone_number_type": null}])
    );
    assert_eq!(row["raw_data"]["title"], json!({"a": 1}));
}

#[apply(on_both_databases)]
async fn a_reading_that_begins_anew_counts_the_fields_of_all_its_pages(database: Database) {
    let mut app = App::with_contacts(database, 250).await;
    app.limit(per_object(200));
    app.apollo.edit(0, |team| {
        for id in team.contact_ids() {
            assert!(team.misshape("contact", &id, "/title", json!({"a": 1})));
        }
    });
    app.connect(CUSTOMER, MASTER_KEY).await;
    app.work_off().await;
    let run = &app.runs("contact").await[0];
    assert_eq!(run["coverage"]["verdict"], "capped", "{run}");
    // One page in the order of creation reported more than may be read; the next one was by
    // recency.
    let pages = run["requests_made"].as_i64().unwrap();
    assert_eq!(
        run["fields_unread"],
        json!({"title": (pages - 1) * 100}),
        "{run}"
    );
}

#[apply(on_both_databases)]
async fn only_a_missing_id_and_what_is_no_object_are_malformed(database: Database) {
    let app = App::with_contacts(database, 1).await;
    let accounts = [
        json!({"id": 7}),
        json!({"id": "8"}),
        json!({"id": null}),
        json!({"id": " "}),
        json!({"id": true}),
        json!({"id": 1.5}),
        json!({"name": "no id"}),
        json!(7),
        json!([]),
        json!(null),
    ];
    answer_with(&app, "accounts/search", "accounts", &accounts);
    app.connect(CUSTOMER, MASTER_KEY).await;
    app.work_off().await;
    let run = &app.runs("account").await[0];
    assert_eq!(
        (&run["records_created"], &run["records_rejected"]),
        (&json!(2), &json!(8))
    );
    assert_eq!(run["coverage"]["verdict"], "drifted");
    let ids: Vec<_> = app
        .all_records("accounts")
        .await
        .iter()
        .map(|row| row["id"].clone())
        .collect();
    assert_eq!(ids, [json!("7"), json!("8")]);
}

#[apply(on_both_databases)]
async fn a_list_of_states_that_can_not_be_read_is_no_proof_that_they_are_gone(database: Database) {
    let app = App::with_contacts(database, 1).await;
    let status = json!({"id": "s1", "emailer_campaign_id": "q1", "status": "active"});
    let contact = |statuses: Value| [json!({"id": "c1", "contact_campaign_statuses": statuses})];
    answer_with(
        &app,
        "contacts/search",
        "contacts",
        &contact(json!([status])),
    );
    app.connect(CUSTOMER, MASTER_KEY).await;
    app.work_off().await;
    for statuses in [json!(7), json!("x"), json!({})] {
        app.apollo.faults().clear();
        answer_with(&app, "contacts/search", "contacts", &contact(statuses));
        app.after(TimeDelta::hours(1)).await;
        let run = &app.runs("contact").await[0];
        assert_eq!(
            run["fields_unread"],
            json!({"contact_campaign_statuses": 1})
        );
        assert_eq!(
            app.runs("sequence_state").await[0]["coverage"]["verdict"],
            "drifted"
        );
        let path = "/engagement/v2/sequence_states/c1.s1?read_from_cache=true";
        assert_eq!(app.get(path).await.ok()["is_deleted"], false);
    }
}

#[apply(on_both_databases)]
async fn live_lists_and_gets_are_as_lenient(database: Database) {
    let app = App::synced(database, 1).await;
    let odd = json!({"id": "5f0000000000000000000001", "title": {"a": 1}, "phone_numbers": [null],
            "first_name": "Lin"});
    answer_with(
        &app,
        "contacts/search",
        "contacts",
        std::slice::from_ref(&odd),
    );
    let listed = app.get("/engagement/v2/contacts").await.ok();
    assert_eq!(listed["records"][0]["first_name"], "Lin");
    assert_eq!(listed["records"][0]["job_title"], json!(null));
    assert_eq!(listed["records"][0]["phone_numbers"], json!([]));
    app.apollo.faults().push(Fault::new(
        Match::path("contacts/5f0000000000000000000001"),
        Action::Answer {
            status: 200,
            content_type: "application/json".into(),
            body: json!({"contact": odd}).to_string(),
        },
    ));
    let got = app
        .get("/engagement/v2/contacts/5f0000000000000000000001")
        .await
        .ok();
    assert_eq!(
        (&got["first_name"], &got["job_title"]),
        (&json!("Lin"), &json!(null))
    );
}

fn assert_only_the_field_changed(kind: &Kind, value: &Value, before: &[Value], after: &[Value]) {
    assert_eq!(before.len(), after.len(), "{value} in {}", kind.object);
    for (place, (before, after)) in before.iter().zip(after).enumerate() {
        let Some((theirs, ours)) = kind.fields.get(place) else {
            let mut before = before.clone();
            if kind.object == "contact" {
                // The states inside of it are part of its own JSON.
                before["last_modified_at"] = after["last_modified_at"].clone();
            }
            assert_eq!(before, *after, "an unharmed {}", kind.object);
            continue;
        };
        let of = |row: &Value| {
            let mut row = row.clone();
            let fields = row.as_object_mut().unwrap();
            let field = fields.remove(*ours);
            for moving in ["last_modified_at", "deleted_at"] {
                fields.remove(moving);
            }
            (field, row)
        };
        let ((old, rest_before), (new, rest_after)) = (of(before), of(after));
        assert_eq!(
            rest_before, rest_after,
            "{value} as {theirs} of a {}",
            kind.object
        );
        // Flags and visibilities have no value for "unknown".
        let may_stay = ["is_deleted", "is_archived", "share_type", ""].contains(ours);
        assert!(
            may_stay || old != new,
            "{value} as {theirs} of a {}: {new:?}",
            kind.object
        );
    }
}

/// Apollo's list from now on: for each mapped field a record in which that field has another value,
/// and one unchanged record. The unchanged contact carries the sequence states.
fn answer(app: &App, kind: &Kind, value: impl Fn(&str) -> Option<Value>) {
    if kind.object == "sequence_state" {
        return;
    }
    let mut records = one_for_each_field(kind, &value);
    if kind.object == "contact" {
        let statuses = one_for_each_field(&sequence_state(), &value);
        records.last_mut().unwrap()["contact_campaign_statuses"] = statuses.into();
    }
    answer_with(app, kind.path, kind.array, &records);
}

fn one_for_each_field(kind: &Kind, value: impl Fn(&str) -> Option<Value>) -> Vec<Value> {
    let fields = kind.fields.iter().map(|(theirs, _)| Some(*theirs));
    let records = fields.chain([None]).enumerate().map(|(place, field)| {
        let mut record = kind.record.clone();
        if let Some((field, value)) = field.and_then(|field| Some((field, value(field)?))) {
            record[field] = value;
        }
        record["id"] = format!("{}-{place:02}", kind.object).into();
        record
    });
    records.collect()
}

fn answer_with(app: &App, path: &str, array: &str, records: &[Value]) {
    let body = json!({
        array: records,
        "pagination": {"page": 1, "per_page": 100, "total_entries": records.len(), "total_pages": 1},
    });
    let answer = Action::Answer {
        status: 200,
        content_type: "application/json".into(),
        body: body.to_string(),
    };
    app.apollo
        .faults()
        .push(Fault::new(Match::path(path), answer).always());
}

async fn rows(app: &App, kind: &Kind) -> Vec<Value> {
    let list = format!("{}?include_deleted_data=true", kind.list);
    let mut rows = app.all_records(&list).await;
    rows.sort_by_key(|row| row["id"].as_str().unwrap().to_owned());
    rows
}
