//! People, accounts and tasks: made, changed and deleted.

use serde_json::{Value, json};
use syncline_sim::{SimRequest, Simulator, TokenOptions};

use crate::noon;
use crate::salesloft_support::{
    TOKEN, delete, done, get, id, post, put, records, refusal, salesloft, salesloft_with, text,
    time, walk,
};

fn person(sim: &Simulator, fields: &Value) -> Value {
    done(&post(sim, "people", fields))
}

#[test]
fn a_person_is_made_with_addresses_phones_place_references_and_fields() {
    let sim = salesloft(20);
    let (account, user) = sim.read(0, |team| {
        (team.account_ids()[0].clone(), team.user_ids()[3].clone())
    });
    let fields = json!({
        "first_name": "Tove", "last_name": "Ask", "title": "CFO", "tags": ["expo", "expo"],
        "email_address": "tove@nordvik.example", "personal_email_address": "tove@home.example",
        "secondary_email_address": "t.ask@nordvik.example",
        "phone": "+46700000001", "mobile_phone": "+46700000002", "home_phone": "+46700000003",
        "city": "Lund", "country": "Sweden", "locale": "Europe/Stockholm",
        "custom_fields": {"Lead Source": "Expo", "Shoe size": "39"},
        "contact_restrictions": ["call"], "crm_id": "003X", "person_company_name": "Nordvik AB",
        "owner_id": user.parse::<u64>().unwrap(), "account_id": account, "cats": 9,
    });
    let made = person(&sim, &fields);
    for name in [
        "first_name",
        "title",
        "email_address",
        "personal_email_address",
        "secondary_email_address",
        "phone",
        "mobile_phone",
        "home_phone",
        "city",
        "country",
        "locale",
        "contact_restrictions",
        "crm_id",
        "person_company_name",
    ] {
        assert_eq!(made[name], fields[name], "{name}");
    }
    assert_eq!(made["tags"], json!(["expo"]));
    assert_eq!(
        made["custom_fields"],
        json!({"Lead Source": "Expo"}),
        "only labels that exist"
    );
    assert_eq!(
        made["full_email_address"],
        "\"Tove Ask\" <tove@nordvik.example>"
    );
    assert_eq!(id(&made["account"]), account);
    assert_eq!(id(&made["owner"]), user);
    assert_eq!(made["created_at"], "2026-02-16T07:00:00.000000-05:00");
    assert_eq!(made["untouched"], true);
    assert_eq!(done(&get(&sim, &format!("people/{}", id(&made)))), made);
}

#[test]
fn a_change_leaves_out_what_it_does_not_name_and_null_clears() {
    let sim = salesloft(20);
    let made = person(
        &sim,
        &json!({"first_name": "Ada", "title": "CTO", "email_address": "ada@x.example",
                "custom_fields": {"Score": "4", "Lead Source": "Expo"}}),
    );
    let target = format!("people/{}", id(&made));
    let body = json!({"title": null, "custom_fields": {"Score": null}, "phone": "+1"});
    let changed = done(&put(&sim, &target, &body));
    assert_eq!(changed["first_name"], "Ada");
    assert!(changed["title"].is_null());
    assert_eq!(changed["custom_fields"], json!({"Lead Source": "Expo"}));
    assert_eq!(changed["email_address"], "ada@x.example");
    let lone = done(&put(
        &sim,
        &target,
        &json!({"account_id": null, "owner_id": null}),
    ));
    assert!(lone["owner"].is_null());
    let nobody = put(&sim, &target, &json!({"owner_id": 999_999}));
    assert_eq!(refusal(&nobody, "owner"), (422, "must exist".to_owned()));
    assert_eq!(put(&sim, "people/999999", &json!({})).status, 404);
}

