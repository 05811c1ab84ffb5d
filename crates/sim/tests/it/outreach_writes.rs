//! Prospects, accounts, addresses and numbers: made, changed and deleted.

use serde_json::{Value, json};
use syncline_sim::{Mismatch, SimReply, Simulator};

use crate::noon;
use crate::outreach_support::{
    act, change, delete, error, get, id, ids, linkage, new, outreach, outreach_with, patch, post,
    walk,
};

fn created(reply: &SimReply) -> Value {
    assert_eq!(reply.status, 201, "{}", reply.text());
    reply.json()["data"].clone()
}

fn user(sim: &Simulator) -> String {
    sim.read(0, |team| team.user_ids()[3].clone())
}

fn prospect(sim: &Simulator, attributes: &Value) -> Value {
    created(&post(
        sim,
        "prospects",
        &new("prospect", attributes, &json!({})),
    ))
}

#[test]
fn a_prospect_is_made_with_addresses_phones_place_and_relationships() {
    let sim = outreach(20);
    let account = walk(&sim, "accounts")[0].clone();
    let attributes = json!({
        "firstName": "Tove", "lastName": "Ask", "title": "CFO", "tags": ["expo", "expo"],
        "emails": ["tove@nordvik.example", "tove@home.example"],
        "mobilePhones": ["+46700000001"], "workPhones": ["+468111"], "voipPhones": ["+46999"],
        "addressStreet": "1 Alfa Street\nBack yard", "addressCity": "Lund", "addressZip": "22100",
        "addressCountry": "Sweden", "addressStreet2": "Floor 2", "custom7": "gold", "nickname": "T",
    });
    let relationships = json!({
        "owner": linkage("user", &user(&sim)),
        "account": linkage("account", &id(&account)),
    });
    let made = created(&post(
        &sim,
        "prospects",
        &new("prospect", &attributes, &relationships),
    ));
    for (name, value) in attributes.as_object().unwrap() {
        assert_eq!(&made["attributes"][name], value, "{name}");
    }
    let shown = &made["attributes"];
    assert_eq!(
        (&shown["name"], &shown["externalSource"]),
        (&json!("Tove Ask"), &json!("outreach-api"))
    );
    assert_eq!(shown["company"], account["attributes"]["name"]);
    assert_eq!(shown["createdAt"], "2026-02-16T12:00:00.000Z");
    assert_eq!(shown["updatedAt"], shown["createdAt"]);
    assert!(shown["emailContacts"][0]["email_type"].is_null());
    assert_eq!(id(&made["relationships"]["owner"]["data"]), user(&sim));
    assert_eq!(id(&made["relationships"]["account"]["data"]), id(&account));
    assert_eq!(
        get(&sim, &format!("prospects/{}", id(&made))).json()["data"],
        made
    );
}

#[test]
fn a_change_leaves_out_what_it_does_not_name_and_null_clears() {
    let sim = outreach(20);
    let attributes = json!({
        "firstName": "Ada", "title": "CTO", "emails": ["ada@x.example"], "homePhones": ["1", "2"],
    });
    let made = prospect(&sim, &attributes);
    let number = id(&made);
    let target = format!("prospects/{number}");
    let body =
        json!({"title": null, "homePhones": ["2"], "emails": ["new@x.example", "ada@x.example"]});
    let changed = patch(&sim, &target, &change("prospect", &number, &body));
    assert_eq!(changed.status, 200);
    let shown = changed.json()["data"]["attributes"].clone();
    assert_eq!(
        (&shown["firstName"], &shown["title"]),
        (&json!("Ada"), &Value::Null)
    );
    assert_eq!(shown["homePhones"], json!(["2"]));
    assert_eq!(
        shown["emailContacts"][1]["id"], made["attributes"]["emailContacts"][0]["id"],
        "the address stays the record that it is"
    );
    let owner = json!({"data": {
        "type": "prospect", "id": number, "relationships": {"owner": linkage("user", &user(&sim))}
    }});
    let theirs = patch(&sim, &target, &owner).json();
    assert_eq!(
        id(&theirs["data"]["relationships"]["owner"]["data"]),
        user(&sim)
    );
    let nobody = json!({"data": {
        "type": "prospect", "id": number, "relationships": {"owner": {"data": null}}
    }});
    let nobodys = patch(&sim, &target, &nobody).json();
    assert!(nobodys["data"]["relationships"]["owner"]["data"].is_null());
    let bare =
        json!({"data": {"type": "prospect", "id": number, "relationships": {"owner": null}}});
    assert_eq!(patch(&sim, &target, &bare).status, 422);
}

