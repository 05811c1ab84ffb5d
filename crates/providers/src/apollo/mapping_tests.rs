//! The mapping of every object in the fixtures: complete, sparse, null, odd and malformed records.

use syncline_model::{
    Contact, Mailbox, Object, Record, Records, Rejected, Sequence, SequenceState, ShareType, User,
    time,
};

use crate::{
    apollo::page::page_of,
    provider::{NextPage, Page},
};

macro_rules! fixture {
    ($name:literal) => {
        include_str!(concat!("../../fixtures/apollo/", $name, ".json"))
    };
}

fn page(object: Object) -> Page {
    let (text, array) = match object {
        Object::User => (fixture!("users"), "users"),
        Object::Mailbox => (fixture!("email_accounts"), "email_accounts"),
        Object::Sequence => (fixture!("emailer_campaigns"), "emailer_campaigns"),
        Object::Account => (fixture!("accounts"), "accounts"),
        Object::Contact | Object::SequenceState => (fixture!("contacts"), "contacts"),
    };
    page_of(text, object, array, (1, 100)).unwrap()
}

fn contacts(page: &Page) -> (&[Record<Contact>], &[Record<SequenceState>]) {
    match &page.records {
        Records::Contacts { contacts, states } => (contacts, states),
        other => panic!("no contacts: {other:?}"),
    }
}

fn sequences(page: &Page) -> &[Record<Sequence>] {
    match &page.records {
        Records::Sequences(sequences) => sequences,
        other => panic!("no sequences: {other:?}"),
    }
}

fn shown(time: Option<syncline_model::Time>) -> Option<String> {
    time.map(time::format)
}

fn assert_rejected(rejected: &Rejected, object: Object, id: Option<&str>, reason: &str) {
    assert_eq!((rejected.object, rejected.id.as_deref()), (object, id));
    assert!(rejected.reason.contains(reason), "{}", rejected.reason);
}

#[test]
fn users_are_mapped_and_a_deleted_one_is_deleted() {
    let page = page(Object::User);
    let Records::Users(users) = &page.records else {
        panic!("no users")
    };
    assert_eq!(users.len(), 5);
    let full = &users[0];
    assert_eq!(
        full.fields,
        User {
            first_name: Some("Ines".into()),
            last_name: Some("Okafor".into()),
            email: Some("ines@lumenforge.test".into()),
            is_locked: None,
        }
    );
    assert_eq!(
        shown(full.created_at),
        Some("2026-03-02T08:15:30.120Z".into())
    );
    assert!(full.updated_at.is_none() && !full.is_deleted);
    for sparse in &users[1..3] {
        assert_eq!(sparse.fields, User::default());
        assert!(sparse.created_at.is_none() && !sparse.is_deleted);
    }
    let odd = &users[3];
    assert_eq!((odd.id.as_str(), odd.is_deleted), ("4", true));
    assert_eq!(odd.fields.first_name, Some("17".into()));
    assert_eq!(
        shown(odd.created_at),
        Some("2026-03-02T08:15:30.000Z".into())
    );

    assert_eq!(users[4].id, "5f0000000000000000000005");
    assert_eq!(users[4].fields.first_name, None);
    assert_eq!(users[4].unread, ["first_name"]);
    assert_eq!(
        (page.returned, page.next, page.rejected.len()),
        (5, None, 0)
    );
    assert_eq!(page.reported_total, Some(5));
}

#[test]
fn mailboxes_come_at_once_and_an_inactive_one_is_disabled() {
    let page = page(Object::Mailbox);
    let Records::Mailboxes(mailboxes) = &page.records else {
        panic!("no mailboxes")
    };
    let full = &mailboxes[0];
    assert_eq!(full.fields.is_disabled, Some(false));
    assert_eq!(full.fields.user_id, Some("5f0000000000000000000001".into()));
    assert_eq!(
        shown(full.created_at),
        Some("2026-03-02T08:16:00.000Z".into())
    );
    assert_eq!(
        shown(full.updated_at),
        Some("2026-07-16T22:42:57.372Z".into())
    );
    for sparse in &mailboxes[1..3] {
        assert_eq!(sparse.fields, Mailbox::default());
        assert!(sparse.created_at.is_none() && sparse.updated_at.is_none());
    }
    assert_eq!(mailboxes[3].fields.is_disabled, Some(true));
    assert_eq!(mailboxes[4].updated_at, None);
    assert_eq!(mailboxes[4].unread, ["last_synced_at"]);
    assert_eq!((page.next, page.reported_total), (None, None));
}

