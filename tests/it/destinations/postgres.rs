//! A second PostgreSQL database as a destination.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use macro_rules_attribute::apply;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use super::{DESTINATIONS, shown, sync_into, write, writer};
use crate::{
    engagement::{LISTS, created},
    support::{App, CUSTOMER, Database, MASTER_KEY, PostgresServer, Proxy, on_both_databases},
};

const SCHEMA: &str = "warehouse";

/// The destination's database.
struct Warehouse {
    database: Database,
    password: String,
}

impl Warehouse {
    async fn new() -> Self {
        let password = std::env::var("TEST_POSTGRES_PASSWORD").unwrap();
        Self::of(Database::postgres().await, password).await
    }

    async fn on(server: &PostgresServer) -> Self {
        let database = Database::empty_on(&server.url).await;
        Self::of(database, server.password.clone()).await
    }

    async fn of(database: Database, password: String) -> Self {
        database.execute(&format!("CREATE SCHEMA {SCHEMA}")).await;
        Self { database, password }
    }

    /// The body that creates it as a destination, at this port.
    async fn body(&self, port: u16) -> Value {
        let name = self.database.text("SELECT current_database()::text").await;
        json!({
            "name": "Warehouse",
            "type": "postgres",
            "config": {
                "host": "127.0.0.1",
                "port": port,
                "database": name.unwrap(),
                "schema": SCHEMA,
                "user": "syncline",
                "password": self.password,
            },
        })
    }

    /// Creates the destination, and has everything synced into it.
    async fn is_destination_of(&self, app: &App, port: u16) -> Value {
        let body = self.body(port).await;
        let destination = app.post(DESTINATIONS, body).await.ok();
        sync_into(app, &destination).await;
        destination
    }

    /// The rows of all tables of a schema, by list and id, as the API would show them.
    async fn rows_of(&self, schema: &str) -> BTreeMap<(String, String), Value> {
        let mut rows = BTreeMap::new();
        for (list, _) in LISTS {
            let sql = format!(
                "SELECT COALESCE(jsonb_agg(to_jsonb(t) || jsonb_build_object(
                    'created_at', to_char(created_at AT TIME ZONE 'UTC', {FORMAT}),
                    'updated_at', to_char(updated_at AT TIME ZONE 'UTC', {FORMAT}),
                    'deleted_at', to_char(deleted_at AT TIME ZONE 'UTC', {FORMAT}),
                    'last_modified_at', to_char(last_modified_at AT TIME ZONE 'UTC', {FORMAT}))),
                    '[]')::text
                 FROM {schema}.engagement_{list} t"
            );
            let text = self.database.text(&sql).await.unwrap();
            let found: Vec<Value> = serde_json::from_str(&text).unwrap();
            for row in found {
                rows.insert(
                    (list.to_owned(), row["id"].as_str().unwrap().to_owned()),
                    row,
                );
            }
        }
        rows
    }
}

const FORMAT: &str = "'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"'";

fn port() -> u16 {
    std::env::var("TEST_POSTGRES_PORT")
        .unwrap()
        .parse()
        .unwrap()
}

async fn proxy() -> Proxy {
    Proxy::to(([127, 0, 0, 1], port()).into()).await
}

/// Every row of the tables is at the destination with the same values, and nothing else is.
async fn equal(app: &App, warehouse: &Warehouse, schema: &str) {
    let found = warehouse.rows_of(schema).await;
    let mut expected = 0;
    for (list, _) in LISTS {
        let path = format!("{list}?include_deleted_data=true&include_raw_data=true");
        for row in app.all_records(&path).await {
            expected += 1;
            let key = (list.to_owned(), row["id"].as_str().unwrap().to_owned());
            let other = found
                .get(&key)
                .unwrap_or_else(|| panic!("{key:?} is missing"));
            for (field, value) in row.as_object().unwrap() {
                assert_eq!(&other[field], value, "{field} of {key:?}");
            }
            assert_eq!(other["customer_id"], CUSTOMER);
            assert_eq!(other["provider_name"], app.provider);
        }
    }
    assert_eq!(found.len(), expected, "rows that the tables don't have");
}