#[test]
fn an_address_belongs_to_one_prospect_of_the_organisation() {
    let sim = outreach(20);
    prospect(&sim, &json!({"emails": ["ada@x.example"]}));
    let twin = post(
        &sim,
        "prospects",
        &new(
            "prospect",
            &json!({"emails": ["ADA@x.example"]}),
            &json!({}),
        ),
    );
    assert_eq!(twin.status, 422);
    assert_eq!(
        error(&twin),
        (
            "validationError".to_owned(),
            "Contacts email hash has already been taken.".to_owned(),
            "/data".to_owned()
        )
    );
    let other = id(&prospect(&sim, &json!({"firstName": "Grace"})));
    let body = change("prospect", &other, &json!({"emails": ["ada@x.example"]}));
    assert_eq!(
        patch(&sim, &format!("prospects/{other}"), &body).status,
        422
    );
}

#[test]
fn an_address_of_an_excluded_domain_is_refused() {
    let sim = outreach_with(20, |options| {
        options.outreach.excluded_domains = vec!["rival.example".to_owned()];
    });
    let body = new(
        "prospect",
        &json!({"emails": ["ada@Rival.example"]}),
        &json!({}),
    );
    let refused = post(&sim, "prospects", &body);
    let words = "Contacts contact is using an excluded email address.";
    assert_eq!((refused.status, error(&refused).1.as_str()), (422, words));
}

#[test]
fn a_write_whose_type_or_id_is_not_the_paths_is_refused_as_switched() {
    for (mismatch, status) in [(Mismatch::Conflict, 409), (Mismatch::Unprocessable, 422)] {
        let sim = outreach_with(20, |options| options.outreach.switches.mismatch = mismatch);
        let some = sim.read(0, |team| team.contact_ids()[..2].to_vec());
        let target = format!("prospects/{}", some[0]);
        let ask = |body: &Value| patch(&sim, &target, body).status;
        assert_eq!(ask(&change("prospect", &some[1], &json!({}))), status);
        assert_eq!(ask(&change("account", &some[0], &json!({}))), status);
        assert_eq!(
            ask(&json!({"data": {"type": "prospect", "attributes": {}}})),
            status
        );
        assert_eq!(
            ask(&json!({"data": {"type": "prospect", "id": some[0]}})),
            200,
            "text will do"
        );
        assert_eq!(ask(&json!({"nothing": 1})), 400);
    }
}

#[test]
fn unknown_attributes_are_refused_unless_switched_and_long_texts_always() {
    let sim = outreach(20);
    let ask = |sim: &Simulator, attributes: Value| {
        post(sim, "prospects", &new("prospect", &attributes, &json!({})))
    };
    let unknown = ask(&sim, json!({"firstName": "Ada", "shoeSize": 39}));
    assert_eq!(unknown.status, 422);
    assert_eq!(error(&unknown).2, "/data/attributes/shoeSize");
    assert_eq!(ask(&sim, json!({"openCount": 7})).status, 422, "read-only");
    let mild = outreach_with(20, |options| {
        options.outreach.switches.unknown_attributes_ignored = true;
    });
    assert_eq!(
        ask(&mild, json!({"firstName": "Ada", "shoeSize": 39})).status,
        201
    );
    let long = ask(&sim, json!({"firstName": "x".repeat(256)}));
    assert_eq!(
        (long.status, error(&long).0.as_str()),
        (422, "validationDataTooLongError")
    );
    assert_eq!(ask(&sim, json!({"firstName": "é".repeat(255)})).status, 201);
    let nobody = json!({"owner": linkage("user", "999999")});
    let owned = post(&sim, "prospects", &new("prospect", &json!({}), &nobody));
    assert_eq!(
        (owned.status, error(&owned).2.as_str()),
        (422, "/data/relationships/owner")
    );
}

