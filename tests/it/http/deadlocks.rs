//! A transaction that PostgreSQL rolls back because of a deadlock is retried, or answered with a
//! 503. It is not a 500, and leaves nothing behind.

use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::support::{Answer, App, CUSTOMER, Database, MASTER_KEY};

/// The first `times` statements that touch `table` fail with PostgreSQL's deadlock error. (A
/// sequence also counts statements that are rolled back.)
async fn deadlocks(app: &App, table: &str, times: u32) {
    for sql in [
        "CREATE SEQUENCE deadlocks".to_owned(),
        format!(
            "CREATE FUNCTION deadlock() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                IF nextval('deadlocks') <= {times} THEN
                    RAISE EXCEPTION 'deadlock detected' USING ERRCODE = 'deadlock_detected';
                END IF;
                RETURN NULL;
             END $$"
        ),
        format!(
            "CREATE TRIGGER deadlock AFTER INSERT OR UPDATE OR DELETE ON {table}
             FOR EACH STATEMENT EXECUTE FUNCTION deadlock()"
        ),
    ] {
        app.database.execute(&sql).await;
    }
}

/// A change by a caller, and the table that it changes.
const CHANGES: [(&str, &str); 5] = [
    ("customers", "put a customer"),
    ("connections", "post a connection"),
    ("syncs", "pause a sync"),
    ("connections", "delete a connection"),
    ("engagement_contacts", "update a contact"),
];

async fn change(app: &App, what: &str) -> Answer {
    let connections = format!("/mgmt/v2/customers/{CUSTOMER}/connections");
    match what {
        "put a customer" => app.put_customer("another").await,
        "post a connection" => app.post_connection("without-connection", MASTER_KEY).await,
        "pause a sync" => {
            let sync = json!({"object_type": "common", "object": "user"});
            app.post("/mgmt/v2/syncs/_pause", sync).await
        }
        "delete a connection" => app.delete(&format!("{connections}/apollo")).await,
        "update a contact" => {
            let id = app.apollo.read(0, |team| team.contact_ids()[0].clone());
            let body = json!({"record": {"job_title": "Astronaut"}});
            let url = format!("/engagement/v2/contacts/{id}");
            app.send(Method::PATCH, &url, Some(body)).await
        }
        other => unreachable!("{other}"),
    }
}

#[tokio::test]
async fn a_change_that_loses_deadlocks_is_made_all_the_same() {
    for (table, what) in CHANGES {
        let app = App::synced(Database::postgres().await, 3).await;
        app.put_customer("without-connection").await.ok();
        deadlocks(&app, table, 2).await;
        let answer = change(&app, what).await;
        assert!(answer.status.is_success(), "{what}: {}", answer.body);
        assert_eq!(answer.body["warnings"], json!(null), "{what}");
        let tried = "SELECT last_value FROM deadlocks";
        assert!(
            app.database.count(tried).await > 2,
            "{what} met no deadlock"
        );
    }
}

#[tokio::test]
async fn a_change_that_loses_every_deadlock_is_a_503_and_leaves_nothing() {
    for (table, what) in &CHANGES[..4] {
        let app = App::synced(Database::postgres().await, 3).await;
        app.put_customer("without-connection").await.ok();
        deadlocks(&app, table, 1000).await;
        let before = rows(&app).await;
        let answer = change(&app, what).await;
        assert_eq!(
            answer.status,
            StatusCode::SERVICE_UNAVAILABLE,
            "{what}: {}",
            answer.body
        );
        assert_eq!(rows(&app).await, before, "{what}");
    }
}

async fn rows(app: &App) -> Vec<i64> {
    let mut counts = Vec::new();
    for sql in [
        "SELECT count(*) FROM customers",
        "SELECT count(*) FROM connections",
        "SELECT count(*) FROM syncs",
        "SELECT count(*) FROM syncs WHERE paused",
        "SELECT count(*) FROM engagement_contacts",
    ] {
        counts.push(app.database.count(sql).await);
    }
    counts
}
