//! Fuzz tests with invalid pages: random bytes, and pages with changed bytes or with values of any type.
//! Nothing panics, and every item of a page is either mapped or rejected.

use proptest::{collection::vec, prelude::*, sample::Index};
use serde_json::{Value, json};
use syncline_model::Object;

use super::page_of;
use crate::{
    fuzz::{any_json, pointers},
    json,
    provider::Page,
};

/// Its records have what each of the objects has.
fn fixture() -> Value {
    let record = |id: Value| {
        json!({
            "type": "any",
            "id": id,
            "attributes": {
                "createdAt": "2026-03-02T09:14:05.000Z",
                "updatedAt": "2026-05-01T07:00:11.000Z",
                "trashedAt": null,
                "firstName": "Tove",
                "email": "tove@nordvik.example",
                "emails": ["tove@nordvik.example"],
                "emailContacts": [{"email": "tove@nordvik.example", "email_type": "work",
                    "order": 0, "bounced_at": "2026-04-01T00:00:00.000Z"}],
                "mobilePhones": ["+46700000001"],
                "domain": "nordvik.example",
                "userId": 7,
                "locked": false,
                "enabled": true,
                "shareType": "shared",
                "tags": ["expo"],
                "sequenceStepCount": 3,
                "openCount": 2,
                "state": "active",
            },
            "relationships": {
                "owner": {"data": {"type": "user", "id": 7}},
                "user": {"data": null},
                "creator": {"data": {"type": "user", "id": "8"}},
                "tasks": {"links": {"related": "https://api.outreach.io/api/v2/tasks"}},
            },
            "links": {"self": "https://api.outreach.io/api/v2/any/81"},
        })
    };
    json!({
        "data": [record(json!(81)), record(json!("82"))],
        "meta": {"count": 4, "count_truncated": false},
        "links": {"next": "https://api.outreach.io/api/v2/any?page%5Bafter%5D=YQ%3D%3D"},
    })
}

fn read(body: &[u8], object: Object) -> Option<Page> {
    let text = json::clean(body);
    page_of(&text, object, (None, 100)).ok()
}

/// What the tables accept, and what coverage relies on.
fn check(page: &Page) -> Result<(), TestCaseError> {
    let scanned = page.records.scanned();
    let accounted = scanned.len() + page.rejected.len();
    prop_assert_eq!(accounted, usize::try_from(page.returned).unwrap());
    for (id, _) in scanned {
        prop_assert!(!id.is_empty() && !id.contains('\0'));
    }
    prop_assert!(page.reported_total.is_none_or(|total| total >= 0));
    let token = page.next.as_ref().map(|next| next.token.as_deref());
    prop_assert!(token.is_none_or(|token| token.is_some_and(|token| !token.is_empty())));
    Ok(())
}

fn any_object() -> impl Strategy<Value = Object> {
    proptest::sample::select(Object::ALL)
}

proptest! {
    #[test]
    fn bytes_at_random_are_no_page_or_a_whole_one(
        object in any_object(),
        body in vec(any::<u8>(), 0..200),
    ) {
        if let Some(page) = read(&body, object) {
            check(&page)?;
        }
    }

    #[test]
    fn a_page_with_bytes_changed_is_refused_or_read_whole(
        object in any_object(),
        changes in vec((any::<Index>(), any::<u8>(), 0..3_u8), 1..6),
    ) {
        let mut body = fixture().to_string().into_bytes();
        for (at, byte, how) in changes {
            let at = at.index(body.len());
            match how {
                0 => body[at] = byte,
                1 => body.insert(at, byte),
                _ => body.truncate(at.max(1)),
            }
        }
        if let Some(page) = read(&body, object) {
            check(&page)?;
        }
    }

    #[test]
    fn around_the_records_may_be_any_value(
        object in any_object(),
        at in any::<Index>(),
        value in any_json(),
    ) {
        let mut page = fixture();
        let parts = ["/data", "/meta", "/meta/count", "/links", "/links/next"];
        *page.pointer_mut(parts[at.index(parts.len())]).unwrap() = value;
        if let Some(page) = read(page.to_string().as_bytes(), object) {
            check(&page)?;
        }
    }

    #[test]
    fn a_field_may_have_any_value_and_every_item_is_accounted_for(
        object in any_object(),
        changes in vec((any::<Index>(), any_json()), 1..4),
    ) {
        let mut page = fixture();
        let records = &mut page["data"];
        for (at, value) in changes {
            let mut found = Vec::new();
            pointers(records, "", &mut found);
            *records.pointer_mut(&found[at.index(found.len())]).unwrap() = value;
        }
        let read = read(page.to_string().as_bytes(), object);
        let read = read.ok_or_else(|| TestCaseError::fail(page.to_string()))?;
        prop_assert_eq!(read.returned, 2);
        check(&read)?;
    }
}