#[test]
fn a_change_of_nothing_leaves_the_time_of_change() {
    let sim = outreach(20);
    let record = walk(&sim, "prospects")[3].clone();
    let number = id(&record);
    let same =
        json!({"title": record["attributes"]["title"], "emails": record["attributes"]["emails"]});
    let reply = patch(
        &sim,
        &format!("prospects/{number}"),
        &change("prospect", &number, &same),
    );
    assert_eq!(reply.json()["data"], record);
}

#[test]
fn addresses_get_their_types_as_records_of_their_own() {
    let sim = outreach(20);
    let made = prospect(&sim, &json!({"firstName": "Ada"}));
    let number = id(&made);
    let owner = json!({"prospect": linkage("prospect", &number)});
    let attributes = json!({"email": "ada@work.example", "emailType": "work", "order": 0});
    let address = created(&post(
        &sim,
        "emailAddresses",
        &new("emailAddress", &attributes, &owner),
    ));
    assert_eq!(address["attributes"]["emailType"], "work");
    let first = json!({"email": "ada@home.example", "emailType": "personal", "order": 0});
    created(&post(
        &sim,
        "emailAddresses",
        &new("emailAddress", &first, &owner),
    ));
    let shown = get(&sim, &format!("prospects/{number}")).json()["data"]["attributes"].clone();
    assert_eq!(
        shown["emails"],
        json!(["ada@home.example", "ada@work.example"])
    );
    assert_eq!(shown["emailContacts"][0]["email_type"], "personal");
    let address = id(&address);
    let target = format!("emailAddresses/{address}");
    let typed = change(
        "emailAddress",
        &address,
        &json!({"emailType": "personal", "order": 0}),
    );
    let reply = patch(&sim, &target, &typed).json();
    assert_eq!(reply["data"]["attributes"]["order"], 0);
    let twin = post(&sim, "emailAddresses", &new("emailAddress", &first, &owner));
    assert_eq!(twin.status, 422);
    assert_eq!(delete(&sim, &target).status, 204);
    assert_eq!(get(&sim, &target).status, 404);
    let left =
        get(&sim, &format!("prospects/{number}")).json()["data"]["attributes"]["emails"].clone();
    assert_eq!(left, json!(["ada@home.example"]));
}

#[test]
fn a_changed_address_moves_its_prospects_time_of_change_unless_switched() {
    for touches in [true, false] {
        let sim = outreach_with(20, |options| {
            options.outreach.switches.parts_touch_prospect = touches;
        });
        let address = walk(&sim, "emailAddresses")[0].clone();
        let prospect = id(&address["relationships"]["prospect"]["data"]);
        let updated = || {
            let record = get(&sim, &format!("prospects/{prospect}")).json();
            record["data"]["attributes"]["updatedAt"].clone()
        };
        let before = updated();
        let number = id(&address);
        let body = change("emailAddress", &number, &json!({"emailType": "work"}));
        patch(&sim, &format!("emailAddresses/{number}"), &body);
        assert_eq!(updated() != before, touches);
    }
}

#[test]
fn phone_numbers_come_and_go_as_records_of_their_own() {
    let sim = outreach(20);
    let number = id(&prospect(&sim, &json!({"firstName": "Ada"})));
    let owner = json!({"prospect": linkage("prospect", &number)});
    let attributes = json!({"number": "+4670", "phoneType": "mobile"});
    let phone = created(&post(
        &sim,
        "phoneNumbers",
        &new("phoneNumber", &attributes, &owner),
    ));
    let shown = get(&sim, &format!("prospects/{number}")).json()["data"]["attributes"].clone();
    assert_eq!(shown["mobilePhones"], json!(["+4670"]));
    let target = format!("phoneNumbers/{}", id(&phone));
    let voip = change("phoneNumber", &id(&phone), &json!({"phoneType": "voip"}));
    assert_eq!(
        patch(&sim, &target, &voip).json()["data"]["attributes"]["phoneType"],
        "voip"
    );
    assert_eq!(delete(&sim, &target).status, 204);
    let blank = post(
        &sim,
        "phoneNumbers",
        &new("phoneNumber", &json!({}), &owner),
    );
    assert_eq!(blank.status, 422);
}

