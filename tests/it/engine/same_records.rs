//! What doesn't count as a change: values are compared, not their notation.

use chrono::TimeDelta;
use macro_rules_attribute::apply;
use syncline_sim::{Action, Fault, Match};

use crate::support::{App, CUSTOMER, MASTER_KEY, on_both_databases};

const CONTACT: &str = r#"{"id":"c1","first_name":"Zoé","score":1.0,"large":100,
    "account":{"name":"A/B","tags":["x","y"],"owner":{"id":"1","at":null}}}"#;

#[apply(on_both_databases)]
async fn the_same_values_in_another_notation_are_no_change(database: Database) {
    let app = App::with_contacts(database, 1).await;
    answer_contacts(&app, CONTACT);
    app.connect(CUSTOMER, MASTER_KEY).await;
    app.work_off().await;
    let path = "/engagement/v2/contacts/c1?read_from_cache=true";
    let before = app.get(path).await.ok();
    for same in [
        r#"{ "id" : "c1", "first_name" : "Zoé", "score" : 1.0, "large" : 100, "account" :
                { "name" : "A/B", "tags" : [ "x" , "y" ], "owner" : { "id" : "1", "at" : null } } }"#,
        r#"{"id":"c1","first_name":"Zo\u00e9","score":1.0,"large":100,
                "account":{"name":"A\/B","tags":["\u0078","y"],"owner":{"id":"1","at":null}}}"#,
        r#"{"account":{"owner":{"at":null,"id":"1"},"tags":["x","y"],"name":"A/B"},
                "large":100,"score":1.0,"first_name":"Zoé","id":"c1"}"#,
        r#"{"id":"c1","first_name":"Zoé","score":1e0,"large":1.00E2,
                "account":{"name":"A/B","tags":["x","y"],"owner":{"id":"1","at":null}}}"#,
    ] {
        answer_contacts(&app, same);
        app.after(TimeDelta::hours(1)).await;
        let run = &app.runs("contact").await[0];
        assert_eq!(run["records_unchanged"], 1, "{same}: {run}");
        assert_eq!(app.get(path).await.ok(), before, "{same}");
    }
    answer_contacts(&app, &CONTACT.replace("\"y\"", "\"z\""));
    app.after(TimeDelta::hours(1)).await;
    assert_eq!(app.runs("contact").await[0]["records_updated"], 1);
}

#[apply(on_both_databases)]
async fn a_sequence_with_a_statistic_that_is_loading_is_written_once(database: Database) {
    let app = App::with_contacts(database, 1).await;
    let sequence = r#"{ "id": "q1", "name": "Q", "unique_opened": "loading",
            "contact_statuses": {"active": "loading", "failed": 1.0} }"#;
    answer(
        &app,
        "emailer_campaigns/search",
        "emailer_campaigns",
        sequence,
    );
    app.connect(CUSTOMER, MASTER_KEY).await;
    app.work_off().await;
    let path = "/engagement/v2/sequences/q1?read_from_cache=true&include_raw_data=true";
    let before = app.get(path).await.ok();
    app.after(TimeDelta::hours(1)).await;
    assert_eq!(app.runs("sequence").await[0]["records_unchanged"], 1);
    assert_eq!(app.get(path).await.ok(), before);
    let known = sequence.replace("\"loading\"", "5");
    answer(
        &app,
        "emailer_campaigns/search",
        "emailer_campaigns",
        &known,
    );
    app.after(TimeDelta::hours(1)).await;
    assert_eq!(app.runs("sequence").await[0]["records_updated"], 1);
    let known = app.get(path).await.ok();
    assert_eq!(known["metrics"]["uniqueOpened"], 5);
    answer(
        &app,
        "emailer_campaigns/search",
        "emailer_campaigns",
        sequence,
    );
    app.after(TimeDelta::hours(1)).await;
    assert_eq!(app.runs("sequence").await[0]["records_unchanged"], 1);
    assert_eq!(app.get(path).await.ok(), known, "what is known stays");
}

fn answer_contacts(app: &App, contact: &str) {
    answer(app, "contacts/search", "contacts", contact);
}

/// Apollo's list from now on.
fn answer(app: &App, path: &str, array: &str, record: &str) {
    let body = format!(
        r#"{{"{array}": [{record}], "pagination": {{"page": 1, "per_page": 100,
            "total_entries": 1, "total_pages": 1}}}}"#
    );
    let answer = Action::Answer {
        status: 200,
        content_type: "application/json".into(),
        body,
    };
    app.apollo.faults().clear();
    app.apollo
        .faults()
        .push(Fault::new(Match::path(path), answer).always());
}
