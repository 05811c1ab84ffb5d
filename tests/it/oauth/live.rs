//! Live reads of the unified API.

use macro_rules_attribute::apply;
use serde_json::{Value, json};

use super::{OUTREACH, SALESLOFT, at_both_providers};
use crate::{
    http::refused,
    support::{App, on_both_databases},
};

fn path(rest: &str) -> String {
    format!("/engagement/v2/{rest}")
}

fn id_of(record: &Value) -> String {
    record["id"].as_str().unwrap().to_owned()
}

fn ids(records: &[Value]) -> Vec<String> {
    let mut ids: Vec<String> = records.iter().map(id_of).collect();
    ids.sort();
    ids
}

/// All pages of a list, or of a search with a body.
async fn whole(app: &App, rest: &str, page_size: usize, body: Option<Value>) -> Vec<Value> {
    let (mut records, mut url) = (Vec::new(), path(&format!("{rest}?page_size={page_size}")));
    loop {
        let answer = match &body {
            Some(body) => app.post(&url, body.clone()).await,
            None => app.get(&url).await,
        };
        let page = answer.ok();
        let shown = page["records"].as_array().unwrap();
        assert!(shown.len() <= page_size);
        records.extend(shown.iter().cloned());
        let Some(next) = page["pagination"]["next"].as_str() else {
            return records;
        };
        url = path(&format!("{rest}?cursor={next}"));
    }
}

#[apply(at_both_providers)]
async fn live_lists_show_what_the_tables_show(provider: Provider, database: Database) {
    let app = provider.connected(database, 60).await;
    app.work_off().await;
    for list in provider.lists() {
        let mut live = whole(&app, &list, 7, None).await;
        let mut cached = app.all_records(&list).await;
        assert!(!live.is_empty(), "{list}");
        for record in live.iter_mut().chain(&mut cached) {
            // The time at which the change was recorded, which only the tables have.
            record["last_modified_at"] = Value::Null;
            record["deleted_at"] = Value::Null;
        }
        live.sort_by_key(id_of);
        assert_eq!(live, cached, "{list}");
    }
}

#[apply(at_both_providers)]
async fn a_record_is_got_as_it_is_listed(provider: Provider, database: Database) {
    let app = provider.connected(database, 30).await;
    for list in provider.lists() {
        let url = path(&format!("{list}?page_size=100&include_raw_data=true"));
        let page = app.get(&url).await.ok();
        let listed = page["records"].as_array().unwrap().last().unwrap().clone();
        let id = id_of(&listed);
        let url = path(&format!("{list}/{id}?include_raw_data=true"));
        let mut got = app.get(&url).await.ok();
        if list == "sequences" {
            assert!(got["steps"].is_array(), "{got}");
            got.as_object_mut().unwrap().remove("steps");
        }
        assert_eq!(got, listed, "{list}");
        for unknown in ["999999999", "nobody", "00"] {
            let answer = app.get(&path(&format!("{list}/{unknown}"))).await;
            let title = refused(&answer, 404, "NOT_FOUND_ERROR");
            assert!(!title.is_empty(), "{list}");
        }
    }
}

#[apply(at_both_providers)]
async fn a_sequence_has_its_steps(provider: Provider, database: Database) {
    let app = provider.connected(database, 5).await;
    let id = app.apollo.read(0, |team| team.sequence_ids()[0].clone());
    let sequence = app.get(&path(&format!("sequences/{id}"))).await.ok();
    let steps = sequence["steps"].as_array().unwrap();
    assert_eq!(sequence["num_steps"], steps.len());
    for (place, step) in steps.iter().enumerate() {
        assert_eq!(step["order"], place + 1);
        let sends = ["auto_email", "manual_email"].contains(&step["type"].as_str().unwrap());
        assert_eq!(step["template"]["subject"].is_string(), sends, "{step}");
        assert_eq!(step["template"]["body"].is_string(), sends, "{step}");
        assert_eq!(step["task_note"].is_string(), !sends, "{step}");
        assert!(step["interval_seconds"].is_i64(), "{step}");
    }
}

/// The primary address of a contact.
fn email(contact: &Value) -> Option<String> {
    let email = contact["email_addresses"][0]["email_address"].as_str();
    email.map(str::to_uppercase)
}

#[apply(at_both_providers)]
async fn records_are_searched(provider: Provider, database: Database) {
    let app = provider.connected(database, 40).await;
    let contacts = whole(&app, "contacts", 100, None).await;
    let wanted: Vec<&Value> = contacts.iter().filter(|it| email(it).is_some()).collect();
    let emails: Vec<String> = wanted.iter().take(5).filter_map(|it| email(it)).collect();
    let filter = json!({"filter": {"emails": emails}});
    let found = whole(&app, "contacts/_search", 100, Some(filter)).await;
    let expected = wanted.iter().take(5).map(|it| (*it).clone());
    assert_eq!(found, expected.collect::<Vec<_>>());

    let accounts = whole(&app, "accounts", 100, None).await;
    let account = accounts.iter().find(|it| it["domain"].is_string()).unwrap();
    for filter in [
        json!({"name": account["name"]}),
        json!({"domain": account["domain"]}),
        json!({"name": account["name"], "domain": account["domain"]}),
    ] {
        let body = json!({"filter": filter});
        let found = app.post(&path("accounts/_search"), body).await.ok();
        let found = found["records"].as_array().unwrap();
        assert!(found.contains(account), "{filter}");
    }
}

