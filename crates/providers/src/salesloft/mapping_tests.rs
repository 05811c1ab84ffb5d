//! The mapping of every object: complete, sparse, null, odd and malformed records. The records are
//! made up after the documented fields.

use serde_json::json;
use syncline_model::{Common, Contact, Sequence, ShareType, time};

use super::*;

const BEGUN: &str = r#""created_at":"2026-02-03T04:05:06.123456-05:00","updated_at":"2026-05-01T03:00:11.000321-04:00""#;

const EVERY: [Object; 5] = [
    Object::User,
    Object::Sequence,
    Object::Account,
    Object::Contact,
    Object::SequenceState,
];

fn mapped(object: Object, items: &[&str]) -> Mapped {
    let raw: Vec<Box<RawValue>> = items
        .iter()
        .map(|item| RawValue::from_string((*item).to_owned()).unwrap())
        .collect();
    let raw: Vec<&RawValue> = raw.iter().map(AsRef::as_ref).collect();
    map_page(object, &raw)
}

/// The only record of a page.
fn one<T: Common>(item: &str) -> Record<T> {
    let mapped = mapped(T::OBJECT, &[item]);
    assert_eq!(mapped.rejected, []);
    let mut records = T::of(mapped.records);
    assert_eq!(records.len(), 1);
    records.remove(0)
}

