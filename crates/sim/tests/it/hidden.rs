//! Records that the keys' user may not see.

use serde_json::{Value, json};
use syncline_sim::{EditError, SimReply, Simulator, Team};

use crate::{get, ids, post, sim};

fn search(sim: &Simulator, object: &str) -> Value {
    post(sim, &format!("{object}/search"), &json!({"per_page": 100})).json()
}

fn refusal(reply: &SimReply) -> (u16, String) {
    (reply.status, reply.text())
}

#[test]
fn a_hidden_contact_or_account_is_live_but_neither_found_nor_shown() {
    let sim = sim(40);
    for object in ["contacts", "accounts"] {
        let before = search(&sim, object);
        let id = ids(&before[object])[0].clone();
        let set = |hide: bool| {
            sim.edit(0, |team| match (object, hide) {
                ("contacts", true) => team.hide_contact(&id),
                ("contacts", false) => team.show_contact(&id),
                (_, true) => team.hide_account(&id),
                (_, false) => team.show_account(&id),
            })
            .unwrap();
        };
        set(true);
        let total = before["pagination"]["total_entries"].as_u64().unwrap();
        let without = search(&sim, object);
        assert!(!ids(&without[object]).contains(&id));
        assert_eq!(without["pagination"]["total_entries"], total - 1);
        let refused = get(&sim, &format!("{object}/{id}"));
        assert_eq!(
            refusal(&refused),
            (
                422,
                r#"{"error":"You are not authorized to view this page."}"#.to_owned()
            )
        );
        sim.read(0, |team| {
            assert_eq!(team.hidden_ids(), std::slice::from_ref(&id));
            let (all, name) = match object {
                "contacts" => (team.contact_ids(), "contact"),
                _ => (team.account_ids(), "account"),
            };
            assert!(all.contains(&id) && team.live_ids(name).contains(&id));
            assert!(team.live_since(name, &id).is_some());
        });
        set(false);
        assert_eq!(search(&sim, object), before);
        assert_eq!(get(&sim, &format!("{object}/{id}")).status, 200);
        assert!(sim.read(0, Team::hidden_ids).is_empty());
    }
}

#[test]
fn a_filtered_search_leaves_hidden_contacts_out_too() {
    let sim = sim(40);
    let (contact, sequence) = sim.edit(0, |team| {
        let contact = team.contact_ids()[0].clone();
        let sequence = team.create_sequence(crate::noon(), "Spring");
        team.enrol(crate::noon(), &contact, &sequence).unwrap();
        (contact, sequence)
    });
    let members = || {
        let body = json!({"emailer_campaign_ids": [sequence]});
        ids(&post(&sim, "contacts/search", &body).json()["contacts"])
    };
    assert_eq!(members(), std::slice::from_ref(&contact));
    sim.edit(0, |team| team.hide_contact(&contact)).unwrap();
    assert!(members().is_empty());
}

#[test]
fn a_hidden_contact_that_is_deleted_is_told_as_deleted_and_comes_back_hidden() {
    let sim = sim(20);
    let id = sim.read(0, |team| team.contact_ids()[0].clone());
    sim.edit(0, |team| {
        team.hide_contact(&id).unwrap();
        team.delete_contact(&id).unwrap();
        assert_eq!(team.hide_contact(&id), Err(EditError::Deleted));
        assert_eq!(team.hide_contact("nobody"), Err(EditError::NoSuchRecord));
        assert!(team.hidden_ids().is_empty());
    });
    let shown = || get(&sim, &format!("contacts/{id}")).text();
    assert!(shown().contains("has been deleted"));
    sim.edit(0, |team| team.undelete_contact(crate::noon(), &id))
        .unwrap();
    assert!(shown().contains("not authorized"));
    assert_eq!(sim.read(0, Team::hidden_ids), [id]);
}
