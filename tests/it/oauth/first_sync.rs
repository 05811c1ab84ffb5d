//! The first full sync of Outreach and Salesloft, compared with the simulated provider's own records,
//! row by row and field by field; and the second, which writes what has changed.

use chrono::TimeDelta;
use macro_rules_attribute::apply;
use serde_json::{Map, Value, json};
use syncline_sim::Team;

use super::{OUTREACH, SALESLOFT, at_both_providers};
use crate::support::{App, by_id, compare, id_of, on_both_databases, stamps, time};

/// The rows of a list are these records of the provider.
async fn lands(
    app: &App,
    list: &str,
    read: impl FnOnce(&Team) -> Vec<Value>,
    expected: impl Fn(&Value) -> Value,
) {
    let raw = "include_raw_data=true&include_deleted_data=true";
    let rows = by_id(app.all_records(&format!("{list}?{raw}")).await);
    let truth = app.apollo.read(0, read);
    assert!(!truth.is_empty(), "{list}");
    compare(&rows, &truth, expected);
}

fn states(team: &Team) -> Vec<Value> {
    team.states().into_iter().map(|(_, state)| state).collect()
}

/// Fields that have the same value under another name.
fn fields(record: &Value, pairs: &[(&str, &str)]) -> Map<String, Value> {
    let pair = |(ours, theirs): &(&str, &str)| ((*ours).to_owned(), record[*theirs].clone());
    pairs.iter().map(pair).collect()
}

/// What a provider says of each address or number, in our order of them.
fn typed(what: &str, values: &[(&Value, Value)]) -> Value {
    let known = values.iter().filter(|(value, _)| value.is_string());
    known
        .map(|(value, kind)| json!({what: value, format!("{what}_type"): kind}))
        .collect()
}

/// The id that a relationship of Outreach's leads to.
fn related(record: &Value, name: &str) -> Value {
    id_of(&record["relationships"][name]["data"])
}

fn of_outreach(record: &Value, pairs: &[(&str, &str)]) -> Value {
    let attributes = &record["attributes"];
    let mut expected = fields(attributes, pairs);
    expected.insert("created_at".to_owned(), time(&attributes["createdAt"]));
    expected.insert("updated_at".to_owned(), time(&attributes["updatedAt"]));
    expected.insert("is_deleted".to_owned(), json!(false));
    for owner in ["owner", "account"] {
        if record["relationships"].get(owner).is_some() {
            expected.insert(format!("{owner}_id"), related(record, owner));
        }
    }
    Value::Object(expected)
}

#[apply(on_both_databases)]
async fn every_object_of_outreach_lands_field_by_field(database: Database) {
    let app = OUTREACH.connected(database, 230).await;
    app.work_off().await;
    lands(&app, "users", Team::users, |user| {
        let pairs = [
            ("first_name", "firstName"),
            ("last_name", "lastName"),
            ("email", "email"),
            ("is_locked", "locked"),
        ];
        of_outreach(user, &pairs)
    })
    .await;
    lands(&app, "mailboxes", Team::mailboxes, |mailbox| {
        let pairs = [("email", "email"), ("is_disabled", "sendDisabled")];
        let mut expected = of_outreach(mailbox, &pairs);
        expected["user_id"] = related(mailbox, "user");
        expected
    })
    .await;
    lands(&app, "sequences", Team::sequences, |sequence| {
        let pairs = [
            ("name", "name"),
            ("tags", "tags"),
            ("is_enabled", "enabled"),
            ("is_archived", "locked"),
            ("num_steps", "sequenceStepCount"),
        ];
        let mut expected = of_outreach(sequence, &pairs);
        let is_private = sequence["attributes"]["shareType"] == "private";
        expected["share_type"] = json!(if is_private { "private" } else { "team" });
        expected
    })
    .await;
    lands(&app, "accounts", Team::accounts, |account| {
        of_outreach(account, &[("name", "name"), ("domain", "domain")])
    })
    .await;
    lands(&app, "contacts", Team::contacts, prospect).await;
    lands(&app, "sequence_states", states, |state| {
        let mut expected = of_outreach(state, &[("state", "state")]);
        expected.as_object_mut().unwrap().remove("account_id");
        for (ours, theirs) in [
            ("contact_id", "prospect"),
            ("sequence_id", "sequence"),
            ("mailbox_id", "mailbox"),
            ("user_id", "user"),
        ] {
            expected[ours] = related(state, theirs);
        }
        expected
    })
    .await;
}

fn prospect(prospect: &Value) -> Value {
    let pairs = [
        ("first_name", "firstName"),
        ("last_name", "lastName"),
        ("job_title", "title"),
        ("open_count", "openCount"),
        ("click_count", "clickCount"),
        ("reply_count", "replyCount"),
    ];
    let mut expected = of_outreach(prospect, &pairs);
    let attributes = &prospect["attributes"];
    let address = [
        ("street_1", "addressStreet"),
        ("street_2", "addressStreet2"),
        ("city", "addressCity"),
        ("state", "addressState"),
        ("postal_code", "addressZip"),
        ("country", "addressCountry"),
    ];
    expected["address"] = Value::Object(fields(attributes, &address));
    let emails = attributes["emailContacts"].as_array().unwrap();
    let emails: Vec<_> = emails
        .iter()
        .map(|it| (&it["email"], it["email_type"].clone()))
        .collect();
    expected["email_addresses"] = typed("email_address", &emails);
    let kinds = ["mobile", "home", "work", "other"];
    let numbers = kinds.iter().flat_map(|kind| {
        let numbers = attributes[format!("{kind}Phones")].as_array().unwrap();
        numbers.iter().map(move |number| (number, json!(kind)))
    });
    expected["phone_numbers"] = typed("phone_number", &numbers.collect::<Vec<_>>());
    expected
}