#[test]
fn a_person_needs_an_address_or_a_phone_and_a_name_that_nobody_else_has() {
    let sim = salesloft(20);
    let ask = |fields: Value| post(&sim, "people", &fields);
    assert_eq!(
        refusal(&ask(json!({"first_name": "Ada"})), "email_address").0,
        422
    );
    assert_eq!(ask(json!({"phone": "+1", "last_name": "Row"})).status, 200);
    let twin = ask(json!({"phone": "+1", "last_name": "Row"}));
    assert_eq!(refusal(&twin, "phone").1, "is already taken");
    assert_eq!(ask(json!({"email_address": "ada@x.example"})).status, 200);
    let twin = ask(json!({"email_address": "ADA@x.example"}));
    let taken = (422, "is already taken".to_owned());
    assert_eq!(refusal(&twin, "email_address"), taken);
    let lax = salesloft_with(20, |options| options.salesloft.duplicates_allowed = true);
    for _ in 0..2 {
        let twin = json!({"email_address": "ada@x.example"});
        assert_eq!(post(&lax, "people", &twin).status, 200);
    }
}

#[test]
fn unknown_fields_and_labels_are_refused_and_creation_is_201_if_switched() {
    let sim = salesloft_with(20, |options| {
        let switches = &mut options.salesloft.switches;
        switches.unknown_fields_refused = true;
        switches.unknown_custom_fields_refused = true;
        switches.created_status = true;
    });
    let ask = |more: Value| {
        let mut fields = json!({"email_address": "ada@x.example"});
        for (name, value) in more.as_object().unwrap() {
            fields[name] = value.clone();
        }
        post(&sim, "people", &fields)
    };
    assert_eq!(refusal(&ask(json!({"cats": 1})), "cats").0, 422);
    let label = ask(json!({"custom_fields": {"Shoe size": 39}}));
    assert_eq!(refusal(&label, "custom_fields").0, 422);
    assert_eq!(ask(json!({})).status, 201);
    let long = ask(json!({"first_name": "x".repeat(256)}));
    assert_eq!(refusal(&long, "first_name").0, 422);
}

#[test]
fn an_upsert_says_what_it_did_and_refuses_to_choose() {
    let sim = salesloft_with(20, |options| options.salesloft.duplicates_allowed = true);
    let ask = |fields: &Value| post(&sim, "person_upserts", fields);
    let fields =
        json!({"upsert_key": "email_address", "email_address": "ada@x.example", "title": "CTO"});
    let made = done(&ask(&fields));
    assert_eq!(made["upsert_type"], "create");
    let mut again = fields.clone();
    again["title"] = json!("CEO");
    again["email_address"] = json!("Ada@x.example");
    let changed = done(&ask(&again));
    assert_eq!(changed["upsert_type"], "update");
    assert_eq!(changed["person"]["title"], "CEO");
    assert_eq!(changed["person"]["id"], made["person"]["id"]);
    let keyless = json!({"email_address": "ada@x.example"});
    assert_eq!(done(&ask(&keyless))["upsert_type"], "create");
    assert_eq!(ask(&fields).status, 422, "two people have the address");
    let unknown = json!({"upsert_key": "id", "id": 999_999, "title": "CTO"});
    assert_eq!(ask(&unknown).status, 422);
}

#[test]
fn deleting_a_person_can_be_repeated() {
    let sim = salesloft(20);
    let target = format!(
        "people/{}",
        sim.read(0, |team| team.contact_ids()[0].clone())
    );
    assert_eq!(
        (delete(&sim, &target).status, delete(&sim, &target).status),
        (204, 204)
    );
    assert_eq!(get(&sim, &target).status, 404);
    assert_eq!(delete(&sim, "people/999999").status, 404);
    assert_eq!(walk(&sim, "people").len(), 19);
}

