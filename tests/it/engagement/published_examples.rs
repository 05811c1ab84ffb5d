//! The request examples of Supaglue's published engagement document, sent as they are.

use macro_rules_attribute::apply;
use serde_json::json;

use super::{created, path, row};
use crate::support::{App, on_both_databases};

#[apply(on_both_databases)]
async fn the_published_account_is_created_and_updated(database: Database) {
    let app = App::synced(database, 5).await;
    let body = json!({"record": {"id": 1234, "name": "My Company", "domain": "mycompany.com",
            "created_at": "2023-02-27T00:00:00Z"}});
    let id = created(&app.post(&path("accounts"), body.clone()).await);
    assert_eq!(row(&app, "accounts", &id).await["domain"], "mycompany.com");
    let url = path(&format!("accounts/{id}"));
    app.send(reqwest::Method::PATCH, &url, Some(body))
        .await
        .ok();
}

#[apply(on_both_databases)]
async fn the_published_contact_is_created_and_updated(database: Database) {
    let app = App::synced(database, 5).await;
    // Its address type and one key of its address are in no enum and no schema of Supaglue's.
    let body = json!({"record": {"id": 1234,
            "address": {"city": "San Francisco", "country": "USA", "street_1": "525 Brannan St",
                "street_2": null, "postalCode": "94107", "state": "CA"},
            "email_addresses": [{"email_address": "hello@supaglue.com",
                "email_address_type": "workline2"}],
            "first_name": "George", "last_name": "Xing",
            "phone_numbers": [{"phone_number": "+14151234567", "phone_number_type": "mobile"}],
            "created_at": "2023-02-27T00:00:00Z"}});
    let id = created(&app.post(&path("contacts"), body.clone()).await);
    let contact = row(&app, "contacts", &id).await;
    assert_eq!(
        contact["email_addresses"][0]["email_address"],
        "hello@supaglue.com"
    );
    assert_eq!(contact["address"]["street_1"], "525 Brannan St");
    let url = path(&format!("contacts/{id}"));
    app.send(reqwest::Method::PATCH, &url, Some(body))
        .await
        .ok();
}

#[apply(on_both_databases)]
async fn the_published_sequence_state_lacks_its_contact_and_is_refused_by_that_field(
    database: Database,
) {
    let app = App::synced(database, 5).await;
    let body = json!({"record": {"id": "355843a5-c536-4e82-b497-05160bfb7d78", "state": "active",
            "mailbox_id": "a7e860b5-cb8b-400b-812d-921fa526140c",
            "sequencestate_id": "6bdcebc2-f886-4de3-88ed-0b9eb420f7b1",
            "sequence_id": "45e07817-fd59-4ec8-a727-066d2db27c9b",
            "created_at": "2023-02-27T00:00:00Z", "updated_at": "2023-02-27T00:00:00Z"}});
    let answer = app.post(&path("sequence_states"), body).await;
    assert_eq!(
        answer.error(),
        (400, "VALIDATION_ERROR", "record.contact_id")
    );
}