#[test]
fn accounts_are_mapped_and_what_is_no_record_is_rejected() {
    let page = page(Object::Account);
    let Records::Accounts(accounts) = &page.records else {
        panic!("no accounts")
    };
    assert_eq!(accounts.len(), 4);
    assert_eq!(accounts[0].fields.domain, Some("lumenforge.test".into()));
    assert_eq!(
        shown(accounts[0].created_at),
        Some("2026-01-09T11:03:12.228Z".into())
    );
    assert!(accounts[0].updated_at.is_none());
    assert_eq!(accounts[1].fields, accounts[2].fields);
    assert_eq!(accounts[3].fields.name, Some("1984".into()));
    for (rejected, reason) in page.rejected.iter().zip(["id: ", "record: ", "record: "]) {
        assert_rejected(rejected, Object::Account, None, reason);
    }
    assert_eq!((page.returned, page.rejected.len()), (7, 3));
    assert_eq!(
        (page.next, page.reported_total),
        (Some(NextPage::default()), Some(250))
    );
}

#[test]
fn a_sequence_has_fifteen_metrics_and_its_labels_as_tags() {
    let page = page(Object::Sequence);
    let full = &sequences(&page)[0];
    assert_eq!(full.fields.metrics.len(), 15);
    assert_eq!(full.fields.metrics["spamBlockedRate"].as_f64(), Some(0.05));
    assert_eq!(full.fields.metrics["uniqueOpened"].as_i64(), Some(6));
    assert_eq!(full.fields.tags, ["lab1", "lab2"]);
    assert_eq!((full.fields.num_steps, full.fields.is_enabled), (4, true));
    assert_eq!(full.fields.share_type, ShareType::Team);
    assert!(!full.is_deleted && full.updated_at.is_none());
    assert!(page.rejected.is_empty());
}

#[test]
fn a_sparse_sequence_has_the_defaults_that_clients_know() {
    let page = page(Object::Sequence);
    for sparse in &sequences(&page)[1..3] {
        assert_eq!(
            sparse.fields,
            Sequence {
                owner_id: None,
                is_enabled: false,
                name: Some(String::new()),
                tags: Vec::new(),
                num_steps: 0,
                metrics: std::collections::BTreeMap::new(),
                is_archived: false,
                share_type: ShareType::Team,
            }
        );
    }
}

#[test]
fn an_archived_sequence_is_deleted_and_text_counts_as_numbers() {
    let page = page(Object::Sequence);
    let archived = &sequences(&page)[3];
    assert!(archived.is_deleted && archived.fields.is_archived && archived.fields.is_enabled);
    assert_eq!(archived.fields.num_steps, 7);
    assert_eq!(archived.fields.metrics["uniqueOpened"].as_i64(), Some(12));
    assert_eq!(archived.fields.metrics["openRate"].as_f64(), Some(0.5));
    assert_eq!(archived.fields.share_type, ShareType::Private);
}

#[test]
fn a_statistic_that_is_loading_is_left_out_and_reported() {
    let page = page(Object::Sequence);
    let loading = &sequences(&page)[4];
    assert!(!loading.fields.metrics.contains_key("uniqueOpened"));
    assert_eq!(loading.fields.metrics["uniqueReplied"].as_i64(), Some(3));
    assert_eq!(loading.fields.share_type, ShareType::Private);
    // The sequence before it is merely named "loading".
    assert_eq!(page.loading, ["8f0000000000000000000005"]);
}

