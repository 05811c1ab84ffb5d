//! Records that the database itself rejects: each is rejected alone, with a reason.

use chrono::TimeDelta;
use macro_rules_attribute::apply;
use serde_json::{Value, json};
use syncline_sim::{Action, Fault, Match};

use crate::support::{App, CUSTOMER, MASTER_KEY, on_both_databases};

#[apply(on_both_databases)]
async fn what_postgresql_can_not_hold_keeps_out_that_record_alone(database: Database) {
    let app = App::with_contacts(database, 1).await;
    let long = random_letters(3000);
    let odd = [
        format!(r#"{{"id": "too-large", "score": 1e{}}}"#, "9".repeat(6)),
        format!(r#"{{"id": "{long}", "contact_campaign_statuses": [{{"id": "s"}}]}}"#),
    ];
    answer_contacts(&app, &among_others(&odd, 60));
    app.connect(CUSTOMER, MASTER_KEY).await;
    app.work_off().await;
    let run = &app.runs("contact").await[0];
    assert_eq!(run["status"], "SUCCESS", "{run}");
    // SQLite has no such limits.
    let kept_out = if app.database.is_postgres { 2 } else { 0 };
    assert_eq!(run["records_rejected"], kept_out, "{run}");
    assert_eq!(run["records_created"], 62 - kept_out);
    assert_eq!(run["num_records_synced"], 62 - kept_out);
    assert_eq!(app.all_records("contacts").await.len(), 62 - kept_out);
    let states = &app.runs("sequence_state").await[0];
    assert_eq!(states["records_rejected"], kept_out / 2, "{states}");
    if app.database.is_postgres {
        let named = rejections(&app, "contact").await;
        assert!(
            named["too-large"].contains("the database refuses it"),
            "{named:?}"
        );
        assert!(
            named[&long].contains("the database refuses it"),
            "{named:?}"
        );
    }
    // They count as seen: nothing goes missing, and the second run writes nothing.
    app.after(TimeDelta::hours(1)).await;
    let run = &app.runs("contact").await[0];
    assert_eq!(
        (&run["records_missing"], &run["records_created"]),
        (&json!(0), &json!(0))
    );
    assert_eq!(run["records_rejected"], kept_out);
}

#[apply(on_both_databases)]
async fn what_a_rule_of_the_table_refuses_keeps_out_that_record_alone(database: Database) {
    let app = App::with_contacts(database, 1).await;
    let rule = if app.database.is_postgres {
        "ALTER TABLE engagement_contacts ADD CONSTRAINT none CHECK (first_name <> 'Nobody')"
    } else {
        "CREATE TRIGGER none BEFORE INSERT ON engagement_contacts WHEN NEW.first_name = 'Nobody'
             BEGIN SELECT RAISE(ABORT, 'nobody is none'); END"
    };
    app.database.execute(rule).await;
    let nobodies: Vec<String> = [3, 4, 59]
        .iter()
        .map(|n| format!(r#"{{"id": "n{n}", "first_name": "Nobody"}}"#))
        .collect();
    answer_contacts(&app, &among_others(&nobodies, 57));
    app.connect(CUSTOMER, MASTER_KEY).await;
    app.work_off().await;
    let run = &app.runs("contact").await[0];
    assert_eq!(run["status"], "SUCCESS", "{run}");
    assert_eq!(
        (&run["records_created"], &run["records_rejected"]),
        (&json!(57), &json!(3))
    );
    let named = rejections(&app, "contact").await;
    assert_eq!(named.keys().collect::<Vec<_>>(), ["n3", "n4", "n59"]);
}

#[apply(on_both_databases)]
async fn a_record_that_is_nested_without_end_is_kept_out(database: Database) {
    let app = App::with_contacts(database, 1).await;
    let nested = |id: &str, levels: usize| {
        format!(
            r#"{{"id": "{id}", "deep": {}{}}}"#,
            "[".repeat(levels),
            "]".repeat(levels)
        )
    };
    let odd = [
        nested("deep", 20_000),
        nested("bottomless", 1_000_000),
        nested("fine", 500),
    ];
    answer_contacts(&app, &among_others(&odd, 20));
    app.connect(CUSTOMER, MASTER_KEY).await;
    app.work_off().await;
    let run = &app.runs("contact").await[0];
    assert_eq!(run["status"], "SUCCESS", "{run}");
    assert_eq!(
        (&run["records_created"], &run["records_rejected"]),
        (&json!(21), &json!(2))
    );
    let named = rejections(&app, "contact").await;
    assert!(named["deep"].contains("20001 levels"), "{named:?}");
    let fine = app
        .get("/engagement/v2/contacts/fine?read_from_cache=true")
        .await
        .ok();
    assert_eq!(fine["is_deleted"], false);
}

#[apply(on_both_databases)]
async fn long_texts_and_unknown_keys_are_stored(database: Database) {
    let app = App::with_contacts(database, 1).await;
    let long = "é".repeat(1_000_000);
    let contact = json!({"id": "c1", "first_name": long, "of_tomorrow": {"deep": [1, "x"]}});
    answer_contacts(&app, &[contact.to_string()]);
    app.connect(CUSTOMER, MASTER_KEY).await;
    app.work_off().await;
    let row = app
        .get("/engagement/v2/contacts/c1?read_from_cache=true&include_raw_data=true")
        .await
        .ok();
    assert_eq!(row["first_name"].as_str().unwrap(), long);
    assert_eq!(row["raw_data"]["of_tomorrow"], json!({"deep": [1, "x"]}));
}

/// With this many other records before, between and after them.
fn among_others(odd: &[String], others: usize) -> Vec<String> {
    let mut all: Vec<String> = (0..others)
        .map(|n| format!(r#"{{"id": "c{n:03}"}}"#))
        .collect();
    for (place, record) in odd.iter().enumerate() {
        all.insert((place * 17).min(all.len()), record.clone());
    }
    all
}

/// Letters that don't compress.
fn random_letters(count: usize) -> String {
    let mut state = 7_u64;
    let mut next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        let letter = u8::try_from((state >> 33) % 26).unwrap();
        char::from(b'a' + letter)
    };
    (0..count).map(|_| next()).collect()
}

async fn rejections(app: &App, object: &str) -> std::collections::BTreeMap<String, String> {
    let runs = app.runs(object).await;
    let path = format!("/mgmt/v2/sync-runs/{}", runs[0]["id"].as_str().unwrap());
    let run: Value = app.get(&path).await.ok();
    let rejections = run["rejections"].as_array().unwrap().iter();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    rejections
        .map(|it| (text(&it["id"]), text(&it["reason"])))
        .collect()
}

/// Apollo's contacts from now on.
fn answer_contacts(app: &App, contacts: &[String]) {
    let body = format!(
        r#"{{"contacts": [{}], "pagination": {{"page": 1, "per_page": 100, "total_entries": {},
            "total_pages": 1}}}}"#,
        contacts.join(", "),
        contacts.len()
    );
    let answer = Action::Answer {
        status: 200,
        content_type: "application/json".into(),
        body,
    };
    app.apollo
        .faults()
        .push(Fault::new(Match::path("contacts/search"), answer).always());
}