#[apply(at_both_providers)]
async fn states_are_searched(provider: Provider, database: Database) {
    let app = provider.connected(database, 60).await;
    let states = whole(&app, "sequence_states", 100, None).await;
    let (sequence, contact) = (&states[0]["sequence_id"], &states[0]["contact_id"]);
    for (filter, page_size) in [
        (json!({"sequence_id": sequence}), 3),
        (json!({"contact_id": contact}), 100),
        (json!({"sequence_id": sequence, "contact_id": contact}), 100),
    ] {
        let matches = |state: &&Value| {
            let mut wanted = filter.as_object().unwrap().iter();
            wanted.all(|(name, value)| state[name] == *value)
        };
        let expected: Vec<Value> = states.iter().filter(matches).cloned().collect();
        let body = Some(json!({"filter": filter}));
        let found = whole(&app, "sequence_states/_search", page_size, body).await;
        assert_eq!(ids(&found), ids(&expected), "{filter}");
    }
    for name in ["sequence_id", "contact_id"] {
        let body = json!({"filter": {name: "nobody"}});
        let answer = app.post(&path("sequence_states/_search"), body).await;
        refused(&answer, 404, "NOT_FOUND_ERROR");
    }
}

/// A cursor with the token of another page of the same list goes on from there; no cursor works for
/// another list, and an address in one leads nowhere.
#[apply(on_both_databases)]
async fn a_cursor_leads_on_in_its_list_and_nowhere_else(database: Database) {
    let app = OUTREACH.connected(database, 30).await;
    let first = app.get(&path("contacts?page_size=10")).await.ok();
    let next = first["pagination"]["next"].as_str().unwrap();
    let second = app.get(&path(&format!("contacts?cursor={next}"))).await;
    let second = second.ok();
    let previous = second["pagination"]["previous"].as_str().unwrap();
    let back = app.get(&path(&format!("contacts?cursor={previous}"))).await;
    assert_eq!(back.ok()["records"], first["records"]);
    let next = second["pagination"]["next"].as_str().unwrap();
    let third = app
        .get(&path(&format!("contacts?cursor={next}")))
        .await
        .ok();
    assert_eq!(third["pagination"]["previous"], Value::Null);

    let answer = app.get(&path(&format!("accounts?cursor={next}"))).await;
    assert_eq!(answer.error(), (400, "VALIDATION_ERROR", "cursor"));
    let before = app.apollo.ledger().len();
    let long = "t".repeat(5_000);
    for forged in [long.as_str(), "\0"] {
        let answer = app.get(&forged_url(forged)).await;
        assert_eq!(answer.error(), (400, "VALIDATION_ERROR", "cursor"));
    }
    assert_eq!(app.apollo.ledger().len(), before);
    let answer = app.get(&forged_url("https://elsewhere.example/")).await;
    assert_eq!(answer.status, 400, "{}", answer.body);
    let asked = app.apollo.ledger().requests_to("/api/v2/prospects");
    assert_eq!(asked.len(), 5, "Outreach has refused the token");
}

#[apply(on_both_databases)]
async fn a_token_that_salesloft_never_gave_is_refused_before_anything_is_sent(database: Database) {
    let app = SALESLOFT.connected(database, 5).await;
    let before = app.apollo.ledger().len();
    for forged in ["https://elsewhere.example/", "{}", "[]"] {
        let answer = app.get(&forged_url(forged)).await;
        assert_eq!(answer.error(), (400, "VALIDATION_ERROR", "cursor"));
    }
    assert_eq!(app.apollo.ledger().len(), before);
}

/// A page of contacts, told by a forged token.
fn forged_url(token: &str) -> String {
    use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
    let cursor = json!({"live": "contact", "page": 2, "token": token, "size": 10});
    let cursor = BASE64_URL_SAFE_NO_PAD.encode(cursor.to_string());
    path(&format!("contacts?cursor={cursor}"))
}

#[apply(on_both_databases)]
async fn what_a_provider_does_not_have_is_refused_with_its_name(database: Database) {
    let app = SALESLOFT.connected(database, 5).await;
    let before = app.apollo.ledger().len();
    for url in ["mailboxes", "mailboxes/7"] {
        let answer = app.get(&path(url)).await;
        let title = refused(&answer, 400, "BAD_REQUEST");
        assert_eq!(title, "salesloft has no mailboxes");
    }
    let answer = app
        .get(&path("contacts?modified_after=2026-01-01T00:00:00Z"))
        .await;
    let title = refused(&answer, 400, "VALIDATION_ERROR");
    assert!(title.contains("salesloft"), "{title}");
    for url in [
        "persons?email=a@b.example",
        "organizations?domain=b.example",
    ] {
        let answer = app.get(&format!("/enrichment/v2/{url}")).await;
        let title = refused(&answer, 400, "BAD_REQUEST");
        assert_eq!(title, "enrichment is not supported by salesloft");
    }
    assert_eq!(app.apollo.ledger().len(), before);
}