/// A record with the usual times and these fields.
fn with<T: Common>(fields: &str) -> Record<T> {
    one(&format!(r#"{{"id":7,{BEGUN},{fields}}}"#))
}

fn sequence(fields: &str) -> Sequence {
    with::<Sequence>(fields).fields
}

#[test]
fn times_are_instants_and_ids_are_text() {
    let user: Record<User> = one(&format!(r#"{{"id":18446744073709551615,{BEGUN}}}"#));
    assert_eq!(user.id, "18446744073709551615");
    let shown = |time: Option<syncline_model::Time>| time.map(time::format);
    assert_eq!(
        shown(user.created_at).as_deref(),
        Some("2026-02-03T09:05:06.123Z")
    );
    assert_eq!(
        shown(user.updated_at).as_deref(),
        Some("2026-05-01T07:00:11.000Z")
    );
    assert!(!user.is_deleted && user.unread.is_empty() && user.former_hash.is_none());
}

#[test]
fn a_user_is_locked_if_not_active() {
    let user: Record<User> = with(
        r#""first_name":"Tove","last_name":"Ask","email":" tove@nordvik.example ","active":true"#,
    );
    assert_eq!(
        user.fields,
        User {
            first_name: Some("Tove".to_owned()),
            last_name: Some("Ask".to_owned()),
            email: Some("tove@nordvik.example".to_owned()),
            is_locked: Some(false),
        }
    );
    let inactive: Record<User> = with(r#""active":false"#);
    assert_eq!(inactive.fields.is_locked, Some(true));
    assert!(!inactive.is_deleted);
    let unknown: Record<User> = with(r#""active":null"#);
    assert_eq!(unknown.fields, User::default());
}

#[test]
fn an_accounts_domain_is_a_bare_host() {
    let account: Record<Account> = with(
        r#""name":"Nordvik AB","domain":"https://www.Nordvik.example/about","owner":{"id":5,"_href":"https://api.salesloft.com/v2/users/5"},"archived_at":"2026-05-01T03:00:11.000321-04:00","user_relationships":[],"counts":null"#,
    );
    let expected = bare_host("https://www.Nordvik.example/about");
    assert_eq!(
        account.fields,
        Account {
            owner_id: Some("5".to_owned()),
            name: Some("Nordvik AB".to_owned()),
            domain: Some(expected.into_owned()),
        }
    );
    assert!(!account.is_deleted, "an archived account is still listed");
}

#[test]
fn a_person_is_a_contact() {
    let person: Record<Contact> = with(
        r#""first_name":"Tove","last_name":"Ask","title":"CFO",
        "email_address":"tove@nordvik.example","personal_email_address":"tove@home.example",
        "secondary_email_address":"ask@nordvik.example","phone":"+46700000001",
        "home_phone":"+46700000002","mobile_phone":"+46700000003","city":"Lund","state":"Skåne",
        "country":"Sweden","account":{"id":610,"_href":"…"},"owner":{"id":5,"_href":"…"},
        "counts":{"emails_viewed":10,"emails_clicked":5,"emails_replied_to":2,"emails_bounced":1,"calls":9}"#,
    );
    let shown = serde_json::to_value(&person.fields).unwrap();
    assert_eq!(
        shown,
        json!({
            "owner_id": "5", "account_id": "610",
            "first_name": "Tove", "last_name": "Ask", "job_title": "CFO",
            "address": {
                "street_1": null, "street_2": null, "city": "Lund", "state": "Skåne",
                "postal_code": null, "country": "Sweden",
            },
            "email_addresses": [
                {"email_address": "tove@nordvik.example", "email_address_type": "primary"},
                {"email_address": "tove@home.example", "email_address_type": "personal"},
                {"email_address": "ask@nordvik.example", "email_address_type": null},
            ],
            "phone_numbers": [
                {"phone_number": "+46700000001", "phone_number_type": "primary"},
                {"phone_number": "+46700000002", "phone_number_type": "home"},
                {"phone_number": "+46700000003", "phone_number_type": "mobile"},
            ],
            "open_count": 10, "click_count": 5, "reply_count": 2, "bounced_count": 1,
        })
    );
    assert_eq!(person.unread, Vec::<String>::new());
}

#[test]
fn a_person_may_have_next_to_nothing() {
    for fields in [
        r#""counts":null"#,
        r#""counts":{"emails_viewed":null},"email_address":null,"phone":null,"owner":null"#,
        r#""counts":{},"email_address":" ","phone":"","home_phone":" ""#,
    ] {
        let person = with::<Contact>(fields);
        let contact = &person.fields;
        assert_eq!(contact.email_addresses, []);
        assert_eq!(contact.phone_numbers, []);
        assert_eq!((contact.open_count, contact.reply_count), (0, 0));
        assert_eq!((&contact.owner_id, &contact.account_id), (&None, &None));
        assert_eq!(person.unread, Vec::<String>::new(), "{fields}");
    }
}

#[test]
fn a_cadence_is_a_sequence() {
    let cadence: Record<Sequence> = with(
        r#""name":"Warm leads","draft":false,"archived_at":null,"current_state":"active",
        "shared":false,"team_cadence":true,"tags":["expo","q3"],"owner":{"id":5},
        "counts":{"cadence_people":31,"people_acted_on_count":15,"target_daily_people":null,"rate":0.5}"#,
    );
    let shown = serde_json::to_value(&cadence.fields).unwrap();
    assert_eq!(
        shown,
        json!({
            "owner_id": "5", "is_enabled": true, "name": "Warm leads", "tags": ["expo", "q3"],
            "num_steps": 0,
            "metrics": {"cadencePeople": 31, "peopleActedOnCount": 15, "rate": 0.5},
            "is_archived": false, "share_type": "team",
        })
    );
    assert!(!cadence.is_deleted);
}

#[test]
fn a_cadence_is_enabled_unless_it_is_a_draft_or_archived() {
    let archived_at = r#""archived_at":"2026-05-01T03:00:11.000321-04:00""#;
    for (fields, is_enabled, is_archived) in [
        (r#""draft":false"#, true, false),
        (r#""draft":true"#, false, false),
        (r#""draft":null"#, true, false),
        (r#""current_state":"draft""#, false, false),
        (r#""draft":false,"current_state":"archived""#, false, true),
        (archived_at, false, true),
    ] {
        let sequence = sequence(fields);
        assert_eq!(
            (sequence.is_enabled, sequence.is_archived),
            (is_enabled, is_archived),
            "{fields}"
        );
    }
}

#[test]
fn an_archived_cadence_is_not_deleted_and_a_deleted_one_is() {
    let deleted = |state: &str| {
        let fields = format!(r#""current_state":"{state}""#);
        with::<Sequence>(&fields).is_deleted
    };
    assert!(!deleted("archived") && !deleted("expired"));
    assert!(deleted("deleted"));
}

#[test]
fn a_cadence_belongs_to_the_team_if_it_is_shared_or_the_teams() {
    for (fields, expected) in [
        (r#""shared":true,"team_cadence":false"#, ShareType::Team),
        (r#""shared":false,"team_cadence":true"#, ShareType::Team),
        (r#""shared":false,"team_cadence":false"#, ShareType::Private),
        (r#""shared":null"#, ShareType::Private),
    ] {
        assert_eq!(sequence(fields).share_type, expected, "{fields}");
    }
}

#[test]
fn a_membership_is_a_state() {
    let state: Record<SequenceState> = with(
        r#""current_state":"active","currently_on_cadence":true,"person_deleted":false,
        "person":{"id":7301,"_href":"…"},"cadence":{"id":12},"user":{"id":5},"latest_action":{"id":9}"#,
    );
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(
        state.fields,
        SequenceState {
            state: text("active"),
            contact_id: text("7301"),
            mailbox_id: None,
            user_id: text("5"),
            sequence_id: text("12"),
        }
    );
    assert!(!state.is_deleted);
    let left: Record<SequenceState> = with(r#""current_state":"removed","person_deleted":true"#);
    assert!(left.is_deleted);
    assert_eq!(left.fields.contact_id, None);
}

#[test]
fn what_can_t_be_read_is_null_and_named() {
    let person = one::<Contact>(
        r#"{"id":"7","created_at":"soon","first_name":["Tove"],"email_address":{},"phone":false,
        "owner":5,"account":{"id":[1]},"counts":{"emails_viewed":"many","emails_clicked":3}}"#,
    );
    assert_eq!(person.id, "7");
    assert_eq!((person.created_at, person.updated_at), (None, None));
    let mut unread = person.unread.clone();
    unread.sort();
    assert_eq!(
        unread,
        [
            "account.id",
            "counts.emails_viewed",
            "created_at",
            "email_address",
            "first_name",
            "owner",
            "phone"
        ]
    );
    assert_eq!(
        (person.fields.open_count, person.fields.click_count),
        (0, 3)
    );
    let cadence = with::<Sequence>(
        r#""tags":["expo",{}],"counts":{"cadence_people":[],"meetings_booked":2},"draft":"perhaps""#,
    );
    assert_eq!(cadence.fields.tags, ["expo"]);
    assert_eq!(cadence.fields.metrics.len(), 1);
    let mut unread = cadence.unread.clone();
    unread.sort();
    assert_eq!(unread, ["counts.cadence_people", "draft", "tags[]"]);
    let cadence = with::<Sequence>(r#""counts":[]"#);
    assert_eq!(cadence.unread, ["counts"]);
}

#[test]
fn only_a_record_without_an_id_is_rejected() {
    for object in EVERY {
        let items = [
            r#"{"id":1}"#,
            r#"{"name":"x"}"#,
            "7",
            "null",
            r#"{"id":[]}"#,
        ];
        let mapped = mapped(object, &items);
        assert_eq!(mapped.records.scanned().len(), 1, "{object}");
        assert_eq!(mapped.rejected.len(), 4, "{object}");
        let of_object = |rejected: &Rejected| rejected.object == object && rejected.id.is_none();
        assert!(mapped.rejected.iter().all(of_object), "{object}");
    }
}

#[test]
fn a_time_zones_offset_is_no_change_and_a_counter_is_one() {
    let hash = |fields: &str| with::<Contact>(fields).hash;
    let summer = hash(r#""locale_utc_offset":120,"counts":{"calls":1}"#);
    assert_eq!(
        hash(r#""counts":{"calls":1},"locale_utc_offset":60"#),
        summer
    );
    assert_ne!(
        hash(r#""counts":{"calls":2},"locale_utc_offset":120"#),
        summer
    );
}
