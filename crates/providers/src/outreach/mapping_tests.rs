//! What Outreach's records become, in every odd form that they come in.

use serde_json::{Value, json, value::to_raw_value};
use syncline_model::{Contact, Sequence, ShareType, time};

use super::*;

fn page(object: Object, records: &[Value]) -> (Records, Vec<Rejected>) {
    let raws: Vec<_> = records.iter().map(|it| to_raw_value(it).unwrap()).collect();
    let raws: Vec<&RawValue> = raws.iter().map(|raw| &**raw).collect();
    map_page(object, &raws)
}

fn one<T: syncline_model::Common>(record: Value) -> Record<T> {
    let (records, rejected) = page(T::OBJECT, &[record]);
    assert_eq!(rejected, []);
    T::of(records).remove(0)
}

fn with_attributes(attributes: &Value) -> Value {
    json!({"type": "any", "id": 81, "attributes": attributes, "relationships": {}})
}

fn contact(attributes: &Value) -> Record<Contact> {
    one(with_attributes(attributes))
}

fn emails(contact: &Record<Contact>) -> Vec<(&str, Option<&str>)> {
    let emails = contact.fields.email_addresses.iter();
    emails
        .map(|it| (it.email_address.as_str(), it.email_address_type.as_deref()))
        .collect()
}

fn to(kind: &str, id: impl Into<Value>) -> Value {
    let id: Value = id.into();
    json!({"data": {"type": kind, "id": id}})
}

fn prospect() -> Value {
    json!({
        "type": "prospect",
        "id": 81,
        "attributes": {
            "addressCity": "Lund",
            "addressCountry": "Sweden",
            "addressState": null,
            "addressStreet": "1 Alfa Street",
            "addressStreet2": "Door B",
            "addressZip": "22100",
            "clickCount": 1,
            "openCount": 2,
            "replyCount": 3,
            "createdAt": "2026-03-02T09:14:05.000Z",
            "updatedAt": "2026-05-01T07:00:11.000Z",
            "emailContacts": [
                {"id": 502, "email": "t@home.example", "email_type": "personal", "order": 1,
                 "bounced_at": "2026-04-01T00:00:00.000Z"},
                {"id": 501, "email": " tove@nordvik.example ", "email_type": "work", "order": 0,
                 "bounced_at": null},
            ],
            "emails": ["tove@nordvik.example", "t@home.example"],
            "firstName": "Tove",
            "lastName": "Ask",
            "title": "CFO",
            "mobilePhones": ["+46700000001", "+46700000002"],
            "homePhones": [],
            "workPhones": ["+46700000003"],
            "otherPhones": null,
            "voipPhones": [" ", "+46700000004"],
            "trashedAt": null,
        },
        "relationships": {
            "account": to("account", 12),
            "owner": to("user", "7"),
            "tasks": {"links": {"related": "https://api.outreach.io/api/v2/tasks"}},
        },
        "links": {"self": "https://api.outreach.io/api/v2/prospects/81"},
    })
}

#[test]
fn a_prospect_becomes_a_contact() {
    let contact: Record<Contact> = one(prospect());
    assert_eq!(contact.id, "81");
    assert_eq!(
        time::format(contact.created_at.unwrap()),
        "2026-03-02T09:14:05.000Z"
    );
    assert_eq!(
        time::format(contact.updated_at.unwrap()),
        "2026-05-01T07:00:11.000Z"
    );
    assert!(!contact.is_deleted);
    assert_eq!(contact.unread, [""; 0]);
    let addresses = [
        ("tove@nordvik.example", Some("work")),
        ("t@home.example", Some("personal")),
    ];
    assert_eq!(emails(&contact), addresses);
    let fields = &contact.fields;
    let told = [&fields.first_name, &fields.last_name, &fields.job_title];
    let told = told.map(|text| text.as_deref().unwrap());
    assert_eq!(told, ["Tove", "Ask", "CFO"]);
    assert_eq!(fields.owner_id.as_deref(), Some("7"));
    assert_eq!(fields.account_id.as_deref(), Some("12"));
    let counts = (fields.open_count, fields.click_count, fields.reply_count);
    assert_eq!((counts, fields.bounced_count), ((2, 1, 3), 1));
    let phones = fields.phone_numbers.iter();
    let phones: Vec<(&str, &str)> = phones
        .map(|it| {
            (
                it.phone_number.as_deref().unwrap(),
                it.phone_number_type.as_deref().unwrap(),
            )
        })
        .collect();
    let expected = [
        ("+46700000001", "mobile"),
        ("+46700000002", "mobile"),
        ("+46700000003", "work"),
        ("+46700000004", "other"),
    ];
    assert_eq!(phones, expected);
    let address = fields.address.as_ref().unwrap();
    assert_eq!(address.street_1.as_deref(), Some("1 Alfa Street"));
    assert_eq!(address.street_2.as_deref(), Some("Door B"));
    assert_eq!(address.postal_code.as_deref(), Some("22100"));
    assert_eq!(address.country.as_deref(), Some("Sweden"));
    assert_eq!(
        (address.city.as_deref(), &address.state),
        (Some("Lund"), &None)
    );
}