#[test]
fn accounts_are_made_changed_and_named_unless_switched() {
    let sim = outreach(20);
    let attributes = json!({
        "name": "Nordvik AB", "domain": "nordvik.example", "customId": "A-7", "custom3": "x",
        "websiteUrl": "https://nordvik.example", "numberOfEmployees": 40, "tags": ["eu"],
    });
    let made = created(&post(
        &sim,
        "accounts",
        &new("account", &attributes, &json!({})),
    ));
    for (name, value) in attributes.as_object().unwrap() {
        assert_eq!(&made["attributes"][name], value, "{name}");
    }
    assert_eq!(made["attributes"]["named"], true);
    let number = id(&made);
    assert_eq!(
        ids(&walk(&sim, "accounts?filter[customId]=a-7")),
        std::slice::from_ref(&number)
    );
    let body = change("account", &number, &json!({"name": "Nordvik"}));
    let changed = patch(&sim, &format!("accounts/{number}"), &body).json();
    assert_eq!(changed["data"]["attributes"]["name"], "Nordvik");
    let blank = post(
        &sim,
        "accounts",
        &new("account", &json!({"domain": "x.example"}), &json!({})),
    );
    assert_eq!(
        (blank.status, error(&blank).1.as_str()),
        (422, "Name can't be blank")
    );
    let shy = outreach_with(20, |options| {
        options.outreach.switches.new_accounts_named = false;
    });
    let made = created(&post(
        &shy,
        "accounts",
        &new("account", &json!({"name": "Quiet"}), &json!({})),
    ));
    assert_eq!(made["attributes"]["named"], false);
    assert!(walk(&shy, "accounts?filter[name]=Quiet").is_empty());
}

#[test]
fn a_deleted_prospect_is_gone_with_its_states_unless_those_stay() {
    for takes in [true, false] {
        let sim = outreach_with(100, |options| {
            options.outreach.switches.prospect_delete_takes_states = takes;
        });
        let state = walk(&sim, "sequenceStates")[0].clone();
        let prospect = id(&state["relationships"]["prospect"]["data"]);
        let target = format!("prospects/{prospect}");
        assert_eq!(delete(&sim, &target).status, 204);
        assert_eq!(
            (delete(&sim, &target).status, get(&sim, &target).status),
            (404, 404)
        );
        assert!(!ids(&walk(&sim, "prospects")).contains(&prospect));
        let left = walk(&sim, "sequenceStates?page[size]=1000");
        assert_eq!(ids(&left).contains(&id(&state)), !takes);
        let read = get(&sim, &format!("sequenceStates/{}", id(&state)));
        assert_eq!(read.status, if takes { 404 } else { 200 });
    }
}

#[test]
fn a_deleted_account_leaves_its_prospects() {
    let sim = outreach(100);
    let prospects = walk(&sim, "prospects?page[size]=1000");
    let record = prospects
        .iter()
        .find(|p| p["relationships"]["account"]["data"].is_object());
    let record = record.unwrap();
    let account = id(&record["relationships"]["account"]["data"]);
    assert_eq!(delete(&sim, &format!("accounts/{account}")).status, 204);
    let after = get(&sim, &format!("prospects/{}", id(record))).json();
    assert!(after["data"]["relationships"]["account"]["data"].is_null());
}

#[test]
fn an_account_without_a_name_is_known_by_id_only_and_its_prospects_stay_with_it() {
    let sim = outreach(100);
    let prospects = walk(&sim, "prospects?page[size]=1000");
    let record = prospects
        .iter()
        .find(|p| p["relationships"]["account"]["data"].is_object());
    let account = id(&record.unwrap()["relationships"]["account"]["data"]);
    sim.edit(0, |team| team.set_account_named(noon(), &account, false))
        .unwrap();
    assert!(!ids(&walk(&sim, "accounts")).contains(&account));
    assert_eq!(get(&sim, &format!("accounts/{account}")).status, 200);
    let filter = format!("prospects?filter[account][id]={account}&filter[account][named]=false");
    assert!(!walk(&sim, &filter).is_empty());
}

