//! Accounts and contacts.

use macro_rules_attribute::apply;
use serde_json::{Value, json};
use syncline_sim::Options;

use super::{asked, change, create, salesloft, warnings};
use crate::{
    engagement::{created, path, row},
    http::refused,
    oauth::SALESLOFT,
    support::{App, on_both_databases},
};

#[apply(on_both_databases)]
async fn an_account_is_created_and_changed_field_by_field(database: Database) {
    let app = salesloft(database).await;
    let (owner, other) = app.apollo.read(0, |team| {
        (team.user_ids()[1].clone(), team.user_ids()[2].clone())
    });
    let record = json!({"name": "Wire Works", "domain": "https://Wire.example/about",
        "owner_id": owner, "custom_fields": {"tags": ["expo"], "website": "https://wire.example"}});
    let answer = create(&app, "accounts", &record).await;
    assert!(warnings(&answer).is_empty());
    let id = created(&answer);
    let account = row(&app, "accounts", &id).await;
    assert_eq!(account["name"], "Wire Works");
    assert_eq!(account["domain"], "wire.example");
    assert_eq!(account["owner_id"], json!(owner));
    assert_eq!(account["raw_data"]["tags"], json!(["expo"]));
    assert_eq!(account["raw_data"]["website"], "https://wire.example");

    for (field, value) in [
        ("name", json!("Wire and Sons")),
        ("domain", json!("sons.example")),
        ("owner_id", json!(other)),
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
    assert_eq!(asked(&app, "PUT", "/v2/accounts"), 4);
}

#[apply(on_both_databases)]
async fn an_account_is_changed_also_where_salesloft_wants_its_name_and_domain(database: Database) {
    let mut options = Options::salesloft(30);
    options.salesloft.switches.account_updates_need_name = true;
    let app = SALESLOFT.enabled_with(database, options).await;
    SALESLOFT.import(&app).await.ok();
    app.work_off().await;
    let record = json!({"name": "Wire Works", "domain": "wire.example"});
    let id = created(&create(&app, "accounts", &record).await);
    let record = json!({"name": "Wire and Sons", "owner_id": null});
    change(&app, &format!("accounts/{id}"), &record).await.ok();
    let account = row(&app, "accounts", &id).await;
    assert_eq!(account["name"], "Wire and Sons");
    assert_eq!(account["domain"], "wire.example");
    assert_eq!(account["owner_id"], Value::Null);
}

#[apply(on_both_databases)]
async fn a_contact_is_created_with_all_that_a_person_has(database: Database) {
    let app = salesloft(database).await;
    let (account, owner) = app.apollo.read(0, |team| {
        (team.account_ids()[0].clone(), team.user_ids()[2].clone())
    });
    let fields = json!({
        "first_name": "Lin", "last_name": "Park", "job_title": "Buyer",
        "address": {"street_1": null, "street_2": null, "city": "Springfield", "state": "IL",
            "postal_code": null, "country": "United States"},
        "email_addresses": [
            {"email_address": "lin@lin.example", "email_address_type": "primary"},
            {"email_address": "home@lin.example", "email_address_type": "personal"},
            {"email_address": "plain@lin.example", "email_address_type": null}],
        "phone_numbers": [
            {"phone_number": "+12025550102", "phone_number_type": "primary"},
            {"phone_number": "+12025550103", "phone_number_type": "home"},
            {"phone_number": "+12025550101", "phone_number_type": "mobile"}],
        "account_id": account, "owner_id": owner,
    });
    let mut record = fields.clone();
    record["custom_fields"] = json!({"job_seniority": "manager"});
    let answer = create(&app, "contacts", &record).await;
    assert!(warnings(&answer).is_empty(), "{}", answer.body);
    let id = created(&answer);
    let contact = row(&app, "contacts", &id).await;
    let live = app.get(&path(&format!("contacts/{id}"))).await.ok();
    for (field, value) in fields.as_object().unwrap() {
        assert_eq!(&contact[field], value, "{field}");
        assert_eq!(&live[field], value, "{field}");
    }
    assert_eq!(contact["raw_data"]["job_seniority"], "manager");
}

/// A contact with a value in each field.
async fn full_contact(app: &App) -> String {
    let (account, owner) = app.apollo.read(0, |team| {
        (team.account_ids()[0].clone(), team.user_ids()[1].clone())
    });
    let record = json!({
        "first_name": "Full", "last_name": "Contact", "job_title": "CFO",
        "address": {"city": "Lund", "state": "Skåne", "country": "Sweden"},
        "email_addresses": [
            {"email_address": "full@contact.example", "email_address_type": "primary"},
            {"email_address": "home@contact.example", "email_address_type": "personal"}],
        "phone_numbers": [{"phone_number": "+4670001", "phone_number_type": "primary"},
            {"phone_number": "+4670002", "phone_number_type": "mobile"}],
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
    let app = salesloft(database).await;
    let id = full_contact(&app).await;
    let (account, owner) = app.apollo.read(0, |team| {
        (team.account_ids()[1].clone(), team.user_ids()[2].clone())
    });
    let address = |city: Value| {
        json!({"street_1": null, "street_2": null, "city": city, "state": null,
            "postal_code": null, "country": null})
    };
    let one = json!([{"email_address": "new@contact.example", "email_address_type": "primary"}]);
    let mobile = json!({"phone_number": "+4679", "phone_number_type": "mobile"});
    let primary = json!({"phone_number": "+4670001", "phone_number_type": "primary"});
    for (field, value, shown) in [
        ("first_name", json!("Renamed"), json!("Renamed")),
        ("last_name", json!("Person"), json!("Person")),
        ("job_title", json!("CEO"), json!("CEO")),
        ("address", json!({"city": "Malmö"}), address(json!("Malmö"))),
        ("email_addresses", one.clone(), one),
        ("phone_numbers", json!([mobile]), json!([primary, mobile])),
        ("account_id", json!(account), json!(account)),
        ("owner_id", json!(owner), json!(owner)),
        ("first_name", Value::Null, Value::Null),
        ("last_name", Value::Null, Value::Null),
        ("job_title", Value::Null, Value::Null),
        ("address", Value::Null, address(Value::Null)),
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
    // A person has to have an address, or a number and a last name.
    let record = json!({"email_addresses": []});
    let answer = change(&app, &format!("contacts/{id}"), &record).await;
    refused(&answer, 422, "UNPROCESSABLE_ENTITY_ERROR");
}

#[apply(on_both_databases)]
async fn what_a_person_has_no_place_for_is_a_warning(database: Database) {
    let app = salesloft(database).await;
    let record = json!({"first_name": "Odd",
        "address": {"street_1": "1 Alfa Street", "city": "Lund"},
        "email_addresses": [{"email_address": "1@odd.example"}, {"email_address": "2@odd.example"},
            {"email_address": "3@odd.example"}],
        "phone_numbers": [{"phone_number": "+4670008", "phone_number_type": "work"},
            {"phone_number": "+4670009", "phone_number_type": "other"}]});
    let answer = create(&app, "contacts", &record).await;
    let told = warnings(&answer);
    assert_eq!(told.len(), 3, "{told:?}");
    for word in ["street", "3@odd.example", "+4670009"] {
        assert!(told.iter().any(|it| it.contains(word)), "{told:?}");
    }
    let contact = row(&app, "contacts", &created(&answer)).await;
    let emails = json!([
        {"email_address": "1@odd.example", "email_address_type": "primary"},
        {"email_address": "2@odd.example", "email_address_type": null}]);
    assert_eq!(contact["email_addresses"], emails);
    let phone = json!([{"phone_number": "+4670008", "phone_number_type": "primary"}]);
    assert_eq!(contact["phone_numbers"], phone);
}

#[apply(on_both_databases)]
async fn what_somebody_else_has_is_refused_as_salesloft_refuses_it(database: Database) {
    let app = salesloft(database).await;
    full_contact(&app).await;
    let contact = json!({"email_addresses": [{"email_address": "full@contact.example"}]});
    let account = json!({"name": "Twin", "domain": "twin.example"});
    created(&create(&app, "accounts", &account).await);
    for (list, record, word) in [
        ("contacts", contact, "taken"),
        ("accounts", account, "taken"),
        ("accounts", json!({"name": "No domain"}), "domain"),
        ("contacts", json!({"first_name": "No address"}), "required"),
    ] {
        let answer = create(&app, list, &record).await;
        let title = refused(&answer, 422, "UNPROCESSABLE_ENTITY_ERROR");
        assert!(title.contains(word), "{title}");
    }
}
