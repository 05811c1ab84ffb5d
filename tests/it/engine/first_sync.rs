//! The first full sync, compared with the simulated Apollo's own records, row by row and field by
//! field; and the second, which has nothing to write.

use chrono::TimeDelta;
use macro_rules_attribute::apply;
use serde_json::{Value, json};

use syncline_sim::{Action, Fault, Match, SimRequest, Team};

use crate::support::{
    App, CUSTOMER, Database, MASTER_KEY, by_id, compare, on_both_databases, quiet_apollo, stamps,
    time,
};

const LISTS: [&str; 6] = [
    "users",
    "mailboxes",
    "sequences",
    "accounts",
    "contacts",
    "sequence_states",
];

/// PostgreSQL has no `COPY` into such tables.
#[tokio::test]
async fn a_table_with_row_level_security_is_filled() {
    let database = Database::postgres().await;
    let role = format!("plain_{:016x}", rand::random::<u64>());
    for statement in [
        &*format!("CREATE ROLE {role}"),
        &*format!("GRANT ALL ON ALL TABLES IN SCHEMA public TO {role}"),
        "ALTER TABLE engagement_contacts ENABLE ROW LEVEL SECURITY",
        "CREATE POLICY everything ON engagement_contacts USING (true)",
        &*format!(
            "DO $$ BEGIN
                 EXECUTE format('ALTER DATABASE %I SET role = {role}', current_database());
             END $$"
        ),
    ] {
        database.execute(statement).await;
    }
    let app = App::synced(database, 30).await;
    let is_secured = "SELECT row_security_active('engagement_contacts')::int::bigint";
    assert_eq!(app.database.count(is_secured).await, 1);
    assert_eq!(app.all_records("contacts").await.len(), 30);
    assert_eq!(app.runs("contact").await[0]["records_created"], 30);
}

#[apply(on_both_databases)]
async fn every_object_lands_field_by_field(database: Database) {
    let app = App::synced(database, 230).await;
    let team = |read: fn(&Team) -> Vec<Value>| app.apollo.read(0, read);
    let raw = "include_raw_data=true&include_deleted_data=true";

    let users = by_id(app.all_records(&format!("users?{raw}")).await);
    compare(&users, &team(Team::users), |user| {
        json!({
            "first_name": user["first_name"],
            "last_name": user["last_name"],
            "email": user["email"],
            "is_locked": null,
            "created_at": time(&user["created_at"]),
            "updated_at": null,
            "is_deleted": user["deleted"],
        })
    });

    let mailboxes = by_id(app.all_records(&format!("mailboxes?{raw}")).await);
    compare(&mailboxes, &team(Team::mailboxes), |mailbox| {
        json!({
            "email": mailbox["email"],
            "user_id": mailbox["user_id"],
            "is_disabled": mailbox["active"].as_bool().map(|active| !active),
            "updated_at": time(&mailbox["last_synced_at"]),
            "is_deleted": false,
        })
    });

    let sequences = by_id(app.all_records(&format!("sequences?{raw}")).await);
    compare(&sequences, &team(Team::sequences), |sequence| {
        json!({
            "name": sequence["name"],
            "owner_id": sequence["user_id"],
            "is_enabled": sequence["active"],
            "is_archived": sequence["archived"],
            "is_deleted": sequence["archived"],
            "num_steps": sequence["num_steps"],
            "tags": sequence["label_ids"],
            "created_at": time(&sequence["created_at"]),
            "updated_at": null,
        })
    });

    let accounts = by_id(app.all_records(&format!("accounts?{raw}")).await);
    compare(&accounts, &team(Team::accounts), |account| {
        json!({
            "name": account["name"],
            "domain": account["domain"],
            "owner_id": account["owner_id"],
            "created_at": time(&account["created_at"]),
            "updated_at": null,
            "is_deleted": false,
        })
    });

    let contacts = by_id(app.all_records(&format!("contacts?{raw}")).await);
    compare(&contacts, &team(Team::contacts), |contact| {
        json!({
            "first_name": contact["first_name"],
            "last_name": contact["last_name"],
            "job_title": contact["title"],
            "owner_id": contact["owner_id"],
            "account_id": contact["account_id"],
            "email_addresses": addresses(contact),
            "address": {
                "street_1": contact["street_address"],
                "street_2": null,
                "city": contact["city"],
                "state": contact["state"],
                "postal_code": contact["postal_code"],
                "country": contact["country"],
            },
            "open_count": 0, "click_count": 0, "reply_count": 0, "bounced_count": 0,
            "created_at": time(&contact["created_at"]),
            "updated_at": time(&contact["updated_at"]),
            "is_deleted": false,
        })
    });

    let states = by_id(
        app.all_records("sequence_states?include_raw_data=true")
            .await,
    );
    let truth = app.apollo.read(0, Team::states);
    assert_eq!(states.len(), truth.len());
    for (contact_id, state) in truth {
        let id = format!("{contact_id}.{}", state["id"].as_str().unwrap());
        let row = &states[&id];
        assert_eq!(row["contact_id"], json!(contact_id));
        assert_eq!(row["state"], state["status"]);
        assert_eq!(row["sequence_id"], state["emailer_campaign_id"]);
        assert_eq!(row["mailbox_id"], state["send_email_from_email_account_id"]);
        assert_eq!(row["user_id"], state["added_by_user_id"]);
        assert_eq!(row["created_at"], time(&state["added_at"]));
        assert_eq!(row["raw_data"], state);
    }
}

