//! Sequences: searching, showing, switching, adding and removing contacts.

use serde_json::{Value, json};
use syncline_sim::{Options, ReEnrolment, Simulator};

use crate::{get, keys, post, sim};

/// An active sequence, a working mailbox, a broken one.
fn cast(sim: &Simulator) -> (String, String, String) {
    let id = |record: &Value| record["id"].as_str().unwrap().to_owned();
    sim.read(0, |team| {
        let (sequences, boxes) = (team.sequences(), team.mailboxes());
        let sequence = sequences
            .iter()
            .find(|sequence| sequence["active"] == true)
            .map(id);
        let working = boxes
            .iter()
            .find(|mailbox| mailbox["active"] == true)
            .map(id);
        let broken = boxes
            .iter()
            .find(|mailbox| mailbox["active"] == false)
            .map(id);
        (sequence.unwrap(), working.unwrap(), broken.unwrap())
    })
}

fn newcomer(sim: &Simulator, fields: &Value) -> String {
    sim.edit(0, |team| team.create_contact(crate::noon(), fields))
        .unwrap()
}

#[test]
fn statistics_may_be_loading_at_first_and_are_numbers_later() {
    let sim = sim(10);
    let read = || get(&sim, "emailer_campaigns/search").json()["emailer_campaigns"].clone();
    let loading = |found: &Value| {
        let found = found.as_array().unwrap().iter();
        found
            .filter(|sequence| sequence["unique_scheduled"] == "loading")
            .count()
    };
    assert_eq!(loading(&read()), 4);
    let later = read();
    assert_eq!(loading(&later), 0);
    assert!(
        later
            .as_array()
            .unwrap()
            .iter()
            .all(|sequence| sequence["unique_delivered"].is_u64())
    );
    assert!(
        later
            .as_array()
            .unwrap()
            .iter()
            .any(|sequence| sequence["archived"] == true)
    );
}

#[test]
fn one_sequence_is_shown_with_steps_touches_and_templates() {
    let sim = sim(10);
    let (sequence, ..) = cast(&sim);
    let reply = get(&sim, &format!("emailer_campaigns/{sequence}"));
    assert_eq!(
        keys(&reply.text()),
        [
            "emailer_campaign",
            "emailer_steps",
            "emailer_touches",
            "emailer_templates"
        ]
    );
    let shown = reply.json();
    assert_eq!(
        shown["emailer_steps"][0]["emailer_campaign_id"],
        sequence.as_str()
    );
    assert_eq!(
        shown["emailer_campaign"]["num_steps"],
        shown["emailer_steps"].as_array().unwrap().len()
    );
    assert_eq!(
        shown["emailer_touches"][0]["emailer_template_id"],
        shown["emailer_templates"][0]["id"]
    );
    assert_eq!(
        get(&sim, "emailer_campaigns/66e9e215ece19801b219997f").text(),
        r#"{"error":"Record not found."}"#
    );
}

#[test]
fn sequences_are_switched_on_off_and_away() {
    let sim = sim(10);
    let (sequence, ..) = cast(&sim);
    let act = |what: &str| {
        post(
            &sim,
            &format!("emailer_campaigns/{sequence}/{what}"),
            &json!({}),
        )
    };
    assert_eq!(
        act("approve").text(),
        r#"{"error":"The sequence is already active."}"#
    );
    assert_eq!(act("abort").json()["emailer_campaign"]["active"], false);
    assert_eq!(
        act("abort").text(),
        r#"{"error":"The sequence is already inactive."}"#
    );
    assert_eq!(act("approve").json()["emailer_campaign"]["active"], true);
    let archived = act("archive").json()["emailer_campaign"].clone();
    assert_eq!(
        archived,
        json!({"id": sequence, "active": false, "archived": true, "deleted": true})
    );
}

#[test]
fn adding_contacts_checks_its_parameters() {
    let sim = sim(10);
    let (sequence, working, broken) = cast(&sim);
    let contact = sim.read(0, |team| team.contact_ids()[0].clone());
    let error = |body: Value| {
        let reply = post(
            &sim,
            &format!("emailer_campaigns/{sequence}/add_contact_ids"),
            &body,
        );
        assert_eq!(reply.status, 422);
        reply.json()["error"].as_str().unwrap().to_owned()
    };
    assert_eq!(
        error(
            json!({"emailer_campaign_id": sequence, "send_email_from_email_account_id": working})
        ),
        "Please specify either contact_ids or label_names."
    );
    assert_eq!(
        error(json!({"contact_ids": [contact]})),
        "Please specify a emailer_campaign_id and send_email_from_email_account_id."
    );
    let body = json!({
        "contact_ids": [contact], "emailer_campaign_id": sequence, "send_email_from_email_account_id": broken
    });
    assert!(error(body).starts_with("These mailboxes are no longer active. "));
}

