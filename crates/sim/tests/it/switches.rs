//! Switches for unknown behaviour of Apollo, each in all its positions.

use std::time::Duration;

use serde_json::{Value, json};
use syncline_sim::{
    DeepPageText, DefaultOrder, DeleteAnswer, Echo, FreePlan, InactiveReasons, Options,
    OversizedPage, Plan, PlanTable, Quota, ReEnrolment, Reason, Simulator, StateKind, Switches,
};

use crate::{delete, get, ids, noon, post};

fn switched(set: impl FnOnce(&mut Switches)) -> Simulator {
    let mut options = Options::with_contacts(150);
    set(&mut options.switches);
    Simulator::new(options)
}

#[test]
fn the_defaults_are_what_was_documented_or_seen() {
    let Switches {
        retry_after,
        plans,
        health_refuses_bad_keys,
        deep_page_text,
        default_order,
        search_lag,
        delete_lag,
        inactive_reasons,
        delete_answer,
        rejected_calls_count,
        invalid_calls_count,
        echo,
        free_plan,
        archived_sequences_listed,
        activity_touches_contact,
        oversized_page,
        enrolment_touches_contact,
        account_changes_move_order,
        re_enrolment,
        scoped_keys_read_profile,
    } = Switches::default();
    assert!(retry_after && invalid_calls_count && archived_sequences_listed);
    assert!(scoped_keys_read_profile);
    assert!(!health_refuses_bad_keys && !rejected_calls_count && !activity_touches_contact);
    assert!(!enrolment_touches_contact && !account_changes_move_order);
    assert_eq!(plans.organization, Quota::new(200, 600, 6_000));
    assert_eq!(deep_page_text, DeepPageText::Short);
    assert_eq!(default_order, DefaultOrder::Arbitrary);
    assert_eq!((search_lag, delete_lag), (Duration::ZERO, Duration::ZERO));
    assert_eq!(inactive_reasons, InactiveReasons::default());
    assert_eq!(delete_answer, DeleteAnswer::Contact);
    assert_eq!((echo, free_plan), (Echo::Users, FreePlan::Served));
    assert_eq!(oversized_page, OversizedPage::Refused);
    assert_eq!(re_enrolment, ReEnrolment::AlreadyInCampaign);
}

#[test]
fn the_plan_table_can_be_read_either_way_or_be_ones_own() {
    let limits = |plans: &PlanTable, plan: Plan| {
        let mut options = Options::with_contacts(1);
        options.switches.plans = plans.clone();
        options.teams[0].plan = plan;
        let reply = get(&Simulator::new(options), "labels");
        ["minute", "hourly", "24-hour"].map(|window| {
            let limit = reply.header(&format!("x-rate-limit-{window}"));
            limit.unwrap().parse::<u32>().unwrap_or_default()
        })
    };
    let usual = PlanTable::default();
    assert_eq!(limits(&usual, Plan::Free), [50, 200, 600]);
    assert_eq!(limits(&usual, Plan::Basic), [200, 400, 2_000]);
    assert_eq!(limits(&usual, Plan::Professional), [200, 400, 2_000]);
    assert_eq!(limits(&usual, Plan::Organization), [200, 600, 6_000]);
    assert_eq!(limits(&usual, Plan::Unlimited), [0, 0, 0]);
    let swapped = PlanTable::HOURS_SWAPPED;
    assert_eq!(limits(&swapped, Plan::Professional), [200, 600, 2_000]);
    assert_eq!(limits(&swapped, Plan::Organization), [200, 400, 6_000]);
    let own = PlanTable {
        basic: Quota::new(7, 8, 9),
        ..usual
    };
    assert_eq!(limits(&own, Plan::Basic), [7, 8, 9]);
}