#[apply(on_both_databases)]
async fn the_tables_are_the_same_at_the_destination(database: Database) {
    let app = App::synced(database, 40).await;
    let warehouse = Warehouse::new().await;
    let destination = warehouse.is_destination_of(&app, port()).await;
    write(&app).await;
    equal(&app, &warehouse, SCHEMA).await;
    // Changes, deletions, returns and writes follow.
    let now = app.now();
    let user = app.all_records("users").await[0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    app.apollo.edit(0, |team| {
        for round in 0..20 {
            team.random_edits(now, round, 3);
        }
        team.remove_user(&user).unwrap();
    });
    app.after(TimeDelta::hours(1)).await;
    write(&app).await;
    equal(&app, &warehouse, SCHEMA).await;
    app.apollo.edit(0, |team| team.restore_user(&user).unwrap());
    app.after(TimeDelta::hours(1)).await;
    let body = json!({"record": {"first_name": "Ada", "last_name": "Byron",
        "email_addresses": [{"email_address": "ada@engine.example"}]}});
    created(&app.post("/engagement/v2/contacts", body).await);
    write(&app).await;
    equal(&app, &warehouse, SCHEMA).await;
    let shown = shown(&app, &destination).await;
    assert_eq!(shown["connections_behind"], 0);
    assert!(shown.get("failure").is_none());
}

#[apply(on_both_databases)]
async fn an_outage_at_any_moment_loses_nothing_and_repeats_nothing(database: Database) {
    let app = App::synced(database, 30).await;
    let warehouse = Warehouse::new().await;
    let proxy = proxy().await;
    let destination = warehouse.is_destination_of(&app, proxy.port()).await;
    let mut failed = 0;
    for round in 0..40_u64 {
        // From the first bytes of the connection to the commit.
        proxy.cut_after(i64::try_from(round * round * 60).unwrap());
        write(&app).await;
        if proxy.was_cut() {
            failed += 1;
            let shown = shown(&app, &destination).await;
            assert_ne!(
                shown["connections_behind"], 0,
                "after a cut in round {round}"
            );
        }
        proxy.mend();
        if round % 4 == 3 {
            // The delay after failures.
            app.clock.advance(TimeDelta::minutes(10));
            write(&app).await;
            equal(&app, &warehouse, SCHEMA).await;
            assert!(
                super::shown(&app, &destination)
                    .await
                    .get("failure")
                    .is_none()
            );
        }
        let now = app.now();
        app.apollo.edit(0, |team| team.random_edits(now, round, 2));
        app.after(TimeDelta::hours(1)).await;
    }
    assert!(failed > 5, "only {failed} rounds were cut");
}

#[apply(on_both_databases)]
async fn a_server_that_is_killed_while_it_merges_gets_everything_when_it_is_back(
    database: Database,
) {
    let app = App::synced(database, 30).await;
    let server = PostgresServer::start().await;
    let warehouse = Warehouse::on(&server).await;
    let destination = warehouse.is_destination_of(&app, server.port).await;
    write(&app).await;
    for (round, list) in ["contacts", "sequence_states"].into_iter().enumerate() {
        let now = app.now();
        app.apollo
            .edit(0, |team| team.random_edits(now, round as u64, 40));
        app.after(TimeDelta::hours(1)).await;
        // The writer waits for this lock with part of its transaction done.
        let mut reader = PgConnection::connect(&warehouse.database.url)
            .await
            .unwrap();
        let lock = format!("BEGIN; LOCK TABLE {SCHEMA}.engagement_{list} IN SHARE MODE");
        sqlx::raw_sql(AssertSqlSafe(lock))
            .execute(&mut reader)
            .await
            .unwrap();
        let merge = format!(r#"INSERT INTO "{SCHEMA}"."engagement_{list}""#);
        let killed = async {
            warehouse.database.until_waiting(&merge).await;
            server.kill().await;
        };
        tokio::join!(write(&app), killed);
        for _ in 0..2 {
            let failing = shown(&app, &destination).await;
            assert_ne!(failing["connections_behind"], 0);
            assert!(failing["failure"].is_object());
            // Once more, while it is away.
            app.clock.advance(TimeDelta::minutes(10));
            write(&app).await;
        }
        server.start_again().await;
        app.clock.advance(TimeDelta::minutes(10));
        write(&app).await;
        equal(&app, &warehouse, SCHEMA).await;
        assert!(shown(&app, &destination).await.get("failure").is_none());
    }
    server.remove().await;
}

#[apply(on_both_databases)]
async fn a_failure_is_shown_and_tried_again_later_and_syncs_go_on(database: Database) {
    let app = App::synced(database, 10).await;
    let warehouse = Warehouse::new().await;
    let proxy = proxy().await;
    let destination = warehouse.is_destination_of(&app, proxy.port()).await;
    proxy.cut_after(0);
    write(&app).await;
    let failing = shown(&app, &destination).await;
    assert!(
        failing["failure"]["error"]
            .as_str()
            .unwrap()
            .contains("connection")
    );
    assert!(failing["failure"]["retry_at"].is_string());
    app.after(TimeDelta::hours(1)).await;
    assert!(
        app.runs("contact")
            .await
            .iter()
            .all(|run| run["status"] == "SUCCESS")
    );
    proxy.mend();
    write(&app).await;
    equal(&app, &warehouse, SCHEMA).await;
    assert!(shown(&app, &destination).await.get("failure").is_none());
}

#[apply(on_both_databases)]
async fn two_writers_at_once_write_the_same(database: Database) {
    let app = App::synced(database, 60).await;
    app.connect("customer-2", MASTER_KEY).await;
    app.work_off().await;
    let warehouse = Warehouse::new().await;
    warehouse.is_destination_of(&app, port()).await;
    for round in 0..4 {
        app.clock.advance(TimeDelta::minutes(1));
        let (one, other) = (writer(&app, "one"), writer(&app, "other"));
        let (first, second) = tokio::join!(one.work_off(), other.work_off());
        first.unwrap();
        second.unwrap();
        let now = app.now();
        app.apollo.edit(0, |team| team.random_edits(now, round, 5));
        app.after(TimeDelta::hours(1)).await;
    }
    write(&app).await;
    let sql = format!("SELECT count(*) FROM {SCHEMA}.engagement_contacts");
    let ours = "SELECT count(*) FROM engagement_contacts";
    assert_eq!(
        warehouse.database.count(&sql).await,
        app.database.count(ours).await
    );
}

#[apply(on_both_databases)]
async fn a_customer_may_have_a_schema_of_his_own(database: Database) {
    let app = App::synced(database, 10).await;
    let warehouse = Warehouse::new().await;
    warehouse
        .database
        .execute("CREATE SCHEMA \"of customer 1\"")
        .await;
    let body = json!({"destination_config": {"type": "postgres", "schema": "of customer 1"}});
    app.put("/mgmt/v2/connection_sync_configs", body).await.ok();
    warehouse.is_destination_of(&app, port()).await;
    write(&app).await;
    equal(&app, &warehouse, "\"of customer 1\"").await;
}

#[apply(on_both_databases)]
async fn the_rows_of_a_deleted_connection_are_removed(database: Database) {
    let app = App::synced(database, 10).await;
    app.connect("customer-2", MASTER_KEY).await;
    app.work_off().await;
    let warehouse = Warehouse::new().await;
    warehouse.is_destination_of(&app, port()).await;
    write(&app).await;
    app.delete(&format!("/mgmt/v2/customers/{CUSTOMER}")).await;
    write(&app).await;
    let rows = warehouse.rows_of(SCHEMA).await;
    assert!(!rows.is_empty());
    assert!(rows.values().all(|row| row["customer_id"] == "customer-2"));
    // Connected again, it is written anew.
    app.connect(CUSTOMER, MASTER_KEY).await;
    app.work_off().await;
    write(&app).await;
    let rows = warehouse.rows_of(SCHEMA).await;
    assert!(rows.values().any(|row| row["customer_id"] == CUSTOMER));
}

#[apply(on_both_databases)]
async fn after_a_restore_the_destination_is_what_the_restored_tables_are(database: Database) {
    let app = App::synced(database, 20).await;
    let warehouse = Warehouse::new().await;
    warehouse.is_destination_of(&app, port()).await;
    write(&app).await;
    // As in a backup that lacks some rows and has others as they were.
    app.database
        .execute("DELETE FROM engagement_contacts WHERE id IN (SELECT id FROM engagement_contacts ORDER BY id LIMIT 3)")
        .await;
    app.database
        .execute("UPDATE engagement_contacts SET job_title = 'Of the backup'")
        .await;
    app.store.restamp().await.unwrap();
    write(&app).await;
    equal(&app, &warehouse, SCHEMA).await;
}

#[apply(on_both_databases)]
async fn a_table_of_an_earlier_version_gets_the_columns_that_it_lacks(database: Database) {
    let app = App::synced(database, 10).await;
    let warehouse = Warehouse::new().await;
    let destination = warehouse.is_destination_of(&app, port()).await;
    write(&app).await;
    for sql in [
        "ALTER TABLE warehouse.engagement_contacts DROP COLUMN job_title",
        "ALTER TABLE warehouse.engagement_contacts ADD COLUMN note text",
        "UPDATE warehouse.engagement_contacts SET note = 'ours'",
        "DELETE FROM warehouse.syncline_checkpoints",
    ] {
        warehouse.database.execute(sql).await;
    }
    update(&app, &warehouse, &destination, 1).await;
    write(&app).await;
    equal(&app, &warehouse, SCHEMA).await;
    let notes = "SELECT count(*) FROM warehouse.engagement_contacts WHERE note = 'ours'";
    assert_ne!(
        warehouse.database.count(notes).await,
        0,
        "columns of others stay"
    );
    // A column that others gave another type is named.
    for sql in [
        "ALTER TABLE warehouse.engagement_users DROP COLUMN first_name",
        "ALTER TABLE warehouse.engagement_users ADD COLUMN first_name bigint",
    ] {
        warehouse.database.execute(sql).await;
    }
    update(&app, &warehouse, &destination, 2).await;
    write(&app).await;
    let failing = shown(&app, &destination).await;
    let error = failing["failure"]["error"].as_str().unwrap();
    assert!(
        error.contains("first_name") && error.contains("bigint"),
        "{error}"
    );
}

async fn update(app: &App, warehouse: &Warehouse, destination: &Value, version: i64) {
    let mut body = warehouse.body(port()).await;
    body["version"] = json!(version);
    let path = format!("{DESTINATIONS}/{}", destination["id"].as_str().unwrap());
    app.put(&path, body).await.ok();
}

#[apply(on_both_databases)]
async fn a_test_says_what_is_wrong(database: Database) {
    let app = App::with_contacts(database, 0).await;
    let warehouse = Warehouse::new().await;
    let good = warehouse.body(port()).await;
    let test = async |change: &dyn Fn(&mut Value)| {
        let mut body = good.clone();
        change(&mut body["config"]);
        body.as_object_mut().unwrap().remove("name");
        app.post(&format!("{DESTINATIONS}/_test"), body).await.ok()
    };
    assert_eq!(
        test(&|_| {}).await,
        json!({"success": true, "message": null})
    );
    let tables = "SELECT count(*) FROM pg_tables WHERE schemaname = 'warehouse'";
    assert_eq!(
        warehouse.database.count(tables).await,
        0,
        "a test leaves nothing"
    );
    for (field, value, said) in [
        ("password", json!("wrong"), "password"),
        ("database", json!("nowhere"), "database"),
        ("schema", json!("nowhere"), "does not exist: create it"),
        ("port", json!(1), "connection"),
    ] {
        let answer = test(&|config: &mut Value| config[field] = value.clone()).await;
        assert_eq!(answer["success"], false, "{field}");
        let message = answer["message"].as_str().unwrap();
        assert!(message.contains(said), "{field}: {message}");
    }
    // Roles are the cluster's, which other tests share.
    let reader = format!("reader_{:016x}", rand::random::<u64>());
    let create = format!("CREATE ROLE {reader} LOGIN PASSWORD 'reads'");
    warehouse.database.execute(&create).await;
    let as_reader = |config: &mut Value| {
        config["user"] = json!(reader);
        config["password"] = json!("reads");
    };
    let answer = test(&as_reader).await;
    let message = answer["message"].as_str().unwrap();
    assert!(message.contains("lacks a right"), "{message}");
    warehouse
        .database
        .execute(&format!("DROP ROLE {reader}"))
        .await;
}

#[apply(on_both_databases)]
async fn an_erased_person_is_removed_there_too(database: Database) {
    let app = App::synced(database, 20).await;
    let warehouse = Warehouse::new().await;
    warehouse.is_destination_of(&app, port()).await;
    write(&app).await;
    let contact = app
        .all_records("contacts")
        .await
        .into_iter()
        .find(|it| it["email_addresses"][0]["email_address"].is_string())
        .unwrap();
    let email = contact["email_addresses"][0]["email_address"]
        .as_str()
        .unwrap();
    let path = format!("/mgmt/v2/customers/{CUSTOMER}/records?email={email}");
    let receipt = app.delete(&path).await.ok();
    assert_eq!(receipt["destinations"], json!(["Warehouse"]));
    write(&app).await;
    let rows = warehouse.rows_of(SCHEMA).await;
    let id = contact["id"].as_str().unwrap();
    assert!(!rows.is_empty());
    for (key, row) in &rows {
        assert_ne!(key.1, id);
        assert!(!row.to_string().contains(email), "{key:?}");
    }
    // Who is still at the provider is read again, and written again.
    app.after(TimeDelta::hours(1)).await;
    write(&app).await;
    equal(&app, &warehouse, SCHEMA).await;
}

#[apply(on_both_databases)]
async fn a_stricter_policy_reaches_the_destination(database: Database) {
    let app = App::synced(database, 20).await;
    let warehouse = Warehouse::new().await;
    warehouse.is_destination_of(&app, port()).await;
    write(&app).await;
    crate::store_policy::set_policy(&app, "contact", json!({"store": {"fields": ["job_title"]}}))
        .await;
    crate::store_policy::carry_out(&app).await;
    write(&app).await;
    equal(&app, &warehouse, SCHEMA).await;
    let left = format!(
        "SELECT count(*) FROM {SCHEMA}.engagement_contacts
         WHERE last_name IS NOT NULL OR raw_data <> 'null' OR email_addresses <> '[]'"
    );
    assert_eq!(warehouse.database.count(&left).await, 0);
    crate::store_policy::set_policy(&app, "contact", json!({"store": "none"})).await;
    crate::store_policy::carry_out(&app).await;
    write(&app).await;
    let all = format!("SELECT count(*) FROM {SCHEMA}.engagement_contacts");
    assert_eq!(warehouse.database.count(&all).await, 0);
    let users = format!("SELECT count(*) FROM {SCHEMA}.engagement_users");
    assert_ne!(warehouse.database.count(&users).await, 0);
}