#[test]
fn adding_contacts_answers_200_with_a_reason_for_each_one_skipped() {
    let sim = sim(10);
    let (sequence, mailbox, _) = cast(&sim);
    let good = newcomer(
        &sim,
        &json!({"first_name": "Ines", "email": "ines@x.example"}),
    );
    let mute = newcomer(&sim, &json!({"first_name": "Jo"}));
    let unknown = "66e34b81740c50074e3d1bd5";
    let body = json!({
        "contact_ids": [good, mute, unknown],
        "emailer_campaign_id": sequence,
        "send_email_from_email_account_id": mailbox,
    });
    let add = |sim: &Simulator| {
        post(
            sim,
            &format!("emailer_campaigns/{sequence}/add_contact_ids"),
            &body,
        )
    };
    let first = add(&sim).json();
    assert_eq!(
        first["contacts"][0]["contact_campaign_statuses"][0]["status"],
        "active"
    );
    assert_eq!(
        first["contacts"][0]["contact_campaign_statuses"][0]["send_email_from_email_account_id"],
        mailbox.as_str()
    );
    assert_eq!(
        first["skipped_contact_ids"],
        json!({mute.as_str(): "contacts_without_email", unknown: "contact_not_found"})
    );
    let second = add(&sim);
    assert_eq!(second.status, 200);
    assert_eq!(
        second.json()["skipped_contact_ids"][good.as_str()],
        "contacts_already_exists_in_current_campaign"
    );
    assert_eq!(
        keys(&second.text()),
        [
            "contacts",
            "skipped_contact_ids",
            "emailer_campaign",
            "emailer_steps",
            "emailer_touches",
            "team",
            "signals_hash"
        ]
    );
}

#[test]
fn a_contact_active_elsewhere_needs_permission_and_the_reason_can_be_the_observed_one() {
    let mut options = Options::with_contacts(10);
    options.switches.re_enrolment = ReEnrolment::ActiveInOthers;
    let sim = Simulator::new(options);
    let (sequence, mailbox, _) = cast(&sim);
    let id = newcomer(
        &sim,
        &json!({"first_name": "Ines", "email": "ines@x.example"}),
    );
    let elsewhere = sim.edit(0, |team| team.create_sequence(crate::noon(), "Elsewhere"));
    sim.edit(0, |team| team.enrol(crate::noon(), &id, &elsewhere))
        .unwrap();
    let add = |allow: bool| {
        let body = json!({
            "contact_ids": [id], "emailer_campaign_id": sequence, "send_email_from_email_account_id": mailbox,
            "sequence_active_in_other_campaigns": allow,
        });
        post(
            &sim,
            &format!("emailer_campaigns/{sequence}/add_contact_ids"),
            &body,
        )
        .json()
    };
    assert_eq!(
        add(false)["skipped_contact_ids"][id.as_str()],
        "contacts_active_in_other_campaigns"
    );
    assert_eq!(
        add(true)["contacts"][0]["emailer_campaign_ids"],
        json!([elsewhere, sequence])
    );
    assert_eq!(
        add(true)["skipped_contact_ids"][id.as_str()],
        "contacts_active_in_other_campaigns"
    );
}

#[test]
fn an_inactive_sequence_takes_contacts_paused() {
    let sim = sim(10);
    let (sequence, mailbox, _) = cast(&sim);
    sim.edit(0, |team| team.set_sequence_active(&sequence, false))
        .unwrap();
    let id = newcomer(
        &sim,
        &json!({"first_name": "Ines", "email": "ines@x.example"}),
    );
    let body = json!({
        "contact_ids": [id], "emailer_campaign_id": sequence, "send_email_from_email_account_id": mailbox
    });
    let reply = post(
        &sim,
        &format!("emailer_campaigns/{sequence}/add_contact_ids"),
        &body,
    )
    .json();
    let state = &reply["contacts"][0]["contact_campaign_statuses"][0];
    assert_eq!(
        (&state["status"], &state["inactive_reason"]),
        (&json!("paused"), &json!("Sequence inactive"))
    );
    assert_eq!(state["paused_at"], Value::Null);
}

#[test]
fn contacts_are_finished_or_removed_and_unknown_sequences_shorten_the_answer() {
    let sim = sim(10);
    let (sequence, ..) = cast(&sim);
    let id = newcomer(
        &sim,
        &json!({"first_name": "Ines", "email": "ines@x.example"}),
    );
    sim.edit(0, |team| team.enrol(crate::noon(), &id, &sequence))
        .unwrap();
    let leave = |sequence: &str, mode: &str| {
        let body = json!({"contact_ids": [id], "emailer_campaign_ids": [sequence], "mode": mode});
        post(&sim, "emailer_campaigns/remove_or_stop_contact_ids", &body)
    };
    let finished = leave(&sequence, "mark_as_finished").json();
    assert_eq!(
        finished["contacts"][0]["contact_campaign_statuses"][0]["inactive_reason"],
        "manually finished"
    );
    assert_eq!(finished["contact_statuses"]["active"], "loading");
    let removed = leave(&sequence, "remove").json();
    assert_eq!(
        removed["contacts"][0]["contact_campaign_statuses"],
        json!([])
    );
    assert_eq!(removed["contacts"][0]["emailer_campaign_ids"], json!([]));
    let unknown = leave("nonsense", "remove");
    assert_eq!(
        (unknown.status, keys(&unknown.text())),
        (
            200,
            vec!["contacts".to_owned(), "emailer_campaigns".to_owned()]
        )
    );
}
