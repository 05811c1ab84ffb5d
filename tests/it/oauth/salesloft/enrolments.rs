//! Adding contacts to sequences and taking them off.

use macro_rules_attribute::apply;
use serde_json::{Value, json};
use syncline_sim::{Action, Fault, Match, Options};

use super::{asked, change, fail, lose_answer, salesloft, skipped, warnings};
use crate::{
    engagement::{created, path, row},
    http::refused,
    oauth::SALESLOFT,
    support::{Answer, App, Database, on_both_databases},
};

/// An active cadence, and people who are on none and can be added.
struct Setting {
    sequence: String,
    contacts: Vec<String>,
}

impl Setting {
    fn of(app: &App) -> Self {
        let now = app.now();
        app.apollo.edit(0, |team| {
            let sequence = team.create_sequence(now, "For the test");
            let contacts = (0..5).map(|number| {
                let email = format!("enters-{number}@sequence.example");
                let fields = json!({"first_name": "In", "last_name": "Coming", "email": email});
                team.create_contact(now, &fields).unwrap()
            });
            Self {
                contacts: contacts.collect(),
                sequence,
            }
        })
    }

    fn draft(&self, contact: &str) -> Value {
        json!({"contact_id": contact, "sequence_id": self.sequence})
    }

    async fn enter(&self, app: &App, contact: &str) -> Answer {
        let body = json!({"record": self.draft(contact)});
        app.post(&path("sequence_states"), body).await
    }

    async fn enter_all(&self, app: &App, contacts: &[&str]) -> Answer {
        let records: Vec<Value> = contacts.iter().map(|id| self.draft(id)).collect();
        let body = json!({ "records": records });
        app.post(&path("sequence_states/_batch"), body).await
    }

    async fn leave(&self, app: &App, contacts: &[&str], mode: &str) -> Answer {
        let body = json!({"sequence_id": self.sequence, "contact_ids": contacts, "mode": mode});
        app.post(&path("sequence_states/_leave"), body).await
    }
}

fn entered(answer: &Value) -> Vec<&str> {
    let records = answer["records"].as_array().unwrap().iter();
    records
        .map(|it| it["contact_id"].as_str().unwrap())
        .collect()
}

#[apply(on_both_databases)]
async fn a_contact_enters_a_sequence_once_and_its_state_is_in_the_tables(database: Database) {
    let app = salesloft(database).await;
    let setting = Setting::of(&app);
    let contact = &setting.contacts[0];
    let user = app.apollo.read(0, |team| team.user_ids()[1].clone());
    let mut record = setting.draft(contact);
    record["user_id"] = json!(user);
    let answer = app
        .post(&path("sequence_states"), json!({ "record": record }))
        .await;
    assert!(warnings(&answer).is_empty(), "{}", answer.body);
    let id = created(&answer);
    let state = row(&app, "sequence_states", &id).await;
    for (field, value) in [
        ("contact_id", json!(contact)),
        ("sequence_id", json!(setting.sequence)),
        ("user_id", json!(user)),
        ("mailbox_id", Value::Null),
    ] {
        assert_eq!(state[field], value, "{field}");
    }
    let again = created(&setting.enter(&app, contact).await);
    assert_eq!(again, id, "being on it already is what was asked for");
    assert_eq!(asked(&app, "POST", "/v2/cadence_memberships"), 1);
}

#[apply(on_both_databases)]
async fn a_mailbox_is_not_needed_and_told_as_not_used(database: Database) {
    let app = salesloft(database).await;
    let setting = Setting::of(&app);
    let mut record = setting.draft(&setting.contacts[0]);
    record["mailbox_id"] = json!("7");
    let answer = app
        .post(&path("sequence_states"), json!({ "record": record }))
        .await;
    created(&answer);
    let told = warnings(&answer);
    assert!(told[0].contains("mailbox_id"), "{told:?}");
}

