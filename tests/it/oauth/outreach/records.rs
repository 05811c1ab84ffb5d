//! Accounts and contacts.

use macro_rules_attribute::apply;
use serde_json::{Value, json};
use syncline_sim::{Action, Fault, Match};

use super::{asked, change, create, outreach, warnings};
use crate::{
    engagement::{created, path, row},
    http::refused,
    support::{App, on_both_databases},
};

#[apply(on_both_databases)]
async fn an_account_is_created_and_changed_field_by_field(database: Database) {
    let app = outreach(database).await;
    let (owner, other) = app.apollo.read(0, |team| {
        (team.user_ids()[1].clone(), team.user_ids()[2].clone())
    });
    let record = json!({"name": "Wire Works", "domain": "https://www.wire.example/about",
        "owner_id": owner, "custom_fields": {"custom3": "gold", "websiteUrl": "https://wire.example"}});
    let answer = create(&app, "accounts", &record).await;
    assert!(warnings(&answer).is_empty());
    let id = created(&answer);
    let account = row(&app, "accounts", &id).await;
    assert_eq!(account["name"], "Wire Works");
    assert_eq!(account["domain"], "wire.example");
    assert_eq!(account["owner_id"], json!(owner));
    let attributes = &account["raw_data"]["attributes"];
    assert_eq!(attributes["custom3"], "gold");
    assert_eq!(attributes["websiteUrl"], "https://wire.example");
    assert_eq!(attributes["named"], true);

    for (field, value) in [
        ("name", json!("Wire and Sons")),
        ("domain", json!("sons.example")),
        ("owner_id", json!(other)),
        ("domain", Value::Null),
        ("owner_id", Value::Null),
    ] {
        let before = row(&app, "accounts", &id).await;
        let answer = change(&app, &format!("accounts/{id}"), &json!({field: value})).await;
        assert_eq!((answer.status.as_u16(), &answer.body), (200, &json!({})));
        let after = row(&app, "accounts", &id).await;
        for name in ["name", "domain", "owner_id"] {
            let expected = if name == field { &value } else { &before[name] };
            assert_eq!(&after[name], expected, "{name} after a change of {field}");
        }
        let live = app.get(&path(&format!("accounts/{id}"))).await.ok();
        assert_eq!(live[field], value);
    }
}

#[apply(on_both_databases)]
async fn a_contact_is_created_with_all_that_a_prospect_has(database: Database) {
    let app = outreach(database).await;
    let (account, owner) = app.apollo.read(0, |team| {
        (team.account_ids()[0].clone(), team.user_ids()[2].clone())
    });
    let fields = json!({
        "first_name": "Lin", "last_name": "Park", "job_title": "Buyer",
        "address": {"street_1": "5 Main St", "street_2": "Floor 2", "city": "Springfield",
            "state": "IL", "postal_code": "62701", "country": "United States"},
        "phone_numbers": [
            {"phone_number": "+12025550101", "phone_number_type": "mobile"},
            {"phone_number": "+12025550103", "phone_number_type": "home"},
            {"phone_number": "+12025550102", "phone_number_type": "work"},
            {"phone_number": "+12025550104", "phone_number_type": "other"}],
        "account_id": account, "owner_id": owner,
    });
    let emails = json!([
        {"email_address": "work@lin.example", "email_address_type": "work"},
        {"email_address": "lin@lin.example", "email_address_type": "primary"},
        {"email_address": "home@lin.example", "email_address_type": "personal"},
        {"email_address": "plain@lin.example", "email_address_type": null}]);
    let mut record = fields.clone();
    record["email_addresses"] = emails;
    record["custom_fields"] = json!({"custom12": "x", "nickname": "Linny"});
    let answer = create(&app, "contacts", &record).await;
    assert!(warnings(&answer).is_empty(), "{}", answer.body);
    let id = created(&answer);

    let contact = row(&app, "contacts", &id).await;
    for (field, value) in fields.as_object().unwrap() {
        assert_eq!(&contact[field], value, "{field}");
    }
    let emails = json!([
        {"email_address": "lin@lin.example", "email_address_type": null},
        {"email_address": "work@lin.example", "email_address_type": "work"},
        {"email_address": "home@lin.example", "email_address_type": "personal"},
        {"email_address": "plain@lin.example", "email_address_type": null}]);
    assert_eq!(contact["email_addresses"], emails);
    let attributes = &contact["raw_data"]["attributes"];
    assert_eq!(attributes["custom12"], "x");
    assert_eq!(attributes["nickname"], "Linny");
    let live = app.get(&path(&format!("contacts/{id}"))).await.ok();
    assert_eq!(live["email_addresses"], emails);
    assert_eq!(live["phone_numbers"], contact["phone_numbers"]);
}

/// A contact with a value in each field.
async fn full_contact(app: &App) -> String {
    let (account, owner) = app.apollo.read(0, |team| {
        (team.account_ids()[0].clone(), team.user_ids()[1].clone())
    });
    let record = json!({
        "first_name": "Full", "last_name": "Contact", "job_title": "CFO",
        "address": {"street_1": "1 Alfa Street", "city": "Lund", "country": "Sweden"},
        "email_addresses": [{"email_address": "full@contact.example", "email_address_type": "work"}],
        "phone_numbers": [{"phone_number": "+4670001", "phone_number_type": "mobile"},
            {"phone_number": "+4670002", "phone_number_type": "work"}],
        "account_id": account, "owner_id": owner});
    created(&create(app, "contacts", &record).await)
}