#[apply(on_both_databases)]
async fn contacts_and_their_states_come_from_one_scan(database: Database) {
    let app = App::synced(database, 230).await;
    assert_eq!(app.apollo.ledger().requests_to("contacts/search").len(), 3);
    for object in ["contact", "sequence_state"] {
        let runs = app.runs(object).await;
        assert_eq!(runs.len(), 1, "{object}");
        assert_eq!(runs[0]["status"], "SUCCESS");
        assert_eq!(runs[0]["requests_made"], 3);
        assert_eq!(runs[0]["coverage"]["verdict"], "complete");
    }
    assert_eq!(app.runs("contact").await[0]["num_records_synced"], 230);
    assert_eq!(
        app.runs("contact").await[0]["coverage"]["records_reported"],
        230
    );
}

#[apply(on_both_databases)]
async fn an_unchanged_second_sync_writes_no_row(database: Database) {
    let app = App::synced(database, 230).await;
    let before = stamps(&app, &LISTS).await;
    app.after(TimeDelta::hours(1)).await;
    assert_eq!(stamps(&app, &LISTS).await, before);
    for object in [
        "user",
        "mailbox",
        "sequence",
        "account",
        "contact",
        "sequence_state",
    ] {
        let runs = app.runs(object).await;
        assert_eq!(runs.len(), 2, "{object}");
        assert_eq!(runs[0]["records_created"], 0, "{object}");
        assert_eq!(runs[0]["records_updated"], 0, "{object}");
        assert_eq!(
            runs[0]["records_unchanged"], runs[1]["records_created"],
            "{object}"
        );
    }
}

#[apply(on_both_databases)]
async fn a_changed_contact_is_the_only_row_that_is_written(database: Database) {
    let app = App::synced(database, 120).await;
    let before = stamps(&app, &LISTS).await;
    let now = app.now();
    let id = app.apollo.edit(0, |team| {
        let id = team.contact_ids()[7].clone();
        team.update_contact(now, &id, &json!({"title": "Chief Tea Officer"}))
            .unwrap();
        id
    });
    app.after(TimeDelta::hours(1)).await;
    let changed: Vec<_> = stamps(&app, &LISTS)
        .await
        .into_iter()
        .filter(|(key, stamp)| before[key] != *stamp)
        .map(|(key, _)| key)
        .collect();
    assert_eq!(changed, [format!("contacts/{id}")]);
    let path = format!("/engagement/v2/contacts/{id}?read_from_cache=true");
    assert_eq!(app.get(&path).await.ok()["job_title"], "Chief Tea Officer");
}

#[apply(on_both_databases)]
async fn statistics_that_are_loading_do_not_erase_known_ones(database: Database) {
    let app = App::synced(database, 20).await;
    let known = app.all_records("sequences?include_deleted_data=true").await;
    let request = SimRequest::post(
        "/api/v1/emailer_campaigns/search",
        &json!({"page": 1, "per_page": 100}),
    );
    let answer = app
        .apollo
        .respond(app.now(), &request.key(MASTER_KEY))
        .text();
    let loading = ["unique_delivered", "open_rate"]
        .iter()
        .fold(answer, |text, key| with_loading(&text, key));
    app.apollo.faults().push(Fault::new(
        Match::path("emailer_campaigns/search"),
        Action::Answer {
            status: 200,
            content_type: "application/json".into(),
            body: loading,
        },
    ));
    app.after(TimeDelta::hours(1)).await;
    let after = app.all_records("sequences?include_deleted_data=true").await;
    assert_eq!(after, known);
    assert_eq!(app.runs("sequence").await[0]["records_updated"], 0);
}

#[apply(on_both_databases)]
async fn a_statistic_appears_once_it_is_computed(database: Database) {
    let mut options = quiet_apollo(20);
    options.teams[0].loading_reads = 1;
    let app = App::with_apollo(database, options).await;
    app.connect(CUSTOMER, MASTER_KEY).await;
    app.work_off().await;
    let first = app.all_records("sequences").await;
    app.after(TimeDelta::hours(1)).await;
    let second = app.all_records("sequences").await;
    let statistics = |rows: &[Value]| -> usize {
        rows.iter()
            .map(|row| row["metrics"].as_object().unwrap().len())
            .sum()
    };
    assert!(statistics(&first) < statistics(&second));
}

/// The response with the values of `key` still being computed; everything else stays byte for byte.
fn with_loading(text: &str, key: &str) -> String {
    let marker = format!("\"{key}\":");
    let mut parts = text.split(&marker);
    let mut out = parts.next().unwrap().to_owned();
    for part in parts {
        let end = part.find([',', '}']).unwrap();
        out.push_str(&marker);
        out.push_str("\"loading\"");
        out.push_str(&part[end..]);
    }
    out
}

/// The contact's own address first, then the others, each once; a placeholder is not an address.
fn addresses(contact: &Value) -> Value {
    let is_one = |email: &&str| !email.starts_with("email_not_unlocked@");
    let own = contact["email"].as_str().filter(is_one);
    let all = contact["contact_emails"].as_array().into_iter().flatten();
    let others = all
        .filter_map(|email| email["email"].as_str())
        .filter(is_one)
        .filter(|email| own != Some(email));
    own.map(|email| json!({"email_address": email, "email_address_type": "primary"}))
        .into_iter()
        .chain(others.map(|email| json!({"email_address": email, "email_address_type": null})))
        .collect()
}
