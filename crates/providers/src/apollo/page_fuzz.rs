//! Fuzz tests with invalid pages: random bytes, fixtures with changed bytes, and fixtures with
//! values of any type. Nothing panics, and every item of a page is either mapped or rejected.

use proptest::{collection::vec, prelude::*, sample::Index};
use serde_json::Value;
use syncline_model::{Object, Records};

use super::page_of;
use crate::{
    fuzz::{any_json, pointers},
    json,
    provider::Page,
};

const FIXTURES: [(Object, &str, &str); 5] = [
    (
        Object::User,
        "users",
        include_str!("../../fixtures/apollo/users.json"),
    ),
    (
        Object::Mailbox,
        "email_accounts",
        include_str!("../../fixtures/apollo/email_accounts.json"),
    ),
    (
        Object::Sequence,
        "emailer_campaigns",
        include_str!("../../fixtures/apollo/emailer_campaigns.json"),
    ),
    (
        Object::Account,
        "accounts",
        include_str!("../../fixtures/apollo/accounts.json"),
    ),
    (
        Object::Contact,
        "contacts",
        include_str!("../../fixtures/apollo/contacts.json"),
    ),
];

fn read(body: &[u8], object: Object, array: &'static str) -> Option<Page> {
    let text = json::clean(body);
    page_of(&text, object, array, (1, 100)).ok()
}

/// What the tables accept, and what coverage relies on.
fn check(page: &Page, object: Object) -> Result<(), TestCaseError> {
    let scanned = page.records.scanned();
    let rejected = page
        .rejected
        .iter()
        .filter(|it| it.object == object)
        .count();
    prop_assert_eq!(
        scanned.len() + rejected,
        usize::try_from(page.returned).unwrap()
    );
    for (id, _) in scanned {
        prop_assert!(!id.is_empty() && !id.contains('\0'));
    }
    if let Records::Contacts { contacts, states } = &page.records {
        for raw in contacts
            .iter()
            .map(|it| &it.raw)
            .chain(states.iter().map(|it| &it.raw))
        {
            prop_assert!(serde_json::from_str::<Value>(raw.get()).is_ok());
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn bytes_at_random_are_no_page_or_a_whole_one(body in vec(any::<u8>(), 0..200)) {
        for (object, array, _) in FIXTURES {
            if let Some(page) = read(&body, object, array) {
                check(&page, object)?;
            }
        }
    }

    #[test]
    fn a_page_with_bytes_changed_is_refused_or_read_whole(
        which in any::<Index>(),
        changes in vec((any::<Index>(), any::<u8>(), 0..3_u8), 1..6),
    ) {
        let (object, array, fixture) = FIXTURES[which.index(FIXTURES.len())];
        let mut body = fixture.as_bytes().to_vec();
        for (at, byte, how) in changes {
            let at = at.index(body.len());
            match how {
                0 => body[at] = byte,
                1 => body.insert(at, byte),
                _ => body.truncate(at.max(1)),
            }
        }
        if let Some(page) = read(&body, object, array) {
            check(&page, object)?;
        }
    }

    #[test]
    fn a_field_may_have_any_value_and_every_item_is_accounted_for(
        which in any::<Index>(),
        changes in vec((any::<Index>(), any_json()), 1..4),
    ) {
        let (object, array, fixture) = FIXTURES[which.index(FIXTURES.len())];
        let mut page: Value = serde_json::from_str(fixture).unwrap();
        for (at, value) in changes {
            let mut found = Vec::new();
            pointers(&page, "", &mut found);
            *page.pointer_mut(&found[at.index(found.len())]).unwrap() = value;
        }
        let items = page[array].as_array().map(Vec::len);
        let read = read(page.to_string().as_bytes(), object, array);
        match (read, items) {
            (Some(page), Some(items)) => {
                prop_assert_eq!(page.returned, i64::try_from(items).unwrap());
                check(&page, object)?;
            }
            (None, None) => {}
            (read, _) => prop_assert!(false, "{page}: {read:?}"),
        }
    }

    #[test]
    fn what_is_cleaned_is_text_that_a_database_takes(body in vec(any::<u8>(), 0..64)) {
        let text = json::clean(&body);
        prop_assert!(!text.contains('\0'));
        if let Ok(value) = serde_json::from_str::<Value>(&text) {
            prop_assert!(!value.to_string().contains("\\u0000"));
        }
    }
}