#[test]
fn addresses_without_details_have_no_type() {
    for contacts in [
        json!(null),
        json!([]),
        json!([{"email": null}, {"email": " "}]),
    ] {
        let contact = contact(&json!({
            "emailContacts": contacts,
            "emails": ["one@a.example", " two@a.example", "", "three@a.example"],
        }));
        let expected = ["one@a.example", "two@a.example", "three@a.example"];
        assert_eq!(emails(&contact), expected.map(|email| (email, None)));
        assert_eq!(contact.fields.bounced_count, 0);
        assert_eq!(contact.unread, [""; 0]);
    }
}

#[test]
fn addresses_come_in_their_order_and_unknown_types_are_none() {
    let contact = contact(&json!({"emailContacts": [
        {"email": "d@a.example"},
        {"email": "c@a.example", "order": 2, "email_type": "other"},
        {"email": "a@a.example", "order": "0", "email_type": "work"},
        {"email": "b@a.example", "order": 1, "email_type": ""},
    ]}));
    let expected = [
        ("a@a.example", Some("work")),
        ("b@a.example", None),
        ("c@a.example", None),
        ("d@a.example", None),
    ];
    assert_eq!(emails(&contact), expected);
}

#[test]
fn a_trashed_record_is_deleted() {
    let trashed = json!({"trashedAt": "2026-03-02T09:14:05.000Z"});
    assert!(contact(&trashed).is_deleted);
    assert!(one::<Account>(with_attributes(&trashed)).is_deleted);
    let unread = contact(&json!({"trashedAt": "soon"}));
    assert!(!unread.is_deleted);
    assert_eq!(unread.unread, ["attributes.trashedAt"]);
}

#[test]
fn a_record_with_nothing_but_an_id_is_one() {
    for record in [
        json!({"id": 81}),
        json!({"id": "81", "attributes": null, "relationships": null}),
        json!({"id": 81, "attributes": {}, "relationships": {"owner": {"links": {}}}}),
        json!({"id": 81, "relationships": {"owner": null, "account": {"data": null}}}),
    ] {
        for object in Object::ALL {
            let (records, rejected) = page(*object, std::slice::from_ref(&record));
            assert_eq!(rejected, []);
            assert_eq!(records.scanned(), [("81", None)], "{object}");
        }
        let contact: Record<Contact> = one(record.clone());
        assert_eq!(contact.unread, [""; 0], "{record}");
        assert_eq!(
            (contact.fields.owner_id, contact.fields.account_id),
            (None, None)
        );
        let sequence: Record<Sequence> = one(record);
        assert_eq!((sequence.fields.name, sequence.fields.num_steps), (None, 0));
        assert_eq!(sequence.fields.metrics.len(), 12);
    }
}

#[test]
fn what_can_not_be_read_is_null_and_named() {
    let contact: Record<Contact> = one(json!({
        "id": 81,
        "attributes": {
            "createdAt": "yesterday",
            "firstName": {"value": "Tove"},
            "lastName": "Ask",
            "openCount": "often",
            "mobilePhones": ["+46700000001", {}],
            "workPhones": "none",
            "emailContacts": [7, {"email": [], "order": 0}, {"email": "t@a.example", "order": "x"}],
        },
        "relationships": {"owner": [], "account": {"data": [{"id": 1}]}},
    }));
    let mut unread = contact.unread;
    unread.sort_unstable();
    let expected = [
        "attributes.createdAt",
        "attributes.emailContacts[]",
        "attributes.emailContacts[].email",
        "attributes.emailContacts[].order",
        "attributes.firstName",
        "attributes.mobilePhones[]",
        "attributes.openCount",
        "attributes.workPhones",
        "relationships.account.data",
        "relationships.owner",
    ];
    assert_eq!(unread, expected);
    let fields = contact.fields;
    assert_eq!(
        (fields.first_name, fields.last_name.as_deref()),
        (None, Some("Ask"))
    );
    assert_eq!(
        (fields.phone_numbers.len(), fields.email_addresses.len()),
        (1, 1)
    );
}

#[test]
fn parts_that_are_no_objects_are_named() {
    let user: Record<User> = one(json!({"id": 7, "attributes": "none", "relationships": 3}));
    assert_eq!(user.unread, ["attributes", "relationships"]);
    assert_eq!(user.fields, User::default());
}

