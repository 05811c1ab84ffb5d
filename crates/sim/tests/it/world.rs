//! Determinism, edits behind the API, and the ledger.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use serde_json::json;
use syncline_sim::{EditError, Options, SimRequest, Simulator, StateKind, Team, TeamOptions};

use crate::{contacts_page, get, ids, noon, post, sim};

#[test]
fn the_same_seed_gives_the_same_bytes_and_another_seed_others() {
    let answers = |seed: u64| {
        let sim = Simulator::new(Options {
            seed,
            ..Options::with_contacts(200)
        });
        sim.edit(0, |team| team.random_edits(noon(), 7, 100));
        let replies = [
            post(&sim, "contacts/search", &json!({"per_page": 100})),
            post(&sim, "accounts/search", &json!({})),
            get(&sim, "users/search"),
            get(&sim, "emailer_campaigns/search"),
            get(&sim, "email_accounts"),
        ];
        replies.map(|reply| (reply.headers, reply.body))
    };
    assert_eq!(answers(5), answers(5));
    assert_ne!(answers(5), answers(6));
}

#[test]
fn teams_do_not_see_each_other() {
    let teams = vec![TeamOptions::sized(30), TeamOptions::numbered(2, 20)];
    let sim = Simulator::new(Options {
        teams,
        ..Options::default()
    });
    assert_eq!(sim.team_with_key("sim-master-key-2"), Some(1));
    let other = SimRequest::post("/api/v1/contacts/search", &json!({"per_page": 100}))
        .key("sim-master-key-2");
    let theirs: BTreeSet<String> = ids(&sim.respond(noon(), &other).json()["contacts"])
        .into_iter()
        .collect();
    let ours: BTreeSet<String> = ids(&contacts_page(&sim, 1)["contacts"])
        .into_iter()
        .collect();
    assert_eq!((ours.len(), theirs.len()), (30, 20));
    assert!(ours.is_disjoint(&theirs));
}

#[test]
fn created_changed_and_deleted_contacts_show_at_once() {
    let sim = sim(50);
    let id = sim.edit(0, |team| {
        team.create_contact(
            noon(),
            &json!({"first_name": "Ines", "email": "ines@x.example"}),
        )
    });
    let id = id.unwrap();
    let top = contacts_page(&sim, 1)["contacts"][0].clone();
    assert_eq!((&top["id"], &top["name"]), (&json!(id), &json!("Ines")));
    let later = noon() + TimeDelta::minutes(5);
    assert_eq!(
        sim.edit(0, |team| team.update_contact(
            later,
            &id,
            &json!({"last_name": "Duarte"})
        )),
        Ok(true)
    );
    assert_eq!(
        contacts_page(&sim, 1)["contacts"][0]["updated_at"],
        "2026-02-16T12:05:00.000Z"
    );
    assert_eq!(
        sim.edit(0, |team| team.update_contact(
            later,
            &id,
            &json!({"last_name": "Duarte"})
        )),
        Ok(false)
    );
    sim.edit(0, |team| team.delete_contact(&id)).unwrap();
    assert_eq!(contacts_page(&sim, 1)["pagination"]["total_entries"], 50);
    assert_eq!(
        get(&sim, &format!("contacts/{id}")).text(),
        r#"{"error":"This contact has been deleted."}"#
    );
    assert_eq!(
        sim.edit(0, |team| team.delete_contact(&id)),
        Err(EditError::Deleted)
    );
    sim.edit(0, |team| team.undelete_contact(later, &id))
        .unwrap();
    assert_eq!(contacts_page(&sim, 1)["contacts"][0]["id"], json!(id));
}

#[test]
fn enrolment_and_its_changes_leave_updated_at_alone_unless_switched() {
    for touches in [false, true] {
        let mut options = Options::with_contacts(60);
        options.switches.enrolment_touches_contact = touches;
        let sim = Simulator::new(options);
        let (contact, sequence) = sim.read(0, |team| {
            let contacts = team.contacts();
            let idle = contacts
                .iter()
                .find(|contact| contact["contact_campaign_statuses"] == json!([]))
                .unwrap();
            (
                idle["id"].as_str().unwrap().to_owned(),
                team.sequence_ids()[0].clone(),
            )
        });
        let seen = || sim.read(0, |team| team.contact(&contact)).unwrap();
        let before = seen()["updated_at"].clone();
        sim.edit(0, |team| team.enrol(noon(), &contact, &sequence))
            .unwrap();
        assert_eq!(seen()["emailer_campaign_ids"], json!([sequence]));
        assert_eq!(seen()["updated_at"] != before, touches);
        sim.edit(0, |team| {
            team.set_state(
                noon(),
                &contact,
                &sequence,
                StateKind::Finished,
                Some("replied"),
            )
        })
        .unwrap();
        let state = seen()["contact_campaign_statuses"][0].clone();
        assert_eq!(
            (&state["status"], &state["inactive_reason"]),
            (&json!("finished"), &json!("replied"))
        );
        assert_eq!(state["finished_at"], "2026-02-16T12:00:00.000+00:00");
        sim.edit(0, |team| team.unenrol(noon(), &contact, &sequence))
            .unwrap();
        assert_eq!(seen()["contact_campaign_statuses"], json!([]));
        assert_eq!(seen()["updated_at"] != before, touches);
    }
}

