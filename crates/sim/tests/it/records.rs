//! What the records look like.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use syncline_sim::Team;

use crate::{contacts_page, get, keys, post, sim};

#[test]
fn a_contact_has_the_recorded_keys_in_the_recorded_order() {
    let sim = sim(60);
    let body = post(&sim, "contacts/search", &json!({"per_page": 1})).text();
    let contact = body.strip_prefix(r#"{"contacts":["#).unwrap();
    let end = contact.find(r#"],"breadcrumbs""#).unwrap();
    let mut found = keys(&contact[..end]);
    found.retain(|key| key != "account");
    let expected = "contact_roles id first_name last_name name linkedin_url title contact_stage_id owner_id creator_id \
        person_id email_needs_tickling organization_name source original_source organization_id headline photo_url \
        present_raw_address linkedin_uid extrapolated_email_confidence salesforce_id salesforce_lead_id \
        salesforce_contact_id salesforce_account_id crm_owner_id created_at emailer_campaign_ids direct_dial_status \
        direct_dial_enrichment_failed_at email_status email_source account_id last_activity_date hubspot_vid \
        hubspot_company_id crm_id merged_crm_ids updated_at queued_for_crm_push suggested_from_rule_engine_config_id \
        email_unsubscribed person_deleted call_opted_out godmode_apollo_creator sanitized_phone street_address city state \
        country postal_code formatted_address time_zone label_ids has_pending_email_arcgate_request \
        has_email_arcgate_request existence_level email email_from_customer typed_custom_fields custom_field_errors \
        crm_record_url email_status_unavailable_reason email_true_status updated_email_true_status source_display_name \
        twitter_url facebook_url contact_campaign_statuses contact_emails intent_strength show_intent phone_numbers \
        account_phone_note free_domain email_domain_catchall contact_job_change_event";
    assert_eq!(found, expected.split_whitespace().collect::<Vec<_>>());
}

#[test]
fn contacts_are_about_as_large_as_real_ones() {
    let sim = sim(1_000);
    let body = post(&sim, "contacts/search", &json!({"per_page": 100})).body;
    let each = body.len() / 100;
    assert!((3_000..4_000).contains(&each), "{each} bytes per contact");
}

#[test]
fn ids_are_unique_object_ids_that_begin_with_their_creation() {
    let sim = sim(500);
    let mut seen = BTreeSet::new();
    let (contacts, accounts) = sim.read(0, |team| (team.contacts(), team.accounts()));
    for record in contacts.iter().chain(&accounts) {
        let id = record["id"].as_str().unwrap();
        assert!(
            id.len() == 24
                && id
                    .bytes()
                    .all(|b| b.is_ascii_hexdigit() && !b.is_ascii_uppercase())
        );
        let created: chrono::DateTime<chrono::Utc> =
            record["created_at"].as_str().unwrap().parse().unwrap();
        assert_eq!(
            i64::from_str_radix(&id[..8], 16).unwrap(),
            created.timestamp()
        );
        assert!(seen.insert(id.to_owned()), "{id} twice");
    }
}

#[test]
fn half_of_the_contacts_are_in_a_sequence_and_some_state_ids_repeat() {
    let sim = sim(2_000);
    let states = sim.read(0, Team::states);
    assert!(
        (900..1_150).contains(&states.len()),
        "{} states",
        states.len()
    );
    let mut contacts_of: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let mut per_contact: BTreeMap<&str, usize> = BTreeMap::new();
    for (contact, state) in &states {
        contacts_of
            .entry(state["id"].as_str().unwrap())
            .or_default()
            .insert(contact);
        *per_contact.entry(contact).or_default() += 1;
    }
    let repeated = states.len() - contacts_of.len();
    assert!(
        repeated * 100 >= states.len() && repeated * 10 <= states.len(),
        "{repeated} repeated"
    );
    assert!(per_contact.values().any(|count| *count >= 3));
    let statuses: BTreeSet<&str> = states
        .iter()
        .map(|(_, state)| state["status"].as_str().unwrap())
        .collect();
    assert_eq!(
        statuses,
        BTreeSet::from(["active", "failed", "finished", "paused"])
    );
    for (_, state) in &states {
        assert_eq!(
            state["finished_at"].is_null(),
            state["status"] != "finished"
        );
        assert!(state["failure_reason"].is_null() || state["status"] == "failed");
    }
}

#[test]
fn contacts_vary_as_they_do_in_the_field() {
    let sim = sim(1_000);
    let contacts = sim.read(0, Team::contacts);
    let some = |what: &dyn Fn(&Value) -> bool| contacts.iter().any(what);
    assert!(some(
        &|c| c["email"].is_null() && c["contact_emails"] == json!([])
    ));
    assert!(some(&|c| c["contact_emails"].as_array().unwrap().len() > 1));
    assert!(some(
        &|c| c["account"]["id"] == c["account_id"] && c["account_id"].is_string()
    ));
    assert!(some(
        &|c| c["account_id"].is_null() && c.get("account").is_none()
    ));
    assert!(some(&|c| c["typed_custom_fields"]
        .as_object()
        .is_some_and(|fields| !fields.is_empty())));
    assert!(some(&|c| !c["label_ids"].as_array().unwrap().is_empty()));
    assert!(some(&|c| c["title"].is_null()));
    let kinds: BTreeSet<&str> = contacts
        .iter()
        .flat_map(|c| c["phone_numbers"].as_array().unwrap())
        .map(|phone| phone["type"].as_str().unwrap())
        .collect();
    assert_eq!(
        kinds,
        BTreeSet::from(["home", "mobile", "other", "work_direct", "work_hq"])
    );
    let fresh = contacts
        .iter()
        .filter(|c| c["created_at"] == c["updated_at"])
        .count();
    assert_eq!(fresh, 0, "a new contact is written twice");
}

#[test]
fn accounts_leave_out_what_is_not_set() {
    let sim = sim(1_000);
    let accounts = sim.read(0, Team::accounts);
    assert!(
        accounts
            .iter()
            .any(|account| account.get("raw_address").is_none())
    );
    assert!(
        accounts
            .iter()
            .any(|account| account.get("raw_address").is_some() && account.get("city").is_none())
    );
    assert!(
        accounts
            .iter()
            .any(|account| account.get("sanitized_phone").is_none())
    );
    assert!(accounts.iter().any(|account| account["domain"].is_null()));
    assert!(
        accounts
            .iter()
            .all(|account| account.get("updated_at").is_none())
    );
}

#[test]
fn users_include_a_deleted_seat_and_one_that_was_only_invited() {
    let sim = sim(10);
    let users = get(&sim, "users/search").json()["users"].clone();
    let users = users.as_array().unwrap();
    assert_eq!(
        users.iter().filter(|user| user["deleted"] == true).count(),
        1
    );
    let invited: Vec<_> = users
        .iter()
        .filter(|user| user["first_name"].is_null())
        .collect();
    assert_eq!(invited.len(), 1);
    assert_eq!(
        (&invited[0]["last_name"], &invited[0]["name"]),
        (&Value::Null, &json!(""))
    );
    let profile = get(&sim, "users/api_profile").json();
    assert_eq!(profile["id"], users[0]["id"]);
    assert!(
        get(&sim, "users/api_profile?include_credit_usage=true").json()["num_credits_remaining"]
            .is_number()
    );
}

#[test]
fn mailboxes_include_disconnected_ones_and_one_never_synced() {
    let sim = sim(10);
    let reply = get(&sim, "email_accounts");
    assert_eq!(keys(&reply.text()), ["email_accounts"]);
    let boxes = reply.json()["email_accounts"].clone();
    let boxes = boxes.as_array().unwrap();
    assert_eq!(boxes.len(), 10);
    assert!(
        boxes
            .iter()
            .any(|mailbox| mailbox["active"] == false && mailbox["revoked_at"].is_string())
    );
    assert_eq!(
        boxes
            .iter()
            .filter(|mailbox| mailbox.get("last_synced_at").is_none())
            .count(),
        1
    );
}

#[test]
fn the_small_lists_have_their_shapes() {
    let sim = sim(100);
    let labels = get(&sim, "labels").json();
    assert!(
        labels
            .as_array()
            .unwrap()
            .iter()
            .all(|label| label["_id"] == label["id"] && label["key"] == label["id"])
    );
    assert_eq!(
        get(&sim, "contact_stages").json()["contact_stages"][0]["display_order"],
        0
    );
    assert!(get(&sim, "account_stages").json()["account_stages"].is_array());
    let fields = get(&sim, "typed_custom_fields").json();
    let picklist = fields["typed_custom_fields"]
        .as_array()
        .unwrap()
        .iter()
        .find(|field| field["type"] == "picklist");
    assert!(picklist.unwrap()["picklist_values"][0]["name"].is_string());
    assert_eq!(contacts_page(&sim, 1)["partial_results_limit"], 10_000);
}