#[test]
fn whoever_must_not_be_contacted_leaves_all_cadences() {
    let sim = salesloft(100);
    let on = records(&sim, "cadence_memberships?currently_on_cadence=true");
    let people = walk(&sim, "people?new=false");
    let on: Vec<String> = on.iter().map(|m| m["person"]["id"].to_string()).collect();
    let mut on = people
        .iter()
        .filter(|p| on.contains(&id(p)) && p["email_address"].is_string());
    let first = id(on.next().unwrap());
    let employed = on.find(|person| person["account"].is_object()).unwrap();
    let left = |person: &str| {
        let target = format!("cadence_memberships?person_id={person}&currently_on_cadence=true");
        records(&sim, &target).is_empty()
    };
    assert!(!left(&first));
    let body = json!({"do_not_contact": true});
    done(&put(&sim, &format!("people/{first}"), &body));
    assert!(left(&first));
    let account = employed["account"]["id"].to_string();
    done(&put(&sim, &format!("accounts/{account}"), &body));
    assert!(left(&id(employed)));
    let people = done(&get(&sim, &format!("people/{}", id(employed))));
    assert_eq!(people["cadences"], json!([]));
    assert_eq!(time(&people, "updated_at"), noon());
}

#[test]
fn forms_reach_nested_fields_and_broken_json_is_refused() {
    let sim = salesloft(10);
    let send = |kind: &str, body: &'static str| {
        let mut request = SimRequest::new("POST".parse().unwrap(), "/v2/people.json")
            .header("authorization", &format!("Bearer {TOKEN}"))
            .header("content-type", kind);
        request.body = body.into();
        sim.respond(noon(), &request)
    };
    let form = "email_address=ada%40x.example&custom_fields[Lead+Source]=Expo&tags[]=a&tags[]=b";
    let made = done(&send("application/x-www-form-urlencoded", form));
    assert_eq!(made["custom_fields"], json!({"Lead Source": "Expo"}));
    assert_eq!(made["tags"], json!(["a", "b"]));
    assert_eq!(send("application/json", "{").status, 400);
}

#[test]
fn a_crm_id_and_a_deletion_need_scopes_of_their_own() {
    let sim = salesloft_with(10, |options| {
        let scopes = ["people:read", "people:write"];
        options.salesloft.tokens = vec![TokenOptions::of_salesloft_team(0).with_scopes(&scopes)];
    });
    let plain = json!({"email_address": "ada@x.example"});
    let made = person(&sim, &plain);
    let target = format!("people/{}", id(&made));
    assert_eq!(put(&sim, &target, &json!({"crm_id": "003X"})).status, 403);
    assert_eq!(delete(&sim, &target).status, 403);
}

#[test]
fn an_account_needs_a_name_and_a_domain_of_its_own() {
    let sim = salesloft(20);
    let ask = |fields: Value| post(&sim, "accounts", &fields);
    assert_eq!(refusal(&ask(json!({"name": "Nordvik"})), "domain").0, 422);
    let fields = json!({
        "name": "Nordvik", "domain": "Nordvik.example", "industry": "Fish", "website": "nordvik.example",
        "custom_fields": {"Tier": "A"},
    });
    let made = done(&ask(fields.clone()));
    assert_eq!(made["domain"], "nordvik.example");
    assert_eq!(
        (&made["industry"], &made["custom_fields"]),
        (&json!("Fish"), &json!({"Tier": "A"}))
    );
    assert!(made["counts"].is_null());
    let twin = refusal(&ask(fields), "domain");
    assert_eq!(twin, (422, "has already been taken".to_owned()));
    let target = format!("accounts/{}", id(&made));
    let changed = done(&put(&sim, &target, &json!({"archived": true})));
    assert!(changed["archived_at"].is_string() && changed["name"] == "Nordvik");
    let strict = salesloft_with(20, |options| {
        options.salesloft.switches.account_updates_need_name = true;
    });
    let target = format!(
        "accounts/{}",
        sim.read(0, |team| team.account_ids()[0].clone())
    );
    assert_eq!(put(&strict, &target, &json!({"phone": "+1"})).status, 422);
}