#[test]
fn a_search_without_an_order_can_be_newest_or_last_changed_first() {
    let order = |default_order: DefaultOrder, body: &Value| {
        let sim = switched(|switches| switches.default_order = default_order);
        ids(&post(&sim, "contacts/search", body).json()["contacts"])
    };
    let plain = json!({"per_page": 100, "sort_ascending": true});
    let by = |field: &str| {
        let body = json!({"per_page": 100, "sort_by_field": field});
        order(DefaultOrder::Arbitrary, &body)
    };
    let (created, changed) = (by("contact_created_at"), by("contact_updated_at"));
    assert_eq!(order(DefaultOrder::NewestFirst, &plain), created);
    assert_eq!(order(DefaultOrder::LastChangedFirst, &plain), changed);
    let arbitrary = order(DefaultOrder::Arbitrary, &plain);
    assert!(arbitrary != created && arbitrary != changed);
    let sequences = |default_order: DefaultOrder| {
        let sim = switched(|switches| switches.default_order = default_order);
        let found = get(&sim, "emailer_campaigns/search").json()["emailer_campaigns"].clone();
        let found = found.as_array().unwrap().iter();
        let times = found.map(|sequence| sequence["created_at"].as_str().unwrap().to_owned());
        times.rev().is_sorted()
    };
    assert!(sequences(DefaultOrder::NewestFirst));
    assert!(!sequences(DefaultOrder::Arbitrary));
}

#[test]
fn reasons_for_inactivity_are_the_seen_ones_or_ones_own() {
    let own = InactiveReasons::default()
        .with(Reason::ManuallyFinished, "Marked as finished by user")
        .with(Reason::SequenceInactive, "sequence_inactive")
        .with(Reason::Replied, "Contact replied");
    for (reasons, [finished, inactive, replied]) in [
        (
            InactiveReasons::default(),
            ["manually finished", "Sequence inactive", "replied"],
        ),
        (
            own,
            [
                "Marked as finished by user",
                "sequence_inactive",
                "Contact replied",
            ],
        ),
    ] {
        let sim = switched(|switches| switches.inactive_reasons = reasons);
        let states = sim.read(0, syncline_sim::Team::states);
        let any = |text: &str| states.iter().any(|(_, s)| s["inactive_reason"] == text);
        assert!(any(replied) && any(inactive), "the world is made of them");
        let (contact, sequence) = sim.edit(0, |team| {
            let contact = team.create_contact(noon(), &json!({"first_name": "Ines"}));
            let (contact, sequence) = (contact.unwrap(), team.create_sequence(noon(), "Spring"));
            team.set_sequence_active(&sequence, false).unwrap();
            team.enrol(noon(), &contact, &sequence).unwrap();
            (contact, sequence)
        });
        let state = || {
            let contact = sim.read(0, |team| team.contact(&contact)).unwrap();
            contact["contact_campaign_statuses"][0].clone()
        };
        assert_eq!(state()["inactive_reason"], inactive);
        let body = json!({
            "contact_ids": [contact], "emailer_campaign_ids": [sequence], "mode": "mark_as_finished"
        });
        post(&sim, "emailer_campaigns/remove_or_stop_contact_ids", &body);
        assert_eq!(state()["inactive_reason"], finished);
    }
}

#[test]
fn a_failure_has_the_code_of_its_reason_and_an_imposed_pause_no_time() {
    let sim = switched(|_| ());
    let (contact, sequence) = sim.edit(0, |team| {
        let contact = team.create_contact(noon(), &json!({"first_name": "Ines"}));
        let (contact, sequence) = (contact.unwrap(), team.create_sequence(noon(), "Spring"));
        team.enrol(noon(), &contact, &sequence).unwrap();
        (contact, sequence)
    });
    let set = |kind: StateKind, reason: &str| {
        let set = |team: &mut syncline_sim::Team| {
            team.set_state(noon(), &contact, &sequence, kind, Some(reason))
        };
        sim.edit(0, set).unwrap();
        let contact = sim.read(0, |team| team.contact(&contact)).unwrap();
        contact["contact_campaign_statuses"][0].clone()
    };
    for (reason, code) in [
        ("bounced", json!("bounced")),
        ("hard_bounced", json!("hard_bounced")),
        ("spam blocked", json!("spam_blocked")),
        ("past_date_failure", json!("past_date_failure")),
        ("User deleted", Value::Null),
    ] {
        assert_eq!(set(StateKind::Failed, reason)["failure_reason"], code);
    }
    let imposed = set(StateKind::Paused, "Sequence inactive");
    assert_eq!(imposed["paused_at"], Value::Null);
    assert!(set(StateKind::Paused, "manually paused")["paused_at"].is_string());
}

