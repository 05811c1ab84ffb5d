//! Adding contacts to sequences and removing them.

use macro_rules_attribute::apply;
use serde_json::{Value, json};
use syncline_sim::{Action, Fault, Match};

use super::{created, path, row};
use crate::{
    http::refused,
    support::{App, on_both_databases},
};

#[apply(on_both_databases)]
async fn a_contact_enters_a_sequence_and_its_state_is_in_the_tables(database: Database) {
    let app = App::synced(database, 60).await;
    let setting = Setting::of(&app);
    let contact = &setting.contacts[0];
    let id = created(&setting.enter(&app, contact).await);
    assert!(id.starts_with(&format!("{contact}.")));
    let state = row(&app, "sequence_states", &id).await;
    assert_eq!(
        (
            &state["contact_id"],
            &state["sequence_id"],
            &state["mailbox_id"],
            &state["state"]
        ),
        (
            &json!(contact),
            &json!(setting.sequence),
            &json!(setting.mailbox),
            &json!("active")
        )
    );
    let again = created(&setting.enter(&app, contact).await);
    assert_eq!(again, id, "being in it already is what was asked for");
}

#[apply(on_both_databases)]
async fn a_contact_in_the_sequence_is_recognised_under_the_other_code_too(database: Database) {
    let mut options = crate::support::quiet_apollo(60);
    options.switches.re_enrolment = syncline_sim::ReEnrolment::ActiveInOthers;
    let app = App::with_apollo(database, options).await;
    app.connect(crate::support::CUSTOMER, crate::support::MASTER_KEY)
        .await;
    app.work_off().await;
    let setting = Setting::of(&app);
    let id = created(&setting.enter(&app, &setting.contacts[0]).await);
    assert_eq!(
        created(&setting.enter(&app, &setting.contacts[0]).await),
        id
    );
}

