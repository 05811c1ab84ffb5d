//! Statements of webhooks, the audit log and maintenance cost the same with a long history as with
//! a short one.

use std::time::Duration;

use chrono::{SecondsFormat, TimeDelta};
use macro_rules_attribute::apply;
use syncline_model::{first_id_of, webhook::Attempt};
use syncline_store::{AuditFilter, Expired, MessageFilter, PageRequest};

use super::endpoint;
use crate::support::{App, Receiver, explaining, on_both_databases, reads_of_history};

/// The tables that [`write_history`] makes large. A planner rightly reads the whole of a small one.
const HISTORY: [&str; 3] = ["webhook_deliveries", "outbox", "audit_log"];
const LEASE: TimeDelta = TimeDelta::minutes(1);

#[apply(on_both_databases)]
async fn a_webhook_leaves_without_a_look_at_what_waits_or_was_delivered(database: Database) {
    explaining(&database).await;
    let app = App::with_contacts(database, 0).await;
    let receiver = Receiver::start().await;
    let id = endpoint(&app, &receiver).await["id"]
        .as_str()
        .unwrap()
        .to_owned();
    write_history(&app, &id).await;
    let faults = reads_of_history(&app.database, &HISTORY, async {
        for error in [None, Some("it failed".to_owned())] {
            let due = app.store.due_endpoints(LEASE, 16).await.unwrap();
            assert_eq!(due.len(), 1);
            let leased = app
                .store
                .lease_endpoints(&[&id], "a test", LEASE)
                .await
                .unwrap();
            let delivery = app.store.next_delivery(&leased[0]).await.unwrap().unwrap();
            let attempt = Attempt {
                attempted_at: app.now(),
                duration: Duration::ZERO,
                response_status: Some(200),
                response_body: None,
                error,
                retry_after: None,
            };
            let until = app.now() + LEASE;
            assert!(
                app.store
                    .record_attempt(&leased[0], &delivery, &attempt, until)
                    .await
                    .unwrap()
            );
            app.store.release_endpoint(&leased[0]).await.unwrap();
        }
    })
    .await;
    assert!(faults.is_empty(), "{faults:#?}");
}

#[apply(on_both_databases)]
async fn a_page_of_messages_or_of_the_audit_log_reads_no_more_of_them(database: Database) {
    explaining(&database).await;
    let app = App::with_contacts(database, 0).await;
    let receiver = Receiver::start().await;
    let id = endpoint(&app, &receiver).await["id"]
        .as_str()
        .unwrap()
        .to_owned();
    write_history(&app, &id).await;
    let application = app
        .store
        .find_or_create_application("default", &crate::support::enabled())
        .await
        .unwrap();
    let tenant = app.store.tenant(&application.id);
    let faults = reads_of_history(&app.database, &HISTORY, async {
        for reverse in [false, true] {
            let page = PageRequest {
                reverse,
                limit: 50,
                ..PageRequest::default()
            };
            tenant
                .list_audit_log(&AuditFilter::default(), &page)
                .await
                .unwrap();
            let found = tenant
                .list_webhook_messages(&MessageFilter::default(), &page)
                .await
                .unwrap();
            let ids: Vec<&str> = found.iter().map(|message| message.id.as_str()).collect();
            tenant.webhook_deliveries(&ids).await.unwrap();
            tenant.webhook_attempts(&ids).await.unwrap();
        }
    })
    .await;
    assert!(faults.is_empty(), "{faults:#?}");
}

#[apply(on_both_databases)]
async fn a_batch_of_what_is_old_reads_no_more_than_that(database: Database) {
    explaining(&database).await;
    let app = App::synced(database, 5).await;
    let receiver = Receiver::start().await;
    let id = endpoint(&app, &receiver).await["id"]
        .as_str()
        .unwrap()
        .to_owned();
    write_history(&app, &id).await;
    let faults = reads_of_history(&app.database, &HISTORY, async {
        for old in [
            Expired::Runs,
            Expired::Messages,
            Expired::AuditLog,
            Expired::History,
            Expired::Accounts,
            Expired::MagicLinks,
            Expired::Secrets,
            Expired::Answers,
            Expired::WriteLocks,
            Expired::Deliveries,
        ] {
            app.store.purge(old, app.now(), "").await.unwrap();
        }
    })
    .await;
    assert!(faults.is_empty(), "{faults:#?}");
}

/// Twenty thousand messages that were delivered, two thousand that wait for their first attempt, as
/// many for a retry, and an entry of the audit log for each.
async fn write_history(app: &App, endpoint_id: &str) {
    let at = app.now() - TimeDelta::days(2);
    let prefix = &first_id_of(at)[..18];
    let at = at.to_rfc3339_opts(SecondsFormat::Millis, true);
    let later = (app.now() + TimeDelta::hours(1)).to_rfc3339_opts(SecondsFormat::Millis, true);
    let numbers =
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 24000)";
    for sql in [
        format!(
            "{numbers} INSERT INTO outbox (id, application_id, event_type, payload, created_at)
             SELECT '{prefix}' || CAST(1000000 + i AS text), application_id, 'sync.complete', '{{}}', '{at}'
             FROM n, webhook_endpoints WHERE id = '{endpoint_id}'"
        ),
        format!(
            "{numbers} INSERT INTO webhook_deliveries
                (id, message_id, endpoint_id, state, due_at, attempts_made, schedule, tried_at)
             SELECT '{prefix}' || CAST(1000000 + i AS text), '{prefix}' || CAST(1000000 + i AS text),
                    '{endpoint_id}', CASE WHEN i <= 20000 THEN 'delivered' ELSE 'pending' END,
                    '{later}', CASE WHEN i > 22000 THEN 0 ELSE 1 END, 1, '{at}' FROM n"
        ),
        format!(
            "INSERT INTO webhook_attempts (id, message_id, endpoint_id, attempted_at, duration_ms)
             SELECT id, message_id, endpoint_id, '{at}', 1 FROM webhook_deliveries
             WHERE state = 'delivered'"
        ),
        format!(
            "INSERT INTO audit_log (id, application_id, at, actor, action, result, message)
             SELECT id, application_id, '{at}', 'cli', 'test.write', 'ok', 'old' FROM outbox
             WHERE id LIKE '{prefix}%'"
        ),
        "ANALYZE".to_owned(),
    ] {
        app.database.execute(&sql).await;
    }
}