#[test]
fn deleting_a_contact_answers_in_three_ways() {
    for (delete_answer, status, left) in [
        (DeleteAnswer::Contact, 200, 149),
        (DeleteAnswer::Empty, 200, 149),
        (DeleteAnswer::Refused, 403, 150),
    ] {
        let sim = switched(|switches| switches.delete_answer = delete_answer);
        let id = sim.read(0, |team| team.contact_ids()[0].clone());
        let reply = delete(&sim, &format!("contacts/{id}"));
        assert_eq!(reply.status, status);
        match delete_answer {
            DeleteAnswer::Contact => assert_eq!(reply.json()["contact"]["id"], id.as_str()),
            DeleteAnswer::Empty => assert_eq!(reply.text(), "{}"),
            DeleteAnswer::Refused => assert_eq!(
                reply.text(),
                concat!(
                    r#"{"error":"api/v1/contacts/destroy is not accessible with this api_key","#,
                    r#""error_code":"API_INACCESSIBLE"}"#
                )
            ),
        }
        assert_eq!(sim.read(0, |team| team.counts().contacts), left);
    }
}

#[test]
fn numbers_are_echoed_as_text_by_users_everywhere_or_nowhere() {
    for (echo, users, sequences) in [
        (Echo::Users, json!("1"), json!(1)),
        (Echo::Everywhere, json!("1"), json!("1")),
        (Echo::Nowhere, json!(1), json!(1)),
    ] {
        let sim = switched(|switches| switches.echo = echo);
        let page = |target: &str| get(&sim, target).json()["pagination"]["page"].clone();
        assert_eq!(page("users/search?page=1"), users);
        assert_eq!(page("emailer_campaigns/search?page=1"), sequences);
    }
}

#[test]
fn too_large_a_page_is_refused_everywhere_for_tasks_or_nowhere() {
    for (oversized_page, contacts, tasks) in [
        (OversizedPage::Refused, 422, 422),
        (OversizedPage::RefusedForTasks, 200, 422),
        (OversizedPage::Clamped, 200, 200),
    ] {
        let sim = switched(|switches| switches.oversized_page = oversized_page);
        let ask = |path: &str| post(&sim, path, &json!({"per_page": 101}));
        let reply = ask("contacts/search");
        assert_eq!(
            (reply.status, ask("tasks/search").status),
            (contacts, tasks)
        );
        if contacts == 200 {
            assert_eq!(reply.json()["pagination"]["per_page"], 100);
        }
    }
}

#[test]
fn the_refusal_far_down_has_two_wordings_for_contacts_and_accounts() {
    for (deep_page_text, text) in [
        (
            DeepPageText::Short,
            r#"{"error":"Page * per page number is over threshold."}"#,
        ),
        (
            DeepPageText::Long,
            r#"{"error":"Invalid parameter passed in. Page * per page number is over threshold."}"#,
        ),
    ] {
        let sim = switched(|switches| switches.deep_page_text = deep_page_text);
        for path in ["contacts/search", "accounts/search"] {
            let reply = post(&sim, path, &json!({"page": 501, "per_page": 100}));
            assert_eq!((reply.status, reply.text().as_str()), (422, text));
        }
    }
}

#[test]
fn an_email_can_move_updated_at_and_a_rename_an_account() {
    for on in [false, true] {
        let sim = switched(|switches| {
            switches.activity_touches_contact = on;
            switches.account_changes_move_order = on;
        });
        let (contact, account) = sim.read(0, |team| {
            (team.contact_ids()[0].clone(), team.account_ids()[0].clone())
        });
        let updated = || sim.read(0, |team| team.contact(&contact)).unwrap()["updated_at"].clone();
        let before = updated();
        let first = || {
            let body = json!({"per_page": 1, "sort_by_field": "account_updated_at"});
            ids(&post(&sim, "accounts/search", &body).json()["accounts"]).remove(0)
        };
        let leader = first();
        assert_ne!(leader, account);
        sim.edit(0, |team| {
            team.log_email_activity(noon(), &contact).unwrap();
            team.update_account(noon(), &account, &json!({"name": "Heron Foods"}))
                .unwrap();
        });
        assert_eq!(updated() != before, on);
        assert_eq!(first(), if on { account } else { leader });
    }
}

#[test]
fn archived_sequences_are_listed_or_not() {
    for (listed, count) in [(true, 2), (false, 0)] {
        let sim = switched(|switches| switches.archived_sequences_listed = listed);
        let found = get(&sim, "emailer_campaigns/search").json()["emailer_campaigns"].clone();
        let found = found.as_array().unwrap().iter();
        assert_eq!(found.filter(|s| s["archived"] == true).count(), count);
    }
}
