//! Since when records exist, and whether they have changed.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;
use syncline_sim::{EditError, Options, SimRequest, Simulator, StateKind, Team, fingerprint_of};

use crate::{KEY, get, ids, noon, post, sim};

const OBJECTS: [&str; 5] = ["user", "mailbox", "sequence", "account", "contact"];

fn minute(n: i64) -> DateTime<Utc> {
    noon() + TimeDelta::minutes(n)
}

/// One live record of each object.
fn cast(team: &Team) -> [(&'static str, String); 5] {
    OBJECTS.map(|object| (object, team.live_ids(object)[0].clone()))
}

fn delete(team: &mut Team, object: &str, id: &str) -> Result<(), EditError> {
    match object {
        "user" => team.delete_user(id),
        "mailbox" => team.remove_mailbox(id),
        "sequence" => team.delete_sequence(id),
        "account" => team.delete_account(id),
        _ => team.delete_contact(id),
    }
}

/// Restores a record, at the team's latest time.
fn undelete(team: &mut Team, object: &str, id: &str) -> Result<(), EditError> {
    let now = team.now();
    match object {
        "user" => team.undelete_user(id),
        "mailbox" => team.restore_mailbox(id),
        "sequence" => team.undelete_sequence(id),
        "account" => team.undelete_account(now, id),
        _ => team.undelete_contact(now, id),
    }
}

#[test]
fn every_record_tells_since_when_it_is_live_or_deleted() {
    let sim = sim(30);
    sim.edit(0, |team| {
        let epoch = Options::default().epoch;
        for (object, id) in cast(team) {
            assert!(team.live_since(object, &id).unwrap() < epoch, "{object}");
            assert_eq!(team.deleted_at(object, &id), None);
            team.tick(minute(1));
            delete(team, object, &id).unwrap();
            assert_eq!(team.live_since(object, &id), None, "{object}");
            assert_eq!(team.deleted_at(object, &id), Some(minute(1)));
            assert!(!team.live_ids(object).contains(&id));
        }
        for object in OBJECTS {
            assert_eq!(team.live_since(object, "nobody"), None);
            assert_eq!(team.deleted_at(object, "nobody"), None);
            assert_eq!(team.fingerprint(object, "nobody"), None);
            let missing = undelete(team, object, "nobody");
            assert_eq!(missing, Err(EditError::NoSuchRecord));
        }
    });
}

#[test]
fn a_record_that_comes_back_is_live_since_then_under_its_old_id() {
    let sim = sim(30);
    sim.edit(0, |team| {
        for (n, (object, id)) in (1..).zip(cast(team)) {
            let before = team.live_ids(object);
            delete(team, object, &id).unwrap();
            let back = minute(10 * n);
            team.tick(back);
            undelete(team, object, &id).unwrap();
            assert_eq!(team.live_ids(object), before, "{object}");
            assert_eq!(team.live_since(object, &id), Some(back));
            assert_eq!(team.deleted_at(object, &id), None);
            team.tick(back + TimeDelta::minutes(5));
            undelete(team, object, &id).unwrap();
            assert_eq!(team.live_since(object, &id), Some(back), "not anew");
        }
    });
    let listed = |envelope: &str| get(&sim, envelope).json();
    let sequences = listed("emailer_campaigns/search?per_page=100");
    assert_eq!(ids(&sequences["emailer_campaigns"]).len(), 12);
    assert_eq!(ids(&listed("email_accounts")["email_accounts"]).len(), 10);
}

#[test]
fn a_made_record_is_live_since_it_was_made_and_not_since_it_was_dated() {
    let sim = sim(10);
    sim.edit(0, |team| {
        let user = team.add_user(minute(1), "Ines", "Duarte");
        let mailbox = team.add_mailbox(minute(2), &user).unwrap();
        let sequence = team.create_sequence(minute(3), "Spring");
        let account = team.invent_account(minute(4));
        let contact = team.invent_contact(minute(5));
        let made = [user, mailbox, sequence, account, contact];
        for (n, (object, id)) in (1..).zip(OBJECTS.iter().zip(&made)) {
            assert_eq!(team.live_since(object, id), Some(minute(n)), "{object}");
        }
        let old = team.invent_contact(minute(-500));
        assert_eq!(team.live_since("contact", &old), Some(minute(5)));
    });
}

#[test]
fn edits_through_the_api_are_stamped_too() {
    let sim = sim(10);
    let made = post(&sim, "contacts", &json!({"first_name": "Ines"})).json();
    let id = made["contact"]["id"].as_str().unwrap().to_owned();
    let since = sim.read(0, |team| team.live_since("contact", &id));
    assert_eq!(since, Some(noon()));
    let gone = SimRequest::delete(&format!("/api/v1/contacts/{id}")).key(KEY);
    sim.respond(minute(3), &gone);
    let at = sim.read(0, |team| team.deleted_at("contact", &id));
    assert_eq!(at, Some(minute(3)));
}

#[test]
fn a_removed_user_vanishes_and_a_deleted_one_stays_listed() {
    let sim = sim(20);
    let listed = || ids(&get(&sim, "users/search").json()["users"]);
    let all = listed();
    sim.edit(0, |team| {
        let ids = team.live_ids("user");
        assert_eq!(ids.len(), all.len() - 1, "one is generated as deleted");
        team.delete_user(&ids[1]).unwrap();
        assert!(team.fingerprint("user", &ids[1]).is_some());
        team.remove_user(&ids[0]).unwrap();
        assert_eq!(team.fingerprint("user", &ids[0]), None);
        assert_eq!(team.live_since("user", &ids[0]), None);
        let owned = team.update_account(
            noon(),
            &team.account_ids()[0].clone(),
            &json!({"owner_id": ids[0]}),
        );
        assert_eq!(owned, Err(EditError::InvalidId(ids[0].clone())));
        let mailbox = team.add_mailbox(noon(), &ids[0]);
        assert_eq!(mailbox, Err(EditError::NoSuchRecord));
        assert!(!team.live_ids("user").contains(&ids[1]));
        assert_eq!(team.counts().users, all.len() - 1);
    });
    assert_eq!(listed(), all[1..]);
    let caller = get(&sim, "users/api_profile").json()["id"].clone();
    assert_ne!(caller, json!(all[0]), "the next user is the caller now");
    sim.edit(0, |team| team.restore_user(&all[0])).unwrap();
    assert_eq!(listed(), all);
}

#[test]
fn a_restored_user_is_as_deleted_as_before() {
    let sim = sim(10);
    sim.edit(0, |team| {
        let id = team.live_ids("user")[0].clone();
        team.tick(minute(1));
        team.delete_user(&id).unwrap();
        team.tick(minute(2));
        team.remove_user(&id).unwrap();
        team.restore_user(&id).unwrap();
        assert_eq!(team.deleted_at("user", &id), Some(minute(1)));
        team.undelete_user(&id).unwrap();
        assert_eq!(team.live_since("user", &id), Some(minute(2)));
    });
}

#[test]
fn an_account_comes_back_without_contacts_and_a_contact_without_a_deleted_account() {
    let sim = sim(100);
    sim.edit(0, |team| {
        let contacts = team.contacts();
        let mut placed = contacts.iter().filter(|c| c["account_id"].is_string());
        let contact = placed.next().unwrap();
        let account = contact["account_id"].as_str().unwrap();
        let contact = contact["id"].as_str().unwrap();
        team.delete_contact(contact).unwrap();
        team.delete_account(account).unwrap();
        assert_eq!(team.account(account), None);
        team.undelete_contact(minute(1), contact).unwrap();
        let back = team.contact(contact).unwrap();
        assert!(back["account_id"].is_null() && back.get("account").is_none());
        team.undelete_account(minute(2), account).unwrap();
        assert_eq!(team.account(account).unwrap()["num_contacts"], 0);
    });
    let page = json!({"per_page": 100});
    let found = post(&sim, "accounts/search", &page).json();
    assert_eq!(found["pagination"]["total_entries"], 12);
}

#[test]
fn an_undeleted_contact_has_its_account_as_it_is_by_now() {
    let sim = sim(100);
    sim.edit(0, |team| {
        let contacts = team.contacts();
        let mut placed = contacts.iter().filter(|c| c["account_id"].is_string());
        let contact = placed.next().unwrap();
        let account = contact["account_id"].as_str().unwrap();
        let contact = contact["id"].as_str().unwrap();
        team.delete_contact(contact).unwrap();
        team.update_account(minute(1), account, &json!({"name": "Heron Foods"}))
            .unwrap();
        team.undelete_contact(minute(2), contact).unwrap();
        let back = team.contact(contact).unwrap();
        assert_eq!(back["account"]["name"], "Heron Foods");
    });
}

#[test]
fn sequence_states_are_counted_with_the_time_they_began() {
    let sim = sim(20);
    sim.edit(0, |team| {
        let contact = team.create_contact(noon(), &json!({"first_name": "Ines"}));
        let contact = contact.unwrap();
        let sequence = team.sequence_ids()[0].clone();
        let state = team.enrol(minute(1), &contact, &sequence).unwrap();
        assert_eq!(team.state_ids_of(&contact), std::slice::from_ref(&state));
        let since = |team: &Team| team.state_live_since(&contact, &state);
        assert_eq!(since(team), Some(minute(1)));
        let paused = StateKind::Paused;
        team.set_state(minute(2), &contact, &sequence, paused, None)
            .unwrap();
        assert_eq!(since(team), Some(minute(1)), "it is the same state");

        team.delete_contact(&contact).unwrap();
        assert!(!team.has_state(&contact, &state));
        assert_eq!(since(team), None);
        assert!(team.state_ids_of(&contact).is_empty());
        team.undelete_contact(minute(3), &contact).unwrap();
        assert!(team.has_state(&contact, &state));
        assert_eq!(since(team), Some(minute(3)));

        team.unenrol(minute(4), &contact, &sequence).unwrap();
        assert!(!team.has_state(&contact, &state));
        let again = team.enrol(minute(5), &contact, &sequence).unwrap();
        assert_ne!(again, state);
        assert_eq!(team.state_live_since(&contact, &again), Some(minute(5)));
    });
}

#[test]
fn all_states_of_the_truth_are_among_the_cheap_ones() {
    let sim = sim(200);
    sim.read(0, |team| {
        let states = team.states();
        let cheap: usize = team
            .live_ids("contact")
            .iter()
            .map(|id| team.state_ids_of(id).len())
            .sum();
        assert_eq!(cheap, states.len());
        for (contact, state) in states {
            let id = state["id"].as_str().unwrap();
            assert!(team.has_state(&contact, id));
            assert!(team.state_live_since(&contact, id).is_some());
        }
    });
}

#[test]
fn a_fingerprint_is_the_hash_of_what_a_search_shows() {
    let sim = sim(3);
    let body = post(&sim, "contacts/search", &json!({"per_page": 1})).text();
    let id = sim.read(0, |team| {
        let shown = team.contact_ids().into_iter();
        let mut shown = shown.filter(|id| body.contains(&format!("\"id\":\"{id}\"")));
        shown.next().unwrap()
    });
    let (first, end) = (
        "{\"contacts\":[".len(),
        body.find("],\"breadcrumbs\"").unwrap(),
    );
    let shown = sim.read(0, |team| team.fingerprint("contact", &id));
    assert_eq!(shown, Some(fingerprint_of(&body.as_bytes()[first..end])));
}

#[test]
fn a_fingerprint_changes_with_its_record_and_only_then() {
    let sim = sim(50);
    sim.edit(0, |team| {
        let prints = |team: &Team| OBJECTS.map(|o| team.fingerprint(o, &cast_id(team, o)));
        let (contact, sequence) = (cast_id(team, "contact"), cast_id(team, "sequence"));
        let mailbox = cast_id(team, "mailbox");
        let before = prints(team);
        assert_eq!(before, prints(team));
        assert!(before.iter().all(Option::is_some));
        team.rename_user(&cast_id(team, "user"), "Ines", "Duarte")
            .unwrap();
        team.disconnect_mailbox(noon(), &mailbox).unwrap();
        team.rename_sequence(&sequence, "Spring").unwrap();
        let account = cast_id(team, "account");
        team.update_account(noon(), &account, &json!({"name": "Heron Foods"}))
            .unwrap();
        team.update_contact(noon(), &contact, &json!({"title": "Pilot"}))
            .unwrap();
        for (before, after) in before.iter().zip(prints(team)) {
            assert!(after.is_some() && *before != after);
        }
        let idle = team.create_contact(noon(), &json!({})).unwrap();
        let before = team.fingerprint("contact", &idle);
        team.enrol(noon(), &idle, &sequence).unwrap();
        assert_ne!(team.fingerprint("contact", &idle), before, "by its states");
        team.delete_contact(&idle).unwrap();
        assert_eq!(team.fingerprint("contact", &idle), None);
    });
}

fn cast_id(team: &Team, object: &str) -> String {
    team.live_ids(object)[0].clone()
}

#[test]
fn a_fingerprint_is_of_the_record_as_it_is_while_searches_lag() {
    let mut options = Options::with_contacts(20);
    options.switches.search_lag = std::time::Duration::from_mins(1);
    let sim = Simulator::new(options);
    post(&sim, "contacts/search", &json!({"per_page": 100}));
    let (id, before) = sim.read(0, |team| {
        let id = cast_id(team, "contact");
        let print = team.fingerprint("contact", &id);
        (id, print)
    });
    let now = sim.edit(0, |team| {
        team.update_contact(minute(1), &id, &json!({"title": "Pilot"}))
            .unwrap();
        team.fingerprint("contact", &id)
    });
    assert_ne!(now, before);
    let search = SimRequest::post("/api/v1/contacts/search", &json!({"per_page": 100})).key(KEY);
    for at in [minute(1), minute(3)] {
        sim.respond(at, &search);
        assert_eq!(sim.read(0, |team| team.fingerprint("contact", &id)), now);
    }
}

#[test]
#[should_panic(expected = "no \"contacts\"")]
fn a_misspelt_object_is_not_taken_for_an_empty_one() {
    sim(1).read(0, |team| team.live_ids("contacts"));
}