#[test]
fn calls_move_updated_at_and_emails_do_not_unless_switched() {
    let sim = sim(20);
    let id = sim.read(0, |team| team.contact_ids()[0].clone());
    let seen = || sim.read(0, |team| team.contact(&id)).unwrap();
    let before = seen()["updated_at"].clone();
    sim.edit(0, |team| team.log_email_activity(noon(), &id))
        .unwrap();
    assert_eq!(seen()["updated_at"], before);
    assert_eq!(
        seen()["last_activity_date"],
        "2026-02-16T12:00:00.000+00:00"
    );
    sim.edit(0, |team| team.log_call(noon(), &id)).unwrap();
    assert_eq!(seen()["updated_at"], "2026-02-16T12:00:00.000Z");
}

#[test]
fn a_renamed_account_changes_inside_its_contacts_without_moving_them() {
    let sim = sim(100);
    let contact = sim.read(0, |team| {
        team.contacts()
            .into_iter()
            .find(|contact| contact["account_id"].is_string())
    });
    let contact = contact.unwrap();
    let account = contact["account_id"].as_str().unwrap();
    sim.edit(0, |team| {
        team.update_account(noon(), account, &json!({"name": "Heron Foods"}))
    })
    .unwrap();
    let after = get(
        &sim,
        &format!("contacts/{}", contact["id"].as_str().unwrap()),
    )
    .json()["contact"]
        .clone();
    assert_eq!(after["account"]["name"], "Heron Foods");
    assert_eq!(after["updated_at"], contact["updated_at"]);
    let count = || {
        sim.read(0, |team| team.account(account)).unwrap()["num_contacts"]
            .as_u64()
            .unwrap()
    };
    let (before, id) = (count(), contact["id"].as_str().unwrap());
    sim.edit(0, |team| team.delete_contact(id)).unwrap();
    assert_eq!(count(), before - 1);
    sim.edit(0, |team| team.undelete_contact(noon(), id))
        .unwrap();
    assert_eq!(count(), before);
    sim.edit(0, |team| team.delete_account(account)).unwrap();
    assert_eq!(
        get(&sim, &format!("accounts/{account}")).text(),
        r#"{"error":"This account has been deleted!"}"#
    );
}

#[test]
fn users_sequences_and_mailboxes_come_and_go() {
    let sim = sim(20);
    sim.edit(0, |team| {
        let user = team.add_user(noon(), "Ines", "Duarte");
        team.delete_user(&user).unwrap();
        let mailbox = team.add_mailbox(noon(), &user).unwrap();
        team.disconnect_mailbox(noon(), &mailbox).unwrap();
        team.remove_mailbox(&team.mailbox_ids()[0].clone()).unwrap();
        let sequence = team.create_sequence(noon(), "Spring");
        team.rename_sequence(&sequence, "Summer").unwrap();
        team.archive_sequence(&sequence).unwrap();
        team.delete_sequence(&team.sequence_ids()[0].clone())
            .unwrap();
    });
    let users = get(&sim, "users/search").json()["users"].clone();
    assert_eq!(
        users
            .as_array()
            .unwrap()
            .iter()
            .filter(|user| user["deleted"] == true)
            .count(),
        2
    );
    let sequences = get(&sim, "emailer_campaigns/search").json();
    let found = sequences["emailer_campaigns"].as_array().unwrap();
    assert_eq!(found.len(), 12);
    assert!(
        found
            .iter()
            .any(|s| s["name"] == "Summer" && s["archived"] == true && s["active"] == false)
    );
    let counts = sim.read(0, Team::counts);
    assert_eq!(
        (counts.users, counts.mailboxes, counts.sequences),
        (9, 10, 12)
    );
}

#[test]
fn hooks_change_the_world_between_pages() {
    let sim = sim(250);
    sim.on_request(|asked, team| {
        if asked.action == "contacts/search" && asked.page == 2 {
            let deletable = team.contact_ids();
            team.delete_contact(&deletable[0]).unwrap();
        }
    });
    let totals: Vec<_> = (1..=3)
        .map(|page| contacts_page(&sim, page)["pagination"]["total_entries"].clone())
        .collect();
    assert_eq!(totals, [json!(250), json!(249), json!(249)]);
}

#[test]
fn random_edits_are_counted_and_visible() {
    let sim = sim(300);
    let before = sim.read(0, Team::counts);
    let edits = sim.edit(0, |team| team.random_edits(noon(), 3, 400));
    let after = sim.read(0, Team::counts);
    assert!(edits.total() > 300 && edits.deleted > 0 && edits.enrolled > 0 && edits.unenrolled > 0);
    assert_eq!(
        after.contacts,
        before.contacts + edits.created - edits.deleted
    );
}
