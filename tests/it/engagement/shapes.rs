//! Every field has the type that Supaglue's published engagement document gives it.

use macro_rules_attribute::apply;
use serde_json::{Value, json};

use super::LISTS;
use crate::support::{App, on_both_databases};

#[apply(on_both_databases)]
async fn every_list_and_get_has_the_published_shape(database: Database) {
    let app = App::synced(database, 120).await;
    let envelope = json!({
        "pagination*": {"next*": "?string", "previous*": "?string", "total_count": "number"},
        "records*": ["any"],
    });
    for (list, object) in LISTS {
        let shape = published(object);
        let page = app
            .get(&format!(
                "/engagement/v2/{list}?read_from_cache=true&include_raw_data=true&page_size=1000"
            ))
            .await
            .ok();
        check(&page, &envelope, list);
        let records = page["records"].as_array().unwrap();
        assert!(!records.is_empty(), "{list}");
        for record in records {
            check(record, &shape, object);
            times(record);
        }
        let path = format!(
            "/engagement/v2/{list}/{}?read_from_cache=true",
            records[0]["id"].as_str().unwrap()
        );
        check(&app.get(&path).await.ok(), &shape, object);
    }
}

/// The published schema of an object. `*`: required; `?`: may be null; `a|b`: one of these words.
fn published(object: &str) -> Value {
    let own = match object {
        "account" => json!({
            "owner_id*": "?string", "name*": "?string", "domain*": "?string",
        }),
        "contact" => json!({
            "owner_id*": "?string", "account_id": "?string", "first_name*": "?string",
            "last_name*": "?string", "job_title*": "?string",
            "address*": {
                "?": true, "city*": "?string", "country*": "?string", "postal_code*": "?string",
                "state*": "?string", "street_1*": "?string", "street_2*": "?string",
            },
            "email_addresses*": [{
                "email_address*": "string", "email_address_type*": "?primary|personal|work",
            }],
            "phone_numbers*": [{
                "phone_number*": "?string",
                "phone_number_type*": "?primary|work|home|mobile|other",
            }],
            "open_count*": "number", "click_count*": "number", "reply_count*": "number",
            "bounced_count*": "number",
        }),
        "user" => json!({
            "first_name*": "?string", "last_name*": "?string", "email*": "?string",
            "is_locked": "?boolean",
        }),
        "mailbox" => json!({
            "email*": "?string", "user_id*": "?string", "is_disabled": "?boolean",
        }),
        "sequence" => json!({
            "owner_id": "?string", "is_enabled*": "boolean", "name*": "?string",
            "tags*": ["string"], "num_steps*": "number", "metrics*": "object",
            "is_archived": "boolean", "share_type": "team|private",
        }),
        "sequence_state" => json!({
            "state*": "?string", "contact_id*": "?string", "mailbox_id*": "?string",
            "user_id*": "?string", "sequence_id*": "?string",
        }),
        other => panic!("no shape of {other}"),
    };
    let mut shape = json!({
        "id*": "string", "created_at*": "?string", "updated_at*": "?string",
        "is_deleted*": "boolean", "last_modified_at*": "string", "raw_data": "object",
    });
    shape
        .as_object_mut()
        .unwrap()
        .extend(own.as_object().unwrap().clone());
    shape
}

/// Fails where the value doesn't have this shape. Fields that the shape doesn't name are allowed.
fn check(value: &Value, shape: &Value, at: &str) {
    match shape {
        Value::Object(fields) => {
            if value.is_null() && fields.contains_key("?") {
                return;
            }
            assert!(value.is_object(), "{at} is {value}");
            for (name, shape) in fields.iter().filter(|(name, _)| *name != "?") {
                let field = name.trim_end_matches('*');
                match value.get(field) {
                    Some(value) => check(value, shape, &format!("{at}.{field}")),
                    None => assert!(!name.ends_with('*'), "{at}.{field} is missing"),
                }
            }
        }
        Value::Array(items) => {
            let values = value
                .as_array()
                .unwrap_or_else(|| panic!("{at} is {value}"));
            for value in values {
                check(value, &items[0], &format!("{at}[]"));
            }
        }
        Value::String(kind) => {
            if value.is_null() && kind.starts_with('?') {
                return;
            }
            let fits = match kind.trim_start_matches('?') {
                "any" => true,
                "string" => value.is_string(),
                "number" => value.is_number(),
                "boolean" => value.is_boolean(),
                "object" => value.is_object(),
                words => words
                    .split('|')
                    .any(|word| value.as_str().is_some_and(|value| value == word)),
            };
            assert!(fits, "{at} is {value}, not {kind}");
        }
        other => panic!("not a shape: {other}"),
    }
}

/// Times are RFC 3339, in UTC, with milliseconds.
fn times(record: &Value) {
    for field in ["created_at", "updated_at", "deleted_at", "last_modified_at"] {
        if let Some(text) = record[field].as_str() {
            let time = chrono::DateTime::parse_from_rfc3339(text).unwrap().to_utc();
            let shown = time.to_rfc3339_opts(chrono::SecondsFormat::Millis, true);
            assert_eq!(text, shown, "{field}");
        }
    }
}