#[test]
fn a_user_may_be_locked() {
    let user: Record<User> = one(with_attributes(&json!({
        "email": "mira@example.com ", "firstName": "Mira", "lastName": null, "locked": true,
    })));
    assert_eq!(user.fields.email.as_deref(), Some("mira@example.com"));
    assert_eq!(user.fields.first_name.as_deref(), Some("Mira"));
    assert_eq!(
        (user.fields.last_name, user.fields.is_locked),
        (None, Some(true))
    );
    assert!(!user.is_deleted);
}

#[test]
fn a_mailbox_belongs_to_a_user() {
    let mailbox = |relationships: Value| -> Record<Mailbox> {
        one(json!({
            "id": 31,
            "attributes": {"email": "mira@example.com", "userId": 8, "sendDisabled": false},
            "relationships": relationships,
        }))
    };
    let related = mailbox(json!({"user": to("user", 7)})).fields;
    assert_eq!(related.user_id.as_deref(), Some("7"));
    assert_eq!(related.is_disabled, Some(false));
    let by_attribute = mailbox(json!({"user": {"data": null}})).fields;
    assert_eq!(by_attribute.user_id.as_deref(), Some("8"));
}

#[test]
fn an_accounts_domain_is_a_bare_host() {
    let account: Record<Account> = one(json!({
        "id": 12,
        "attributes": {"name": "Nordvik AB", "domain": "https://www.nordvik.example/se"},
        "relationships": {"owner": to("user", 7)},
    }));
    assert_eq!(account.fields.name.as_deref(), Some("Nordvik AB"));
    assert_eq!(account.fields.domain.as_deref(), Some("nordvik.example"));
    assert_eq!(account.fields.owner_id.as_deref(), Some("7"));
}

#[test]
fn a_state_is_its_users_or_else_its_creators() {
    let state = |relationships: Value| -> SequenceState {
        let attributes = json!({"state": "active"});
        one(json!({"id": 9001, "attributes": attributes, "relationships": relationships})).fields
    };
    let both = state(json!({
        "user": to("user", 7),
        "creator": to("user", 8),
        "prospect": to("prospect", 81),
        "sequence": to("sequence", 44),
        "mailbox": to("mailbox", 31),
    }));
    let some = |text: &str| Some(text.to_owned());
    let expected = SequenceState {
        state: some("active"),
        contact_id: some("81"),
        mailbox_id: some("31"),
        user_id: some("7"),
        sequence_id: some("44"),
    };
    assert_eq!(both, expected);
    let created = state(json!({"user": {"data": null}, "creator": to("user", 8)}));
    assert_eq!(created.user_id.as_deref(), Some("8"));
    assert_eq!(state(json!({})).user_id, None);
}

#[test]
fn a_locked_sequence_is_archived() {
    let sequence: Record<Sequence> = one(json!({
        "id": 44,
        "attributes": {
            "name": "Spring", "enabled": true, "locked": true, "shareType": "private",
            "sequenceStepCount": 3, "tags": ["expo", 7, null], "openCount": 5, "replyCount": "6",
            "failureCount": "none", "bounceCount": 9, "clickCount": null,
        },
        "relationships": {"owner": to("user", 7)},
    }));
    let fields = &sequence.fields;
    assert_eq!((fields.is_archived, sequence.is_deleted), (true, false));
    assert_eq!((fields.is_enabled, fields.num_steps), (true, 3));
    assert_eq!(fields.share_type, ShareType::Private);
    assert_eq!(fields.tags, ["expo", "7"]);
    let metrics = serde_json::to_value(&fields.metrics).unwrap();
    assert_eq!(
        (&metrics["openCount"], &metrics["replyCount"]),
        (&json!(5), &json!(6))
    );
    assert_eq!(
        (&metrics["clickCount"], &metrics["scheduleCount"]),
        (&json!(0), &json!(0))
    );
    assert_eq!(
        (metrics.get("failureCount"), metrics.get("bounceCount")),
        (None, None)
    );
    assert_eq!(
        sequence.unread,
        ["attributes.tags[]", "attributes.failureCount"]
    );
    for shared in [json!("shared"), json!("read_only"), json!(null)] {
        let sequence: Record<Sequence> = one(with_attributes(&json!({"shareType": shared})));
        assert_eq!(sequence.fields.share_type, ShareType::Team);
    }
}

#[test]
fn a_record_is_unchanged_whatever_its_address_is() {
    let hash = |record: Value| one::<Contact>(record).hash;
    let known = hash(prospect());
    let mut moved = prospect();
    moved["links"]["self"] = json!("https://app2.outreach.test/prospects/81");
    assert_eq!(hash(moved), known);
    for part in ["attributes", "relationships"] {
        let mut changed = prospect();
        changed[part]["custom1"] = json!("new");
        assert_ne!(hash(changed), known, "{part}");
    }
    let mut trashed = prospect();
    trashed["attributes"]["trashedAt"] = json!("2026-06-01T00:00:00.000Z");
    assert_ne!(hash(trashed), known);
}
