//! Frequent statements cost the same with a long history as with a short one.
//!
//! The database has a hundred connections and 90 days of finished runs. The work is really done,
//! and the plan of every statement is checked (`support/plans.rs`): none may read the history. To
//! add statements, do the work that sends them within [`reads_of_history`]; to add a table that
//! keeps history, fill it in [`with_history`] and name it in [`HISTORY`].

use chrono::TimeDelta;
use macro_rules_attribute::apply;
use serde_json::json;
use syncline_store::{ApprovalStatus, Expired, PageRequest, RunFilter, SyncFilter};

use crate::agents;
use crate::support::{App, CUSTOMER, Database, explaining, on_both_databases, reads_of_history};

/// The tables that grow with time.
const HISTORY: [&str; 6] = [
    "sync_runs",
    "sync_run_pages",
    "record_history",
    "approvals",
    "agent_credits",
    "request_counts",
];

#[apply(on_both_databases)]
async fn the_queue_reads_no_history(database: Database) {
    let app = with_history(database).await;
    let faults = reads_of_history(&app.database, &HISTORY, async {
        app.engine.tick().await.unwrap();
        app.engine.claim(16).await.unwrap();
        app.clock.advance(TimeDelta::minutes(1));
        app.engine.tick().await.unwrap();
    })
    .await;
    assert!(faults.is_empty(), "{faults:#?}");
}

#[apply(on_both_databases)]
async fn a_scan_reads_no_history_from_its_first_page_to_its_end(database: Database) {
    let app = with_history(database).await;
    app.apollo.edit(0, |team| {
        for contact in &team.contact_ids()[..2] {
            team.delete_contact(contact).unwrap();
        }
    });
    let faults = reads_of_history(&app.database, &HISTORY, async {
        app.engine.tick().await.unwrap();
        let scans = app.engine.claim(1).await.unwrap();
        let scan = &scans[0].scan;
        assert!(
            app.store
                .extend_lease(scan, TimeDelta::seconds(30))
                .await
                .unwrap()
        );
        app.store.others_are_due(scan).await.unwrap();
        assert!(app.store.release_scan(scan).await.unwrap());
        app.work_off().await;
    })
    .await;
    assert_eq!(
        app.newest_run(CUSTOMER, "contact").await["records_deleted"],
        2
    );
    assert!(faults.is_empty(), "{faults:#?}");
}

#[apply(on_both_databases)]
async fn a_page_of_sync_runs_reads_no_more_of_them(database: Database) {
    let app = with_history(database).await;
    let application = app
        .store
        .find_or_create_application("default", &crate::support::enabled())
        .await
        .unwrap();
    let tenant = app.store.tenant(&application.id);
    let faults = reads_of_history(&app.database, &HISTORY, async {
        for customer_id in [None, Some(CUSTOMER.to_owned()), Some("nobody".to_owned())] {
            for reverse in [false, true] {
                let filter = RunFilter {
                    customer_id: customer_id.clone(),
                    ..RunFilter::default()
                };
                let page = PageRequest {
                    reverse,
                    limit: 50,
                    ..PageRequest::default()
                };
                tenant.list_runs(&filter, &page).await.unwrap();
            }
        }
        let page = PageRequest {
            limit: 50,
            ..PageRequest::default()
        };
        let syncs = tenant
            .list_syncs(&SyncFilter::default(), &page)
            .await
            .unwrap();
        tenant.last_runs(&syncs).await.unwrap();
    })
    .await;
    assert!(faults.is_empty(), "{faults:#?}");
}

#[apply(on_both_databases)]
async fn a_batch_of_old_runs_and_presence_reads_no_more_than_that(database: Database) {
    let app = with_history(database).await;
    let faults = reads_of_history(&app.database, &HISTORY, async {
        for old in [Expired::Runs, Expired::History] {
            app.store.purge(old, app.now(), "").await.unwrap();
        }
    })
    .await;
    assert!(faults.is_empty(), "{faults:#?}");
}

#[apply(on_both_databases)]
async fn what_agents_ask_and_spend_reads_no_history_of_it(database: Database) {
    let app = with_history(database).await;
    let grants = json!({"actions": {"contacts.create": "ask", "people.enrich": "allow"}});
    let key = agents::agent(&app, grants).await;
    let (tenant, agent) = app.store.authenticate(&key).await.unwrap().unwrap();
    for sql in HISTORY_OF_AGENTS {
        app.database.execute(sql).await;
    }
    let apollo = syncline_providers::apollo::NAME;
    let connection = tenant.get_connection(CUSTOMER, apollo).await;
    let connection = connection.unwrap().unwrap();
    let input = json!({"email": "ada@engine.example"});
    let faults = reads_of_history(&app.database, &HISTORY, async {
        let asks = ("contacts.create", &input);
        for _ in 0..2 {
            tenant
                .ask_for_approval(&agent, &connection, asks)
                .await
                .unwrap();
        }
        app.store.expire_approvals().await.unwrap();
        app.store.fail_abandoned_calls(&input).await.unwrap();
        app.store.approved_and_not_begun().await.unwrap();
        let page = PageRequest {
            limit: 50,
            ..PageRequest::default()
        };
        let pending = Some(ApprovalStatus::Pending);
        assert_eq!(
            tenant.list_approvals(pending, &page).await.unwrap().len(),
            1
        );
        let reserved = tenant
            .reserve_credits(&agent, &connection, 1, Some(10))
            .await;
        let reserved = reserved.unwrap().unwrap();
        app.store.settle_credits(&reserved, 1).await.unwrap();
        let since = app.now() - TimeDelta::hours(1);
        let account = &connection.account_id;
        app.store.requests_since(account, since).await.unwrap();
        app.store.sync_requests_since(account, since).await.unwrap();
        app.store
            .credits_since(&connection.id, since)
            .await
            .unwrap();
        for old in [
            Expired::Approvals,
            Expired::AgentCredits,
            Expired::RequestCounts,
        ] {
            app.store
                .purge(old, app.now() - TimeDelta::days(400), "")
                .await
                .unwrap();
        }
    })
    .await;
    assert!(faults.is_empty(), "{faults:#?}");
}