#[apply(on_both_databases)]
async fn a_batch_tells_who_entered_and_who_did_not_and_why(database: Database) {
    let app = salesloft(database).await;
    let setting = Setting::of(&app);
    let now = app.now();
    let (mute, known) = app.apollo.edit(0, |team| {
        let fields = json!({"first_name": "No", "last_name": "Mail"});
        let mute = team.create_contact(now, &fields).unwrap();
        let known = setting.contacts[1].clone();
        team.enrol(now, &known, &setting.sequence).unwrap();
        (mute, known)
    });
    let wanted = [
        setting.contacts[2].as_str(),
        &mute,
        &known,
        "999999999",
        "nobody",
        &setting.contacts[0],
    ];
    let answer = setting.enter_all(&app, &wanted).await;
    assert_eq!(answer.status.as_u16(), 201, "{}", answer.body);
    let expected = [setting.contacts[2].as_str(), &known, &setting.contacts[0]];
    assert_eq!(entered(&answer.body), expected, "in their order");
    let expected = [
        (mute.as_str(), "must_not_be_contacted"),
        ("999999999", "contact_not_found"),
        ("nobody", "contact_not_found"),
    ];
    assert_eq!(skipped(&answer.body), expected);
    for record in answer.body["records"].as_array().unwrap() {
        row(&app, "sequence_states", record["id"].as_str().unwrap()).await;
    }
}

/// Salesloft refuses to add who must not be contacted, or takes them off at once.
async fn who_must_not_be_contacted(database: Database, are_removed: bool, code: &str) {
    let mut options = Options::salesloft(30);
    options.salesloft.switches.forbidden_enrolment_removed = are_removed;
    let app = SALESLOFT.enabled_with(database, options).await;
    SALESLOFT.import(&app).await.ok();
    let setting = Setting::of(&app);
    let contact = &setting.contacts[0];
    let record = json!({"custom_fields": {"do_not_contact": true}});
    change(&app, &format!("contacts/{contact}"), &record)
        .await
        .ok();
    let answer = setting.enter(&app, contact).await;
    refused(&answer, 422, "UNPROCESSABLE_ENTITY_ERROR");
    let skipped = &answer.body["errors"][0]["meta"]["cause"]["skipped"][0];
    assert_eq!(skipped["code"], code);
}

#[apply(on_both_databases)]
async fn who_must_not_be_contacted_is_told_where_salesloft_refuses_them(database: Database) {
    who_must_not_be_contacted(database, false, "must_not_be_contacted").await;
}

#[apply(on_both_databases)]
async fn who_must_not_be_contacted_is_told_where_salesloft_removes_them(database: Database) {
    who_must_not_be_contacted(database, true, "removed_at_once").await;
}

#[apply(on_both_databases)]
async fn a_draft_takes_nobody(database: Database) {
    let app = salesloft(database).await;
    let mut setting = Setting::of(&app);
    let record = json!({"record": {"name": "A draft", "type": "team"}});
    setting.sequence = created(&app.post(&path("sequences"), record).await);
    let answer = setting.enter(&app, &setting.contacts[0]).await;
    let title = refused(&answer, 422, "UNPROCESSABLE_ENTITY_ERROR");
    assert!(title.contains("draft"), "{title}");
}

#[apply(on_both_databases)]
async fn what_an_enrolment_names_and_is_not_there_is_a_404(database: Database) {
    let app = salesloft(database).await;
    let setting = Setting::of(&app);
    let contact = &setting.contacts[0];
    for (field, unknown) in [
        ("sequence_id", "999999999"),
        ("sequence_id", "nobody"),
        ("user_id", "999999999"),
        ("user_id", "nobody"),
        ("contact_id", "999999999"),
        ("contact_id", "nobody"),
    ] {
        let mut record = setting.draft(contact);
        record[field] = json!(unknown);
        let answer = app
            .post(&path("sequence_states"), json!({ "record": record }))
            .await;
        refused(&answer, 404, "NOT_FOUND_ERROR");
    }
}

#[apply(on_both_databases)]
async fn an_enrolment_whose_answer_is_lost_is_found_and_not_doubled(database: Database) {
    let app = salesloft(database).await;
    let setting = Setting::of(&app);
    lose_answer(&app, "/v2/cadence_memberships");
    let id = created(&setting.enter(&app, &setting.contacts[0]).await);
    row(&app, "sequence_states", &id).await;
    assert_eq!(asked(&app, "POST", "/v2/cadence_memberships"), 1);
}