#[test]
fn a_trashed_prospect_is_listed_as_such_unless_hidden() {
    for listed in [true, false] {
        let sim = outreach_with(20, |options| {
            options.outreach.switches.trashed_listed = listed;
        });
        let gone = sim.read(0, |team| team.contact_ids()[2].clone());
        sim.edit(0, |team| team.trash_contact(noon(), &gone))
            .unwrap();
        assert_eq!(ids(&walk(&sim, "prospects")).contains(&gone), listed);
        let record = get(&sim, &format!("prospects/{gone}")).json();
        assert_eq!(
            record["data"]["attributes"]["trashedAt"],
            "2026-02-16T12:00:00.000Z"
        );
    }
}

#[test]
fn merging_takes_the_loser_away_and_gives_the_winner_their_states_and_tasks() {
    let sim = outreach(200);
    let state = walk(&sim, "sequenceStates")[0].clone();
    let loser = id(&state["relationships"]["prospect"]["data"]);
    let winner = sim.read(0, |team| {
        let mut all = team.contact_ids().into_iter();
        all.find(|id| *id != loser).unwrap()
    });
    let owner = json!({
        "owner": linkage("user", &user(&sim)), "subject": linkage("prospect", &loser)
    });
    let task = created(&post(
        &sim,
        "tasks",
        &new("task", &json!({"action": "call"}), &owner),
    ));
    sim.edit(0, |team| team.merge_contacts(noon(), &winner, &loser))
        .unwrap();
    assert_eq!(get(&sim, &format!("prospects/{loser}")).status, 404);
    let prospect_of = |target: String| {
        let record = get(&sim, &target).json();
        id(&record["data"]["relationships"]["prospect"]["data"])
    };
    assert_eq!(
        prospect_of(format!("sequenceStates/{}", id(&state))),
        winner
    );
    assert_eq!(prospect_of(format!("tasks/{}", id(&task))), winner);
}

#[test]
fn tasks_are_made_completed_moved_and_deleted() {
    let sim = outreach(20);
    let subject = sim.read(0, |team| team.contact_ids()[0].clone());
    let related = json!({
        "owner": linkage("user", &user(&sim)), "subject": linkage("prospect", &subject)
    });
    let attributes = json!({"action": "call", "note": "ring", "dueAt": "2026-05-04T09:00:00.000Z"});
    let task = created(&post(&sim, "tasks", &new("task", &attributes, &related)));
    let shown = &task["attributes"];
    assert_eq!(
        (&shown["state"], &shown["taskType"]),
        (&json!("incomplete"), &json!("manual"))
    );
    assert_eq!(id(&task["relationships"]["subject"]["data"]), subject);
    let number = id(&task);
    let target = |action: &str| format!("tasks/{number}/actions/{action}");
    let due = "2026-06-01T09:00:00.000Z";
    let moved = act(
        &sim,
        &target(&format!("reschedule?actionParams[dueAt]={due}")),
    );
    assert_eq!(moved.json()["data"]["attributes"]["dueAt"], due);
    assert_eq!(act(&sim, &target("reschedule")).status, 400);
    let complete = target("markComplete?actionParams[completionAction]=finish_no_reply");
    let done = act(&sim, &complete).json()["data"].clone();
    assert_eq!(done["attributes"]["state"], "complete");
    assert_eq!(
        done["attributes"]["completedAt"],
        "2026-02-16T12:00:00.000Z"
    );
    assert!(done["relationships"]["completer"]["data"].is_object());
    assert_eq!(act(&sim, &complete).status, 422);
    let change = change("task", &number, &json!({"note": "rang"}));
    assert_eq!(patch(&sim, &format!("tasks/{number}"), &change).status, 200);
    assert_eq!(delete(&sim, &format!("tasks/{number}")).status, 204);
    assert_eq!(get(&sim, &format!("tasks/{number}")).status, 404);
    let about_nobody = json!({"owner": linkage("user", &user(&sim))});
    let refused = post(&sim, "tasks", &new("task", &attributes, &about_nobody));
    assert_eq!(
        (refused.status, error(&refused).1.as_str()),
        (422, "Subject can't be blank")
    );
}
