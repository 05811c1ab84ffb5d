//! Adding contacts to sequences and taking them out.

use macro_rules_attribute::apply;
use serde_json::{Value, json};
use syncline_sim::{Options, StateKind};

use super::{asked, fail, lose_answer, outreach, skipped};
use crate::{
    engagement::{created, path, row},
    http::refused,
    oauth::OUTREACH,
    support::{Answer, App, on_both_databases},
};

/// An active sequence, a mailbox, and contacts that are in no sequence and can enter one.
struct Setting {
    sequence: String,
    mailbox: String,
    contacts: Vec<String>,
}

impl Setting {
    fn of(app: &App) -> Self {
        let now = app.now();
        app.apollo.edit(0, |team| {
            let sequence = team.create_sequence(now, "For the test");
            let mailbox = team.mailbox_ids()[0].clone();
            let contacts = (0..5).map(|number| {
                let email = format!("enters-{number}@sequence.example");
                let fields = json!({"first_name": "In", "last_name": "Coming", "email": email});
                team.create_contact(now, &fields).unwrap()
            });
            Self {
                contacts: contacts.collect(),
                sequence,
                mailbox,
            }
        })
    }

    fn draft(&self, contact: &str) -> Value {
        json!({"contact_id": contact, "sequence_id": self.sequence, "mailbox_id": self.mailbox})
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

/// How many states a contact has at Outreach.
fn states_of(app: &App, contact: &str) -> usize {
    let states = app.apollo.read(0, syncline_sim::Team::states);
    states.iter().filter(|(of, _)| of == contact).count()
}

fn entered(answer: &Value) -> Vec<&str> {
    let records = answer["records"].as_array().unwrap().iter();
    records
        .map(|it| it["contact_id"].as_str().unwrap())
        .collect()
}

#[apply(on_both_databases)]
async fn a_contact_enters_a_sequence_once_and_its_state_is_in_the_tables(database: Database) {
    let app = outreach(database).await;
    let setting = Setting::of(&app);
    let contact = &setting.contacts[0];
    let id = created(&setting.enter(&app, contact).await);
    let state = row(&app, "sequence_states", &id).await;
    for (field, value) in [
        ("contact_id", json!(contact)),
        ("sequence_id", json!(setting.sequence)),
        ("mailbox_id", json!(setting.mailbox)),
        ("state", json!("active")),
    ] {
        assert_eq!(state[field], value, "{field}");
    }
    let again = created(&setting.enter(&app, contact).await);
    assert_eq!(again, id, "being in it already is what was asked for");
    assert_eq!(asked(&app, "POST", "/api/v2/sequenceStates"), 1);
}

#[apply(on_both_databases)]
async fn who_adds_a_contact_may_be_named(database: Database) {
    let app = outreach(database).await;
    let setting = Setting::of(&app);
    let user = app.apollo.read(0, |team| team.user_ids()[2].clone());
    let mut record = setting.draft(&setting.contacts[0]);
    record["user_id"] = json!(user);
    let answer = app
        .post(&path("sequence_states"), json!({ "record": record }))
        .await;
    let state = row(&app, "sequence_states", &created(&answer)).await;
    let creator = &state["raw_data"]["relationships"]["creator"]["data"]["id"];
    assert_eq!(creator.to_string(), user);
}

#[apply(on_both_databases)]
async fn a_batch_tells_who_entered_and_who_did_not_and_why(database: Database) {
    let app = outreach(database).await;
    let setting = Setting::of(&app);
    let now = app.now();
    let (mute, known, over) = app.apollo.edit(0, |team| {
        let fields = json!({"first_name": "No", "last_name": "Mail"});
        let mute = team.create_contact(now, &fields).unwrap();
        let [known, over] = [1, 3].map(|place| setting.contacts[place].clone());
        for contact in [&known, &over] {
            team.enrol(now, contact, &setting.sequence).unwrap();
        }
        let finished = StateKind::Finished;
        team.set_state(now, &over, &setting.sequence, finished, None)
            .unwrap();
        (mute, known, over)
    });
    let wanted = [
        setting.contacts[2].as_str(),
        &mute,
        &known,
        "999999999",
        "nobody",
        &over,
        &setting.contacts[0],
    ];
    let answer = setting.enter_all(&app, &wanted).await;
    assert_eq!(answer.status.as_u16(), 201, "{}", answer.body);
    let expected = [setting.contacts[2].as_str(), &known, &setting.contacts[0]];
    assert_eq!(entered(&answer.body), expected, "in their order");
    let expected = [
        (mute.as_str(), "without_email"),
        ("999999999", "contact_not_found"),
        ("nobody", "contact_not_found"),
        (over.as_str(), "already_been_in_sequence"),
    ];
    assert_eq!(skipped(&answer.body), expected);
    for record in answer.body["records"].as_array().unwrap() {
        row(&app, "sequence_states", record["id"].as_str().unwrap()).await;
    }
}

#[apply(on_both_databases)]
async fn who_opted_out_is_a_422_with_the_reason(database: Database) {
    let app = outreach(database).await;
    let setting = Setting::of(&app);
    let contact = &setting.contacts[0];
    let record = json!({"record": {"custom_fields": {"optedOut": true}}});
    let url = path(&format!("contacts/{contact}"));
    app.send(reqwest::Method::PATCH, &url, Some(record))
        .await
        .ok();
    let answer = setting.enter(&app, contact).await;
    let title = refused(&answer, 422, "UNPROCESSABLE_ENTITY_ERROR");
    assert!(title.contains("opted out"), "{title}");
    let skipped = &answer.body["errors"][0]["meta"]["cause"]["skipped"][0];
    assert_eq!(skipped["code"], "opted_out");
}

#[apply(on_both_databases)]
async fn who_finished_may_enter_again_where_the_ruleset_lets_them(database: Database) {
    let mut options = Options::outreach(30);
    options.outreach.ruleset.duplicates = syncline_sim::Duplicates::OnlyIfInactive;
    let app = OUTREACH.enabled_with(database, options).await;
    OUTREACH.import(&app).await.ok();
    app.work_off().await;
    let setting = Setting::of(&app);
    let contact = setting.contacts[0].as_str();
    let first = created(&setting.enter(&app, contact).await);
    setting.leave(&app, &[contact], "finish").await.ok();
    let second = created(&setting.enter(&app, contact).await);
    assert_ne!(first, second, "each time is a state of its own");
    assert_eq!(states_of(&app, contact), 2);

    let left = setting.leave(&app, &[contact], "remove").await.ok();
    assert_eq!(left["records"][0]["id"], json!(second));
    assert_eq!(states_of(&app, contact), 0);
    for id in [first, second] {
        assert_eq!(row(&app, "sequence_states", &id).await["is_deleted"], true);
    }
}

#[apply(on_both_databases)]
async fn what_an_enrolment_names_and_is_not_there_is_a_404(database: Database) {
    let app = outreach(database).await;
    let setting = Setting::of(&app);
    let contact = &setting.contacts[0];
    for (field, unknown) in [
        ("sequence_id", "999999999"),
        ("sequence_id", "nobody"),
        ("mailbox_id", "999999999"),
        ("mailbox_id", "nobody"),
        ("contact_id", "999999999"),
        ("user_id", "nobody"),
    ] {
        let mut record = setting.draft(contact);
        record[field] = json!(unknown);
        let answer = app
            .post(&path("sequence_states"), json!({ "record": record }))
            .await;
        refused(&answer, 404, "NOT_FOUND_ERROR");
    }
    let record = json!({"contact_id": contact, "sequence_id": setting.sequence});
    let answer = app
        .post(&path("sequence_states"), json!({ "record": record }))
        .await;
    let field = "record.mailbox_id";
    assert_eq!(answer.error(), (400, "VALIDATION_ERROR", field));
}

#[apply(on_both_databases)]
async fn an_enrolment_whose_answer_is_lost_is_found_and_not_doubled(database: Database) {
    let app = outreach(database).await;
    let setting = Setting::of(&app);
    let contact = setting.contacts[0].as_str();
    lose_answer(&app, "/api/v2/sequenceStates");
    let id = created(&setting.enter(&app, contact).await);
    assert_eq!(row(&app, "sequence_states", &id).await["state"], "active");
    assert_eq!(asked(&app, "POST", "/api/v2/sequenceStates"), 1);
    assert_eq!(states_of(&app, contact), 1);
}

#[apply(on_both_databases)]
async fn a_failure_tells_who_was_added_before_it(database: Database) {
    let app = outreach(database).await;
    let setting = Setting::of(&app);
    fail(&app, "/api/v2/sequenceStates");
    let answer = setting.enter(&app, &setting.contacts[0]).await;
    refused(&answer, 502, "BAD_GATEWAY_ERROR");

    let post = syncline_sim::Match::path("/api/v2/sequenceStates");
    let post = post.method(reqwest::Method::POST).nth(2);
    let fault = syncline_sim::Fault::new(post, syncline_sim::Action::server_error());
    app.apollo.faults().push(fault);
    let wanted: Vec<&str> = setting
        .contacts
        .iter()
        .take(4)
        .map(String::as_str)
        .collect();
    let answer = setting.enter_all(&app, &wanted).await.ok();
    assert_eq!(entered(&answer), wanted[..1]);
    let expected = [
        (wanted[1], "unknown"),
        (wanted[2], "not_tried"),
        (wanted[3], "not_tried"),
    ];
    assert_eq!(skipped(&answer), expected);
}

#[apply(on_both_databases)]
async fn contacts_are_stopped_finished_and_removed(database: Database) {
    let app = outreach(database).await;
    let setting = Setting::of(&app);
    for (mode, contact, shown) in [
        ("stop", &setting.contacts[0], Some("paused")),
        ("finish", &setting.contacts[1], Some("finished")),
        ("remove", &setting.contacts[2], None),
    ] {
        let id = created(&setting.enter(&app, contact).await);
        // Twice is the same as once, but for who was removed.
        let times = if shown.is_some() { 2 } else { 1 };
        for _ in 0..times {
            let left = setting.leave(&app, &[contact], mode).await.ok();
            assert_eq!(left["records"][0]["id"], json!(id), "{mode}");
        }
        let state = row(&app, "sequence_states", &id).await;
        match shown {
            Some(word) => {
                assert_eq!(state["state"], word);
                assert_eq!(state["is_deleted"], false);
            }
            None => assert_eq!(state["is_deleted"], true),
        }
        let live = app.get(&path(&format!("sequence_states/{id}"))).await;
        assert_eq!(live.status.is_success(), shown.is_some(), "{mode}");
    }
    assert_eq!(asked(&app, "POST", "/actions/"), 2);
}

#[apply(on_both_databases)]
async fn who_is_not_in_the_sequence_is_told_and_an_unknown_sequence_is_a_404(database: Database) {
    let app = outreach(database).await;
    let mut setting = Setting::of(&app);
    let contacts = setting.contacts.clone();
    let id = created(&setting.enter(&app, &contacts[0]).await);
    let wanted = [contacts[0].as_str(), &contacts[1], "999999999", "nobody"];
    let left = setting.leave(&app, &wanted, "stop").await.ok();
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
        for mode in ["stop", "remove"] {
            let answer = setting.leave(&app, &wanted[..1], mode).await;
            refused(&answer, 404, "NOT_FOUND_ERROR");
        }
    }
}

#[apply(on_both_databases)]
async fn a_leave_whose_answer_is_lost_is_done_all_the_same(database: Database) {
    let app = outreach(database).await;
    let setting = Setting::of(&app);
    for (mode, contact, word) in [
        ("stop", &setting.contacts[0], "paused"),
        ("finish", &setting.contacts[1], "finished"),
    ] {
        let id = created(&setting.enter(&app, contact).await);
        lose_answer(&app, "/actions/");
        setting.leave(&app, &[contact], mode).await.ok();
        assert_eq!(row(&app, "sequence_states", &id).await["state"], word);
    }
    let contact = setting.contacts[2].as_str();
    let id = created(&setting.enter(&app, contact).await);
    let delete = syncline_sim::Match::path("/api/v2/sequenceStates");
    app.apollo.faults().push(syncline_sim::Fault::new(
        delete.method(reqwest::Method::DELETE),
        syncline_sim::Action::AppliedThenServerError,
    ));
    let left = setting.leave(&app, &[contact], "remove").await.ok();
    assert_eq!(left["records"][0]["id"], json!(id));
    assert_eq!(row(&app, "sequence_states", &id).await["is_deleted"], true);
}

#[apply(on_both_databases)]
async fn a_state_that_can_not_be_paused_is_told_in_outreachs_words(database: Database) {
    let app = outreach(database).await;
    let setting = Setting::of(&app);
    let contact = setting.contacts[0].as_str();
    app.apollo.edit(0, |team| {
        team.set_sequence_active(&setting.sequence, false).unwrap();
    });
    let id = created(&setting.enter(&app, contact).await);
    assert_eq!(row(&app, "sequence_states", &id).await["state"], "pending");
    let answer = setting.leave(&app, &[contact], "stop").await;
    let title = refused(&answer, 422, "UNPROCESSABLE_ENTITY_ERROR");
    assert!(title.contains("transition"), "{title}");
    let left = setting.leave(&app, &[contact], "finish").await.ok();
    assert_eq!(left["records"][0]["id"], json!(id));
}