#[test]
fn an_account_is_upserted_by_domain_and_its_people_lose_it_when_it_is_deleted() {
    let sim = salesloft(60);
    let account = walk(&sim, "accounts?archived=false")
        .into_iter()
        .find(|account| account["counts"]["people"].is_u64() && account["domain"].is_string())
        .unwrap();
    let fields = json!({"upsert_key": "domain", "domain": account["domain"], "name": "Renamed"});
    let done_so = done(&post(&sim, "account_upserts", &fields));
    assert_eq!(done_so["upsert_type"], "update");
    assert_eq!(done_so["account"]["id"], account["id"]);
    let employed = format!("people?account_id={}", id(&account));
    let person = id(&records(&sim, &employed)[0]);
    let target = format!("accounts/{}", id(&account));
    assert_eq!(
        (delete(&sim, &target).status, delete(&sim, &target).status),
        (204, 204)
    );
    assert!(records(&sim, &employed).is_empty());
    assert!(done(&get(&sim, &format!("people/{person}")))["account"].is_null());
}

#[test]
fn a_task_is_made_once_for_a_key_and_completed() {
    let sim = salesloft(20);
    let (person, user) = sim.read(0, |team| {
        (team.contact_ids()[0].clone(), team.user_ids()[0].clone())
    });
    let fields = json!({
        "subject": "Call Tove", "person_id": person, "user_id": user, "task_type": "call",
        "due_date": "2026-03-01", "current_state": "scheduled", "idempotency_key": "k1",
        "remind_at": "2026-03-01T09:00:00Z",
    });
    let made = done(&post(&sim, "tasks", &fields));
    assert_eq!(
        (&made["due_date"], &made["due_at"]),
        (&json!("2026-03-01"), &Value::Null)
    );
    assert_eq!(text(&made, "remind_at"), "2026-03-01T04:00:00.000000-05:00");
    assert_eq!(done(&post(&sim, "tasks", &fields))["id"], made["id"]);
    assert_eq!(records(&sim, "tasks?idempotency_key=k1").len(), 1);
    let target = format!("tasks/{}", id(&made));
    let body = json!({"current_state": "completed", "description": "Reached her"});
    let completed = done(&put(&sim, &target, &body));
    assert_eq!(completed["current_state"], "completed");
    assert_eq!(completed["completed_by"]["id"].to_string(), user);
    let mut wrong = fields.clone();
    wrong["idempotency_key"] = json!(null);
    wrong["task_type"] = json!("dance");
    assert_eq!(refusal(&post(&sim, "tasks", &wrong), "task_type").0, 422);
    wrong["task_type"] = json!("email");
    wrong["person_id"] = json!(999_999);
    assert_eq!(refusal(&post(&sim, "tasks", &wrong), "person").0, 422);
    assert_eq!(delete(&sim, &target).status, 404, "there is no such call");
}

#[test]
fn webhooks_are_subscribed_to_one_event_at_a_time() {
    let sim = salesloft(10);
    let fields = json!({
        "callback_url": "https://app.example/hook", "callback_token": "secret",
        "event_type": "person_updated",
    });
    let made = post(&sim, "webhook_subscriptions", &fields).json();
    assert_eq!(
        (&made["event_type"], &made["enabled"]),
        (&json!("person_updated"), &json!(true))
    );
    let target = format!("webhook_subscriptions/{}", id(&made));
    let disabled = done(&put(&sim, &target, &json!({"enabled": false})));
    assert_eq!(disabled["enabled"], false);
    assert_eq!(done(&get(&sim, "webhook_subscriptions")), json!([disabled]));
    assert_eq!(
        (delete(&sim, &target).status, get(&sim, &target).status),
        (204, 404)
    );
    let mut wrong = fields.clone();
    wrong["event_type"] = json!("person_danced");
    let refused = post(&sim, "webhook_subscriptions", &wrong);
    assert_eq!(refusal(&refused, "event_type").0, 422);
    let wrapped = salesloft_with(10, |options| {
        options.salesloft.switches.webhook_creation_in_data = true;
    });
    let made = done(&post(&wrapped, "webhook_subscriptions", &fields));
    assert_eq!(made["callback_token"], "secret");
}