const FIELDS: [&str; 8] = [
    "first_name",
    "last_name",
    "job_title",
    "address",
    "email_addresses",
    "phone_numbers",
    "account_id",
    "owner_id",
];

#[apply(on_both_databases)]
async fn a_contact_is_changed_field_by_field_and_keeps_the_others(database: Database) {
    let app = outreach(database).await;
    let id = full_contact(&app).await;
    let (account, owner) = app.apollo.read(0, |team| {
        (team.account_ids()[1].clone(), team.user_ids()[2].clone())
    });
    let no_address = json!({"street_1": null, "street_2": null, "city": null, "state": null,
        "postal_code": null, "country": null});
    let malmo = json!({"street_1": null, "street_2": null, "city": "Malmö", "state": null,
        "postal_code": null, "country": null});
    let two = json!([{"email_address": "new@contact.example", "email_address_type": null},
        {"email_address": "full@contact.example", "email_address_type": "work"}]);
    let mobile = json!({"phone_number": "+4679", "phone_number_type": "mobile"});
    let work = json!({"phone_number": "+4670002", "phone_number_type": "work"});
    for (field, value, shown) in [
        ("first_name", json!("Renamed"), json!("Renamed")),
        ("last_name", json!("Person"), json!("Person")),
        ("job_title", json!("CEO"), json!("CEO")),
        ("address", json!({"city": "Malmö"}), malmo),
        ("email_addresses", two.clone(), two),
        ("phone_numbers", json!([mobile]), json!([mobile, work])),
        ("account_id", json!(account), json!(account)),
        ("owner_id", json!(owner), json!(owner)),
        ("first_name", Value::Null, Value::Null),
        ("last_name", Value::Null, Value::Null),
        ("job_title", Value::Null, Value::Null),
        ("address", Value::Null, no_address),
        ("email_addresses", json!([]), json!([])),
        ("phone_numbers", json!([]), json!([])),
        ("account_id", Value::Null, Value::Null),
        ("owner_id", Value::Null, Value::Null),
    ] {
        let before = row(&app, "contacts", &id).await;
        let answer = change(&app, &format!("contacts/{id}"), &json!({field: value})).await;
        assert_eq!((answer.status.as_u16(), &answer.body), (200, &json!({})));
        let after = row(&app, "contacts", &id).await;
        for name in FIELDS {
            let expected = if name == field { &shown } else { &before[name] };
            assert_eq!(&after[name], expected, "{name} after a change of {field}");
        }
    }
}

#[apply(on_both_databases)]
async fn a_type_alone_is_changed_without_writing_the_addresses_again(database: Database) {
    let app = outreach(database).await;
    let id = full_contact(&app).await;
    app.apollo.ledger().reset();
    let emails =
        json!([{"email_address": "full@contact.example", "email_address_type": "personal"}]);
    let record = json!({ "email_addresses": emails });
    change(&app, &format!("contacts/{id}"), &record).await.ok();
    assert_eq!(row(&app, "contacts", &id).await["email_addresses"], emails);
    assert_eq!(asked(&app, "PATCH", "/api/v2/prospects"), 0);
    assert_eq!(asked(&app, "PATCH", "/api/v2/emailAddresses"), 1);
    // What is there already is not written at all.
    change(&app, &format!("contacts/{id}"), &record).await.ok();
    assert_eq!(asked(&app, "PATCH", "/api/v2/emailAddresses"), 1);
}

#[apply(on_both_databases)]
async fn what_a_prospect_has_no_place_for_is_a_warning(database: Database) {
    let app = outreach(database).await;
    let record = json!({"first_name": "Odd",
        "email_addresses": [{"email_address": "odd@contact.example", "email_address_type": "school"}],
        "phone_numbers": [{"phone_number": "+4670009", "phone_number_type": "fax"}]});
    let answer = create(&app, "contacts", &record).await;
    let told = warnings(&answer);
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told.iter().any(|it| it.contains("school")), "{told:?}");
    assert!(told.iter().any(|it| it.contains("fax")), "{told:?}");
    let contact = row(&app, "contacts", &created(&answer)).await;
    let phone = json!([{"phone_number": "+4670009", "phone_number_type": "other"}]);
    assert_eq!(contact["phone_numbers"], phone);
    let email = json!([{"email_address": "odd@contact.example", "email_address_type": null}]);
    assert_eq!(contact["email_addresses"], email);
}

#[apply(on_both_databases)]
async fn a_type_that_can_not_be_set_is_a_warning_because_the_contact_is_there(database: Database) {
    let app = outreach(database).await;
    let fault = Fault::new(Match::path("emailAddresses"), Action::server_error());
    app.apollo.faults().push(fault);
    let record = json!({"first_name": "Typed", "email_addresses":
        [{"email_address": "typed@contact.example", "email_address_type": "work"}]});
    let answer = create(&app, "contacts", &record).await;
    let told = warnings(&answer);
    assert!(told[0].contains("typed@contact.example"), "{told:?}");
    let contact = row(&app, "contacts", &created(&answer)).await;
    assert_eq!(contact["first_name"], "Typed");
}

#[apply(on_both_databases)]
async fn an_address_of_somebody_else_is_refused_as_outreach_refuses_it(database: Database) {
    let app = outreach(database).await;
    full_contact(&app).await;
    let record = json!({"email_addresses": [{"email_address": "full@contact.example"}]});
    let answer = create(&app, "contacts", &record).await;
    let title = refused(&answer, 422, "UNPROCESSABLE_ENTITY_ERROR");
    assert!(title.contains("taken"), "{title}");
}
