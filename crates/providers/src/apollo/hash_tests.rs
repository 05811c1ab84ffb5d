//! What counts as a change of a record, and how pending statistics are filled in.

use std::collections::HashMap;

use serde_json::value::RawValue;
use syncline_model::{Object, Records};

use crate::{
    apollo::{page::page_of, sequence},
    provider::Page,
};

fn page(object: Object, record: &str) -> Page {
    page_of(
        &format!(r#"{{"records":[{record}]}}"#),
        object,
        "records",
        (1, 100),
    )
    .unwrap()
}

fn hash_on(page: &Page) -> i64 {
    match &page.records {
        Records::Users(records) => records[0].hash,
        Records::Mailboxes(records) => records[0].hash,
        Records::Sequences(records) => records[0].hash,
        Records::Accounts(records) => records[0].hash,
        Records::Contacts { contacts, .. } => contacts[0].hash,
        Records::SequenceStates(records) => records[0].hash,
    }
}

fn hash(object: Object, record: &str) -> i64 {
    hash_on(&page(object, record))
}

fn state_hash(contact: &str) -> i64 {
    match page(Object::Contact, contact).records {
        Records::Contacts { states, .. } => states[0].hash,
        other => panic!("no states: {other:?}"),
    }
}

fn known(id: &str, raw: &str) -> HashMap<String, Box<RawValue>> {
    HashMap::from([(
        id.to_owned(),
        RawValue::from_string(raw.to_owned()).unwrap(),
    )])
}

#[test]
fn the_order_of_keys_does_not_change_the_hash() {
    assert_eq!(
        hash(
            Object::User,
            r#"{"id":"1","email":"a@b.test","title":null}"#
        ),
        hash(
            Object::User,
            r#"{"title":null, "email": "a@b.test","id":"1"}"#
        ),
    );
}

#[test]
fn keys_of_an_endpoint_do_not_change_the_hash() {
    for (object, key) in [
        (Object::Contact, "contact_job_change_event"),
        (Object::Contact, "next_contact_id"),
        (Object::Contact, "disable_flag"),
        (Object::Contact, "engagement_graph"),
        (Object::Account, "engagement_graph"),
        (Object::Account, "account_queues"),
        (Object::Account, "disable_flag"),
        (Object::Sequence, "loaded_stats"),
        (Object::User, "fields_fully_loaded"),
        (Object::Mailbox, "fields_fully_loaded"),
    ] {
        let with = format!(r#"{{"id":"1","{key}":true}}"#);
        assert_eq!(hash(object, r#"{"id":"1"}"#), hash(object, &with), "{key}");
    }
}

#[test]
fn any_other_change_changes_the_hash() {
    let before = hash(
        Object::Contact,
        r#"{"id":"1","first_name":"A","last_name":"B"}"#,
    );
    for after in [
        r#"{"id":"1","first_name":"B","last_name":"A"}"#,
        r#"{"id":"1","first_name":"A","last_name":"C"}"#,
        r#"{"id":"1","first_name":"A","last_name":null}"#,
        r#"{"id":"1","first_name":"A"}"#,
        r#"{"id":"1","first_name":"A","last_name":"B","new_key":0}"#,
    ] {
        assert_ne!(before, hash(Object::Contact, after), "{after}");
    }
}

#[test]
fn the_same_status_in_two_contacts_has_two_hashes() {
    let contact = |id: &str| {
        format!(r#"{{"id":"{id}","contact_campaign_statuses":[{{"id":"s","status":"active"}}]}}"#)
    };
    assert_ne!(state_hash(&contact("1")), state_hash(&contact("2")));
    assert_eq!(state_hash(&contact("1")), state_hash(&contact("1")));
}

#[test]
fn a_settled_sequence_is_the_one_that_is_stored() {
    let stored = r#"{"id":"1","name":"N","open_rate":0.5,"contact_statuses":{"active":5,"failed":0},"loaded_stats":true}"#;
    let read = r#"{"id":"1","name":"N","open_rate":"loading","contact_statuses":{"active":"loading","failed":0},"loaded_stats":false}"#;
    let mut page = page(Object::Sequence, read);
    assert_eq!(page.loading, ["1"]);
    assert_ne!(hash_on(&page), hash(Object::Sequence, stored));

    sequence::settle(&mut page, &known("1", stored));

    assert_eq!(hash_on(&page), hash(Object::Sequence, stored));
    let Records::Sequences(sequences) = &page.records else {
        panic!("no sequences")
    };
    assert_eq!(sequences[0].fields.metrics["openRate"].as_f64(), Some(0.5));
    assert!(!sequences[0].raw.get().contains("loading\""));
}

#[test]
fn settling_keeps_what_is_new_and_what_nobody_knows() {
    let stored = r#"{"id":"1","name":"Old","open_rate":0.5}"#;
    let read = r#"{"id":"1","name":"loading","open_rate":"loading","click_rate":"loading"}"#;
    let mut page = page(Object::Sequence, read);
    sequence::settle(&mut page, &known("1", stored));
    let Records::Sequences(sequences) = &page.records else {
        panic!("no sequences")
    };
    assert_eq!(
        sequences[0].raw.get(),
        r#"{"id":"1","name":"loading","open_rate":0.5,"click_rate":"loading"}"#
    );
    assert_eq!(sequences[0].fields.metrics.len(), 1);
}

#[test]
fn settling_leaves_everything_alone_that_is_not_known() {
    let read = r#"{"id":"1","open_rate":"loading"}"#;
    let mut page = page(Object::Sequence, read);
    let before = hash_on(&page);
    sequence::settle(&mut page, &known("2", r#"{"id":"2","open_rate":1}"#));
    sequence::settle(&mut page, &known("1", "[]"));
    assert_eq!(hash_on(&page), before);
}

/// The hash that version 2 computed for the account in this test.
const FORMER: i64 = 1_308_989_402_324_502_369;

#[test]
fn a_row_of_the_former_version_is_known_by_its_hash_unless_it_was_mapped_otherwise() {
    // As version 2 wrote them.
    let account = |record: &str| match page(Object::Account, record).records {
        Records::Accounts(mut records) => records.remove(0),
        other => panic!("no accounts: {other:?}"),
    };
    let same = account(r#"{"id":"1","name":"N","domain":"example.com"}"#);
    assert_eq!(same.former_hash, Some(FORMER));
    assert_ne!(same.former_hash, Some(same.hash));
    for other in [
        r#"{"id":"1","name":"N","domain":"www.example.com"}"#,
        r#"{"id":"1","name":{},"domain":"example.com"}"#,
    ] {
        assert_eq!(account(other).former_hash, None, "{other}");
    }
}