#[apply(on_both_databases)]
async fn a_batch_tells_who_entered_and_who_did_not_and_why(database: Database) {
    let app = App::synced(database, 60).await;
    let setting = Setting::of(&app);
    let now = app.now();
    let (mute, known) = app.apollo.edit(0, |team| {
        let mute = team.create_contact(now, &json!({"first_name": "No", "last_name": "Mail"}));
        let known = setting.contacts[1].clone();
        team.enrol(now, &known, &setting.sequence).unwrap();
        (mute.unwrap(), known)
    });
    let unknown = "66e34b81740c50074e3d1bd4".to_owned();
    let wanted = [
        setting.contacts[2].clone(),
        mute.clone(),
        known.clone(),
        unknown.clone(),
        setting.contacts[0].clone(),
    ];
    let records: Vec<_> = wanted.iter().map(|id| setting.draft(id)).collect();
    let answer = app
        .post(&path("sequence_states/_batch"), json!({"records": records}))
        .await;
    assert_eq!(answer.status.as_u16(), 201, "{}", answer.body);
    let entered: Vec<_> = answer.body["records"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["contact_id"].as_str().unwrap())
        .collect();
    assert_eq!(
        entered,
        [&setting.contacts[2], &known, &setting.contacts[0]],
        "in their order"
    );
    let skipped: Vec<_> = answer.body["skipped"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| {
            (
                it["contact_id"].as_str().unwrap(),
                it["code"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        skipped,
        [
            (mute.as_str(), "contacts_without_email"),
            (unknown.as_str(), "contact_not_found")
        ]
    );
    for record in answer.body["records"].as_array().unwrap() {
        row(&app, "sequence_states", record["id"].as_str().unwrap()).await;
    }
}

#[apply(on_both_databases)]
async fn a_batch_may_name_several_sequences_and_mailboxes(database: Database) {
    let app = App::synced(database, 60).await;
    let setting = Setting::of(&app);
    let now = app.now();
    let other = app
        .apollo
        .edit(0, |team| team.create_sequence(now, "Another one"));
    let records = json!([setting.draft(&setting.contacts[0]),
            {"contact_id": setting.contacts[0], "sequence_id": other, "mailbox_id": setting.mailbox},
            setting.draft(&setting.contacts[1])]);
    let answer = app
        .post(&path("sequence_states/_batch"), json!({"records": records}))
        .await
        .ok();
    let told: Vec<_> = answer["records"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| (it["contact_id"].clone(), it["sequence_id"].clone()))
        .collect();
    let (one, two) = (json!(setting.contacts[0]), json!(setting.contacts[1]));
    let (here, there) = (json!(setting.sequence), json!(other));
    assert_eq!(
        told,
        [(one.clone(), here.clone()), (one, there), (two, here)]
    );
}

#[apply(on_both_databases)]
async fn an_empty_batch_is_an_empty_answer(database: Database) {
    let app = App::synced(database, 5).await;
    let answer = app
        .post(&path("sequence_states/_batch"), json!({"records": []}))
        .await;
    assert_eq!(
        (answer.status.as_u16(), answer.body),
        (201, json!({"records": []}))
    );
}

#[apply(on_both_databases)]
async fn a_contact_that_is_left_out_is_a_422_with_the_reason_and_an_unknown_one_a_404(
    database: Database,
) {
    let app = App::synced(database, 60).await;
    let setting = Setting::of(&app);
    let now = app.now();
    let mute = app.apollo.edit(0, |team| {
        team.create_contact(now, &json!({"first_name": "No"}))
            .unwrap()
    });
    let answer = setting.enter(&app, &mute).await;
    assert!(refused(&answer, 422, "UNPROCESSABLE_ENTITY_ERROR").contains("no e-mail address"));
    let skipped = &answer.body["errors"][0]["meta"]["cause"]["skipped"][0];
    assert_eq!(skipped["code"], "contacts_without_email");
    refused(
        &setting.enter(&app, "66e34b81740c50074e3d1bd4").await,
        404,
        "NOT_FOUND_ERROR",
    );
}

#[apply(on_both_databases)]
async fn a_failure_that_was_carried_out_is_success(database: Database) {
    let app = App::synced(database, 60).await;
    let setting = Setting::of(&app);
    let fault = Fault::new(
        Match::path("add_contact_ids"),
        Action::AppliedThenServerError,
    );
    app.apollo.faults().push(fault);
    let many = more_contacts(&app, 60);
    let records: Vec<_> = many.iter().map(|id| setting.draft(id)).collect();
    let answer = app
        .post(&path("sequence_states/_batch"), json!({"records": records}))
        .await;
    assert_eq!(answer.status.as_u16(), 201, "{}", answer.body);
    assert_eq!(answer.body["records"].as_array().unwrap().len(), 60);
    assert_eq!(
        app.apollo.ledger().requests_to("add_contact_ids").len(),
        1,
        "asked once"
    );
}

#[apply(on_both_databases)]
async fn a_failure_that_was_not_carried_out_is_one(database: Database) {
    let app = App::synced(database, 60).await;
    let setting = Setting::of(&app);
    app.apollo.faults().push(Fault::new(
        Match::path("add_contact_ids"),
        Action::server_error(),
    ));
    refused(
        &setting.enter(&app, &setting.contacts[0]).await,
        502,
        "BAD_GATEWAY_ERROR",
    );
}

#[apply(on_both_databases)]
async fn a_contact_that_is_in_it_and_can_not_be_read_is_known_from_the_tables(database: Database) {
    let app = App::synced(database, 60).await;
    let setting = Setting::of(&app);
    let id = created(&setting.enter(&app, &setting.contacts[0]).await);
    app.apollo
        .faults()
        .push(Fault::new(Match::path(&setting.contacts[0]), Action::server_error()).always());
    assert_eq!(
        created(&setting.enter(&app, &setting.contacts[0]).await),
        id
    );
}

#[apply(on_both_databases)]
async fn a_contact_that_apollo_answers_badly_with_does_not_spoil_the_others(database: Database) {
    let app = App::synced(database, 60).await;
    let setting = Setting::of(&app);
    let records: Vec<_> = setting.contacts[..3]
        .iter()
        .map(|id| setting.draft(id))
        .collect();
    let email = r#""enters-1@sequence.example""#.to_owned();
    let odd = Action::Respell(email, r#"{"odd":1}"#.to_owned());
    app.apollo
        .faults()
        .push(Fault::new(Match::path("add_contact_ids"), odd));
    let answer = app
        .post(&path("sequence_states/_batch"), json!({"records": records}))
        .await;
    assert_eq!(
        answer.body["records"].as_array().unwrap().len(),
        3,
        "{}",
        answer.body
    );
}

#[apply(on_both_databases)]
async fn any_number_of_contacts_leaves_with_one_request(database: Database) {
    let app = App::synced(database, 60).await;
    let setting = Setting::of(&app);
    let many = more_contacts(&app, 150);
    let records: Vec<_> = many.iter().map(|id| setting.draft(id)).collect();
    app.post(&path("sequence_states/_batch"), json!({"records": records}))
        .await
        .ok();
    app.apollo.ledger().reset();
    let left = setting.leave(&app, &many, "remove").await.ok();
    assert_eq!(left["records"].as_array().unwrap().len(), 150);
    assert!(
        left["records"]
            .as_array()
            .unwrap()
            .iter()
            .all(|it| it["id"].is_string())
    );
    assert_eq!(app.apollo.ledger().len(), 1);
    let rest = json!({"filter": {"sequence_id": setting.sequence}});
    let rest = app
        .post(&path("sequence_states/_search?read_from_cache=true"), rest)
        .await
        .ok();
    assert_eq!(rest["records"], json!([]));
}

#[apply(on_both_databases)]
async fn contacts_are_stopped_finished_and_removed(database: Database) {
    let app = App::synced(database, 60).await;
    let setting = Setting::of(&app);
    for (mode, contact, shown) in [
        ("stop", &setting.contacts[0], Some("paused")),
        ("finish", &setting.contacts[1], Some("finished")),
        ("remove", &setting.contacts[2], None),
    ] {
        let id = created(&setting.enter(&app, contact).await);
        let left = setting
            .leave(&app, std::slice::from_ref(contact), mode)
            .await
            .ok();
        assert_eq!(left["records"][0]["id"], json!(id), "{mode}");
        let state = row(&app, "sequence_states", &id).await;
        match shown {
            Some(word) => assert_eq!(
                (&state["state"], &state["is_deleted"]),
                (&json!(word), &json!(false))
            ),
            None => assert_eq!(state["is_deleted"], true),
        }
        let live = app.get(&path(&format!("sequence_states/{id}"))).await;
        assert_eq!(live.status.is_success(), shown.is_some(), "{mode}");
    }
}

#[apply(on_both_databases)]
async fn who_is_not_in_the_sequence_is_told_and_an_unknown_sequence_is_a_404(database: Database) {
    let app = App::synced(database, 60).await;
    let setting = Setting::of(&app);
    let id = created(&setting.enter(&app, &setting.contacts[0]).await);
    let contacts = [
        setting.contacts[0].clone(),
        setting.contacts[1].clone(),
        "66e34b81740c50074e3d1bd4".to_owned(),
    ];
    let left = setting.leave(&app, &contacts, "stop").await.ok();
    assert_eq!(left["records"].as_array().unwrap().len(), 1);
    assert_eq!(left["records"][0]["id"], json!(id));
    let codes: Vec<_> = left["skipped"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["code"].as_str().unwrap())
        .collect();
    assert_eq!(codes, ["not_in_sequence", "contact_not_found"]);
    let elsewhere = Setting {
        sequence: "66e34b81740c50074e3d1bd4".to_owned(),
        ..setting
    };
    for mode in ["stop", "remove"] {
        let answer = elsewhere.leave(&app, &contacts[..1], mode).await;
        refused(&answer, 404, "NOT_FOUND_ERROR");
    }
}

fn more_contacts(app: &App, number: usize) -> Vec<String> {
    let now = app.now();
    app.apollo.edit(0, |team| {
        let create = |number| {
            let email = format!("many-{number}@sequence.example");
            let fields = json!({"first_name": "One", "last_name": "Of Many", "email": email});
            team.create_contact(now, &fields).unwrap()
        };
        (0..number).map(create).collect()
    })
}

/// A running sequence, a mailbox, and contacts that are in no sequence and can enter one.
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

    async fn enter(&self, app: &App, contact: &str) -> crate::support::Answer {
        let body = json!({"record": self.draft(contact)});
        app.post(&path("sequence_states"), body).await
    }

    async fn leave(&self, app: &App, contacts: &[String], mode: &str) -> crate::support::Answer {
        let body = json!({"sequence_id": self.sequence, "contact_ids": contacts, "mode": mode});
        app.post(&path("sequence_states/_leave"), body).await
    }
}