#[test]
fn a_contact_is_mapped_with_its_address_and_phones() {
    let page = page(Object::Contact);
    let (contacts, _) = contacts(&page);
    let full = &contacts[0];
    assert_eq!(full.fields.job_title, Some("Head of Operations".into()));
    let address = full.fields.address.as_ref().unwrap();
    assert_eq!(address.street_1, Some("4 Harbour Lane".into()));
    assert_eq!(address.street_2, None);
    assert_eq!(address.postal_code, Some("211 20".into()));
    let email = &full.fields.email_addresses[0];
    assert_eq!(email.email_address, "teo@lumenforge.test");
    assert_eq!(email.email_address_type, Some("primary".into()));
    let phones: Vec<_> = full
        .fields
        .phone_numbers
        .iter()
        .map(|phone| {
            (
                phone.phone_number.as_deref(),
                phone.phone_number_type.as_deref(),
            )
        })
        .collect();
    assert_eq!(
        phones,
        [
            (Some("+46405501"), Some("work")),
            (Some("070-55 02"), Some("mobile")),
            (Some("+46405503"), Some("home")),
            (Some("+46405504"), Some("other")),
            (Some("+46405505"), Some("work")),
            (Some("+46405506"), None),
        ]
    );
    assert_eq!(
        shown(full.updated_at),
        Some("2026-04-19T11:04:12.999Z".into())
    );
}

#[test]
fn a_contact_without_a_real_email_has_an_empty_list() {
    let page = page(Object::Contact);
    let (contacts, _) = contacts(&page);
    assert_eq!(contacts.len(), 7);
    for contact in &contacts[1..] {
        assert!(contact.fields.email_addresses.is_empty(), "{}", contact.id);
        assert!(contact.fields.address.is_some());
        assert!(contact.created_at.is_none() && contact.updated_at.is_none());
    }
    let address = contacts[3].fields.address.as_ref().unwrap();
    assert_eq!(address.postal_code, Some("21120".into()));
}

#[test]
fn states_come_out_of_their_contacts_with_ids_of_both() {
    let page = page(Object::SequenceState);
    let (_, states) = contacts(&page);
    let ids: Vec<_> = states.iter().map(|state| state.id.as_str()).collect();
    assert_eq!(
        ids,
        [
            "9f0000000000000000000001.af0000000000000000000001",
            "9f0000000000000000000001.8f0000000000000000000004",
            "9f0000000000000000000001.af0000000000000000000003",
            "9f0000000000000000000001.af0000000000000000000004",
            // The status id also belongs to another contact.
            "9f0000000000000000000006.af0000000000000000000001",
        ]
    );
    assert_eq!(
        states[0].fields,
        SequenceState {
            state: Some("paused".into()),
            contact_id: Some("9f0000000000000000000001".into()),
            mailbox_id: Some("6f0000000000000000000001".into()),
            user_id: Some("5f0000000000000000000001".into()),
            sequence_id: Some("8f0000000000000000000001".into()),
        }
    );
    assert_eq!(
        shown(states[0].created_at),
        Some("2026-05-16T22:42:57.372Z".into())
    );
    assert!(states[0].raw.get().contains("Sequence inactive"));
    // Of two with the same id the later one is kept.
    assert_eq!(states[2].fields.state, Some("finished".into()));
    assert_eq!(page.returned, 7);
}

#[test]
fn what_can_not_be_read_is_null_and_named_and_only_an_id_is_asked_for() {
    let page = page(Object::Contact);
    let (contacts, states) = contacts(&page);
    assert_eq!(states[3].unread, ["added_at"]);
    assert_eq!(contacts[5].unread, ["created_at"]);
    assert_eq!(contacts[6].unread, ["contact_campaign_statuses"]);
    let [nameless, listless] = &page.rejected[..] else {
        panic!("{:?}", page.rejected)
    };
    assert_rejected(nameless, Object::SequenceState, None, "id: ");
    let reason = "contact_campaign_statuses: ";
    assert_rejected(listless, Object::SequenceState, None, reason);
}

#[test]
fn an_answer_without_the_array_cannot_be_read() {
    for text in [
        "",
        "null",
        "[]",
        "<html></html>",
        r#"{"pagination":{}}"#,
        r#"{"users":null}"#,
        r#"{"users":{}}"#,
        r#"{"users":[{"id":"1"}"#,
        r#"{"users":[]} trailing"#,
    ] {
        assert!(
            page_of(text, Object::User, "users", (1, 100)).is_err(),
            "{text}"
        );
    }
    assert!(page_of(r#"{"users":[]}"#, Object::User, "users", (1, 100)).is_ok());
}