#[apply(on_both_databases)]
async fn a_failure_tells_who_was_added_before_it(database: Database) {
    let app = salesloft(database).await;
    let setting = Setting::of(&app);
    fail(&app, "/v2/cadence_memberships");
    let answer = setting.enter(&app, &setting.contacts[0]).await;
    refused(&answer, 502, "BAD_GATEWAY_ERROR");

    let post = Match::path("/v2/cadence_memberships");
    let post = post.method(reqwest::Method::POST).nth(2);
    app.apollo
        .faults()
        .push(Fault::new(post, Action::server_error()));
    let wanted: Vec<&str> = setting
        .contacts
        .iter()
        .take(3)
        .map(String::as_str)
        .collect();
    let answer = setting.enter_all(&app, &wanted).await.ok();
    assert_eq!(entered(&answer), wanted[..1]);
    let expected = [(wanted[1], "unknown"), (wanted[2], "not_tried")];
    assert_eq!(skipped(&answer), expected);
}

#[apply(on_both_databases)]
async fn contacts_are_taken_off_and_come_back_with_the_same_state(database: Database) {
    let app = salesloft(database).await;
    let setting = Setting::of(&app);
    let contact = setting.contacts[0].as_str();
    let id = created(&setting.enter(&app, contact).await);
    // Twice is the same as once.
    for _ in 0..2 {
        let left = setting.leave(&app, &[contact], "remove").await.ok();
        assert_eq!(left["records"][0]["id"], json!(id));
        let state = row(&app, "sequence_states", &id).await;
        assert_eq!(state["state"], "removed_no_action");
        assert_eq!(state["is_deleted"], false, "Salesloft keeps it");
    }
    assert_eq!(asked(&app, "DELETE", "/v2/cadence_memberships"), 1);
    assert_eq!(created(&setting.enter(&app, contact).await), id);
    let state = row(&app, "sequence_states", &id).await;
    assert_ne!(state["state"], "removed_no_action");
}

#[apply(on_both_databases)]
async fn there_is_no_other_way_out(database: Database) {
    let app = salesloft(database).await;
    let setting = Setting::of(&app);
    for mode in ["stop", "finish"] {
        let answer = setting.leave(&app, &[&setting.contacts[0]], mode).await;
        assert_eq!(answer.error(), (400, "VALIDATION_ERROR", "mode"));
    }
    assert!(app.apollo.ledger().is_empty());
}

#[apply(on_both_databases)]
async fn who_is_not_in_the_sequence_is_told_and_an_unknown_sequence_is_a_404(database: Database) {
    let app = salesloft(database).await;
    let mut setting = Setting::of(&app);
    let contacts = setting.contacts.clone();
    let id = created(&setting.enter(&app, &contacts[0]).await);
    let wanted = [contacts[1].as_str(), &contacts[0], "999999999", "nobody"];
    let left = setting.leave(&app, &wanted, "remove").await.ok();
    assert_eq!(left["records"].as_array().unwrap().len(), 1);
    assert_eq!(left["records"][0]["id"], json!(id));
    let expected = [
        (contacts[1].as_str(), "not_in_sequence"),
        ("999999999", "contact_not_found"),
        ("nobody", "contact_not_found"),
    ];
    assert_eq!(skipped(&left), expected);
    for unknown in ["999999999", "nobody"] {
        setting.sequence = unknown.to_owned();
        let answer = setting.leave(&app, &wanted[..1], "remove").await;
        refused(&answer, 404, "NOT_FOUND_ERROR");
    }
}

#[apply(on_both_databases)]
async fn a_leave_whose_answer_is_lost_is_done_all_the_same(database: Database) {
    let app = salesloft(database).await;
    let setting = Setting::of(&app);
    let contact = setting.contacts[0].as_str();
    let id = created(&setting.enter(&app, contact).await);
    let delete = Match::path("/v2/cadence_memberships").method(reqwest::Method::DELETE);
    app.apollo
        .faults()
        .push(Fault::new(delete, Action::AppliedThenServerError));
    let left = setting.leave(&app, &[contact], "remove").await.ok();
    assert_eq!(left["records"][0]["id"], json!(id));
    let state = row(&app, "sequence_states", &id).await;
    assert_eq!(state["state"], "removed_no_action");
}