/// What other agents did in 90 days.
const HISTORY_OF_AGENTS: [&str; 5] = [
    "INSERT INTO api_keys (id, application_id, name, key_hash, role, created_at)
     SELECT 'an-old-agent', application_id, name, 'none', role, created_at
     FROM api_keys WHERE role = 'agent'",
    "INSERT INTO approvals
        (id, application_id, api_key_id, requested_by, action, connection_id, customer_id,
         provider_name, input, call_digest, status, requested_at, expires_at, decided_at,
         collected_at)
     SELECT r.id, r.application_id, 'an-old-agent', 'x', 'contacts.create', r.connection_id,
            r.customer_id, r.provider_name, 'x', 'x', 'done', r.created_at, r.created_at, r.created_at,
            r.created_at
     FROM sync_runs r WHERE r.id < '01'",
    "INSERT INTO agent_credits
        (id, application_id, api_key_id, connection_id, reserved_at, credits, settled)
     SELECT id, application_id, 'an-old-agent', connection_id, created_at, 1, TRUE
     FROM sync_runs WHERE id < '01'",
    "INSERT INTO request_counts (account_id, hour, endpoint, sent_by, requests)
     SELECT connection_id, created_at, id, 'api', 1 FROM sync_runs WHERE id < '01'",
    "ANALYZE",
];

/// A connection that is synced, and a hundred others with the same history, twenty of which are
/// due.
async fn with_history(database: Database) -> App {
    explaining(&database).await;
    let app = App::synced(database, 30).await;
    app.clock.advance(TimeDelta::hours(2));
    for sql in HISTORY_OF_90_DAYS {
        app.database.execute(sql).await;
    }
    app
}

const HISTORY_OF_90_DAYS: [&str; 8] = [
    "INSERT INTO customers (application_id, customer_id, name, email, created_at)
     WITH RECURSIVE series (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM series WHERE n < 100)
     SELECT application_id, 'old-' || CAST(n AS text), name, email, created_at
     FROM customers, series",
    "INSERT INTO connections
        (id, application_id, customer_id, provider_id, provider_name, credentials, status,
         capabilities, created_at, account_id, account_known)
     WITH RECURSIVE series (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM series WHERE n < 100)
     SELECT 'c' || CAST(n AS text), application_id, 'old-' || CAST(n AS text), provider_id,
            provider_name, credentials, status, capabilities, created_at,
            'a' || CAST(n AS text), true
     FROM connections, series",
    "INSERT INTO syncs
        (id, application_id, connection_id, sync_config_id, object, period_ms, paused, next_run_at,
         full_refresh, last_stamp_ms, created_at, carried_in)
     WITH RECURSIVE series (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM series WHERE n < 100)
     SELECT object || CAST(n AS text), application_id, 'c' || CAST(n AS text), sync_config_id,
            object, period_ms, n > 20, next_run_at, false, last_stamp_ms, created_at, carried_in
     FROM syncs, series",
    // A run of each sync a day. Their ids are older than those of the existing runs.
    "INSERT INTO sync_runs
        (id, scan_id, application_id, customer_id, provider_name, connection_id, sync_id, object,
         state, due_at, fence, full_refresh, checkpoint, records_read, records_created,
         records_updated, records_unchanged, records_deleted, records_rejected, requests_made,
         num_records_synced, coverage, created_at, started_at, finished_at, resumable, carried_in)
     WITH RECURSIVE series (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM series WHERE n < 90)
     SELECT '00' || CAST(10000 + n AS text) || s.id, '00' || CAST(10000 + n AS text) || s.id,
            s.application_id, c.customer_id, c.provider_name, c.id, s.id, s.object,
            CASE WHEN n % 20 = 0 THEN 'failed' ELSE 'succeeded' END, t.due_at, 1, false,
            t.checkpoint, 0, 0, 0, 0, 0, 0, 1, 0, t.coverage, t.created_at, t.started_at,
            t.finished_at, n % 20 = 0, s.carried_in
     FROM syncs s JOIN connections c ON c.id = s.connection_id, series,
          (SELECT * FROM sync_runs ORDER BY id LIMIT 1) t",
    "INSERT INTO sync_run_pages (run_id, pass, page, ids, rejected)
     SELECT id, 1, 1, '[]', '[]' FROM sync_runs WHERE id < '01' AND id LIKE '%0'",
    "INSERT INTO record_history
        (id, connection_id, object, record_id, run_id, event, reason, recorded_at)
     SELECT id, connection_id, object, id, id, 'missing', 'it was not there', finished_at
     FROM sync_runs WHERE id < '01'",
    "UPDATE syncs SET last_run_id = '0010090' || id WHERE last_run_id IS NULL",
    "ANALYZE",
];