fn of_salesloft(record: &Value, pairs: &[(&str, &str)]) -> Value {
    let mut expected = fields(record, pairs);
    expected.insert("created_at".to_owned(), time(&record["created_at"]));
    expected.insert("updated_at".to_owned(), time(&record["updated_at"]));
    expected.insert("is_deleted".to_owned(), json!(false));
    for owner in ["owner", "account"] {
        if record.get(owner).is_some() {
            expected.insert(format!("{owner}_id"), id_of(&record[owner]));
        }
    }
    Value::Object(expected)
}

#[apply(on_both_databases)]
async fn every_object_of_salesloft_lands_field_by_field(database: Database) {
    let app = SALESLOFT.connected(database, 230).await;
    app.work_off().await;
    let names = [("first_name", "first_name"), ("last_name", "last_name")];
    lands(&app, "users", Team::users, |user| {
        let mut expected = of_salesloft(user, &names);
        expected["email"] = user["email"].clone();
        expected["is_locked"] = json!(user["active"] == false);
        expected
    })
    .await;
    let steps = |id: &str| app.apollo.read(0, |team| team.step_ids_of(id).len());
    lands(&app, "sequences", Team::sequences, |cadence| {
        let pairs = [
            ("name", "name"),
            ("tags", "tags"),
            ("is_archived", "archived"),
        ];
        let mut expected = of_salesloft(cadence, &pairs);
        let is_on = cadence["draft"] == false && cadence["archived"] == false;
        expected["is_enabled"] = json!(is_on);
        let is_teams = cadence["shared"] == true || cadence["team_cadence"] == true;
        expected["share_type"] = json!(if is_teams { "team" } else { "private" });
        expected["num_steps"] = json!(steps(id_of(cadence).as_str().unwrap()));
        expected
    })
    .await;
    lands(&app, "accounts", Team::accounts, |account| {
        of_salesloft(account, &[("name", "name"), ("domain", "domain")])
    })
    .await;
    lands(&app, "contacts", Team::contacts, person).await;
    lands(&app, "sequence_states", states, |membership| {
        let mut expected = of_salesloft(membership, &[("state", "current_state")]);
        for (ours, theirs) in [
            ("contact_id", "person"),
            ("sequence_id", "cadence"),
            ("user_id", "user"),
        ] {
            expected[ours] = id_of(&membership[theirs]);
        }
        expected["mailbox_id"] = Value::Null;
        expected
    })
    .await;
}

fn person(person: &Value) -> Value {
    let pairs = [
        ("first_name", "first_name"),
        ("last_name", "last_name"),
        ("job_title", "title"),
    ];
    let mut expected = of_salesloft(person, &pairs);
    expected["address"] = json!({
        "street_1": null, "street_2": null, "postal_code": null,
        "city": person["city"], "state": person["state"], "country": person["country"],
    });
    let emails = [
        (&person["email_address"], json!("primary")),
        (&person["personal_email_address"], json!("personal")),
        (&person["secondary_email_address"], Value::Null),
    ];
    expected["email_addresses"] = typed("email_address", &emails);
    let numbers = [
        (&person["phone"], json!("primary")),
        (&person["home_phone"], json!("home")),
        (&person["mobile_phone"], json!("mobile")),
    ];
    expected["phone_numbers"] = typed("phone_number", &numbers);
    for (ours, theirs) in [
        ("open_count", "emails_viewed"),
        ("click_count", "emails_clicked"),
        ("reply_count", "emails_replied_to"),
        ("bounced_count", "emails_bounced"),
    ] {
        expected[ours] = person["counts"][theirs].clone();
    }
    expected
}

#[apply(at_both_providers)]
async fn the_second_sync_writes_what_has_changed_and_nothing_else(
    provider: Provider,
    database: Database,
) {
    let app = provider.connected(database, 120).await;
    app.work_off().await;
    let lists = provider.lists();
    let before = stamps(&app, &lists).await;
    app.after(TimeDelta::hours(1)).await;
    assert_eq!(stamps(&app, &lists).await, before, "nothing has changed");

    let now = app.now();
    let id = app.apollo.edit(0, |team| {
        let id = team.contact_ids().swap_remove(7);
        let title = json!({"title": "Chief Tea Officer"});
        team.update_contact(now, &id, &title).unwrap();
        id
    });
    app.after(TimeDelta::hours(1)).await;
    let after = stamps(&app, &lists).await;
    let changed = after.iter().filter(|(key, stamp)| before[*key] != **stamp);
    let changed: Vec<&String> = changed.map(|(key, _)| key).collect();
    assert_eq!(changed, [&format!("contacts/{id}")]);
    let path = format!("/engagement/v2/contacts/{id}?read_from_cache=true");
    assert_eq!(app.get(&path).await.ok()["job_title"], "Chief Tea Officer");
}
