//! Fills a large installation: connections created by the service itself, and 90 days of history,
//! written with bulk statements as copies of what the service wrote.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use futures::{StreamExt, TryStreamExt, stream};
use reqwest::Method;
use serde_json::json;

use super::{
    Sizes,
    sql::{as_text, id_end, id_of_age, now_plus, numbers},
};
use crate::{database::Open, service::Service, simulator::Simulator};

/// Concurrent requests.
const AT_ONCE: usize = 8;
/// The timeout of the runs that are the source of the history.
const RUNS_TIMEOUT: Duration = Duration::from_mins(5);
const ACTIVE: &str = "('queued', 'running', 'waiting')";
/// How long nothing is due; less than a period, because due times beyond a period are corrected.
const QUIET_SECONDS: &str = "3000";

/// Creates connections, with syncs that are not due, over HTTP: only the service can seal their
/// keys.
pub(crate) async fn connect_all(
    service: &Service,
    open: &mut Open,
    sizes: &Sizes,
) -> anyhow::Result<()> {
    let start = "default_config,auto_start_on_connection";
    let sql = if open.is_postgres() {
        format!("UPDATE sync_configs SET config = jsonb_set(config, '{{{start}}}', 'false')")
    } else {
        let start = start.replace(',', ".");
        format!("UPDATE sync_configs SET config = json_set(config, '$.{start}', json('false'))")
    };
    // It is created with the application.
    ensure!(open.execute(sql).await? == 1, "there is one sync config");
    stream::iter(0..sizes.connections)
        .map(|number| connect(service, number, sizes.teams))
        .buffer_unordered(AT_ONCE)
        .try_collect::<Vec<()>>()
        .await?;
    make_quiet(open).await
}

async fn connect(service: &Service, number: u32, teams: u32) -> anyhow::Result<()> {
    let id = format!("customer-{number}");
    let customer = json!({"customer_id": id, "name": id, "email": "one@example.com"});
    let put = service.send(Method::PUT, "/mgmt/v2/customers", &customer);
    put.await.context("a customer")?;
    let connection = json!({
        "provider_name": "apollo", "category": "engagement",
        "api_key": Simulator::key_of(number % teams),
    });
    let path = format!("/mgmt/v2/customers/{id}/connections");
    let post = service.send(Method::POST, &path, &connection);
    post.await.context("a connection")?;
    Ok(())
}

/// Removes active runs, and makes nothing due for a while.
pub(crate) async fn make_quiet(open: &mut Open) -> anyhow::Result<()> {
    let later = now_plus(open, QUIET_SECONDS);
    open.execute(format!("DELETE FROM sync_runs WHERE state IN {ACTIVE}"))
        .await?;
    open.execute(format!(
        "UPDATE syncs SET paused = false, paused_reason = NULL, paused_cause = NULL,
                          triggered_at = NULL, next_run_at = {later}"
    ))
    .await?;
    Ok(())
}

/// Has the running service run each sync of the first connections once.
pub(crate) async fn run_some(open: &mut Open, connections: u32) -> anyhow::Result<()> {
    let first = first_connections(connections);
    let now = now_plus(open, "0");
    let due = open
        .execute(format!(
            "UPDATE syncs SET next_run_at = {now} WHERE connection_id IN ({first})"
        ))
        .await?;
    let began = Instant::now();
    loop {
        let done = open
            .count("SELECT count(*) FROM sync_runs WHERE state = 'succeeded'".to_owned())
            .await?;
        if u64::try_from(done)? >= due {
            return Ok(());
        }
        ensure!(
            began.elapsed() < RUNS_TIMEOUT,
            "{done} of {due} runs came to an end"
        );
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// The first connections, which are those with a history.
pub(crate) fn first_connections(count: u32) -> String {
    format!("SELECT id FROM connections ORDER BY id LIMIT {count}")
}

/// Writes an hourly run of each sync of the first connections for this many days, each with its
/// event and an audit log entry. Returns the number of runs.
pub(crate) async fn write_history(open: &mut Open, sizes: &Sizes) -> anyhow::Result<u64> {
    let columns = columns_of(open, "sync_runs").await?;
    let age = "(n.i + 1) * 3600";
    let id = format!("{} || substr(t.id, 25)", id_of_age(open, age));
    let at = now_plus(open, &format!("-({age})"));
    let values: Vec<&str> = columns
        .iter()
        .map(|column| match column.as_str() {
            "id" | "scan_id" => id.as_str(),
            "due_at" | "created_at" | "started_at" | "finished_at" => at.as_str(),
            // Only the newest run of a sync keeps its pages.
            "keeps_pages" => "false",
            _ => column,
        })
        .collect();
    let before = open
        .text("SELECT min(id) FROM sync_runs".to_owned())
        .await?;
    let runs = open
        .execute(format!(
            "{} INSERT INTO sync_runs ({}) SELECT {} FROM n, sync_runs t
             WHERE t.id IN (
                SELECT max(id) FROM sync_runs
                WHERE state = 'succeeded' AND connection_id IN ({})
                GROUP BY sync_id)",
            numbers(u64::from(sizes.history_days) * 24),
            columns.join(", "),
            values.join(", "),
            first_connections(sizes.history_connections)
        ))
        .await?;
    open.execute(format!(
        "INSERT INTO outbox (id, application_id, event_type, payload, created_at)
         SELECT id, application_id, 'sync.complete', '{{}}', finished_at FROM sync_runs
         WHERE id < '{before}'"
    ))
    .await?;
    open.execute(format!(
        "INSERT INTO audit_log (id, application_id, at, actor, action, result, message)
         SELECT id, application_id, finished_at, 'api_key', 'sync.trigger', 'ok', 'somebody asked for it'
         FROM sync_runs WHERE id < '{before}'"
    ))
    .await?;
    settle(open).await?;
    Ok(runs)
}

/// Writes deliveries to an endpoint: delivered ones with an attempt, or pending ones.
pub(crate) async fn write_deliveries(
    open: &mut Open,
    endpoint_id: &str,
    state: Deliveries,
    count: u64,
) -> anyhow::Result<()> {
    let (name, age, attempts) = match state {
        Deliveries::Delivered => ("delivered", "86400", 1),
        Deliveries::Pending => ("pending", "60", 0),
    };
    // The ids must differ from those of an earlier call.
    let offset = open
        .count("SELECT count(*) FROM webhook_deliveries".to_owned())
        .await?;
    let id = format!(
        "{} || {}",
        id_of_age(open, age),
        id_end(open, &format!("n.i + {offset}"))
    );
    let at = now_plus(open, &format!("-{age}"));
    let event = json!({
        "webhook_event_type": "sync.complete", "result": "SUCCESS", "type": "object",
        "object_type": "common", "object": "contact", "num_records_synced": 1000,
        "connection_id": "0199f8a0-0000-7000-8000-000000000000", "customer_id": "customer-1",
    });
    open.execute(format!(
        "{} INSERT INTO outbox (id, application_id, event_type, payload, created_at)
         SELECT {id}, e.application_id, 'sync.complete', '{event}', {at}
         FROM n, webhook_endpoints e WHERE e.id = '{endpoint_id}'",
        numbers(count)
    ))
    .await?;
    open.execute(format!(
        "INSERT INTO webhook_deliveries
            (id, message_id, endpoint_id, state, due_at, attempts_made, schedule)
         SELECT m.id, m.id, '{endpoint_id}', '{name}', m.created_at, {attempts}, 1
         FROM outbox m WHERE NOT EXISTS (
            SELECT 1 FROM webhook_deliveries d WHERE d.message_id = m.id)"
    ))
    .await?;
    if state == Deliveries::Delivered {
        open.execute(
            "INSERT INTO webhook_attempts
                (id, message_id, endpoint_id, attempted_at, duration_ms, response_status,
                 response_body)
             SELECT d.id, d.message_id, d.endpoint_id, d.due_at, 3, 200, 'ok'
             FROM webhook_deliveries d WHERE d.state = 'delivered' AND NOT EXISTS (
                SELECT 1 FROM webhook_attempts a WHERE a.message_id = d.message_id)"
                .to_owned(),
        )
        .await?;
    }
    settle(open).await
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Deliveries {
    Delivered,
    Pending,
}

/// Marks pending deliveries as delivered.
pub(crate) async fn forget_pending(open: &mut Open) -> anyhow::Result<()> {
    open.execute(
        "UPDATE webhook_deliveries SET state = 'delivered' WHERE state = 'pending'".to_owned(),
    )
    .await?;
    Ok(())
}

/// The present time, as text that both the database and `seconds_since` understand.
pub(crate) async fn moment(open: &mut Open) -> anyhow::Result<String> {
    let now = as_text(open, &now_plus(open, "0"));
    Ok(open.text(format!("SELECT {now}")).await?)
}

/// The maintenance that a server would have done by itself meanwhile.
async fn settle(open: &mut Open) -> anyhow::Result<()> {
    let sql = if open.is_postgres() {
        "VACUUM (ANALYZE)"
    } else {
        "PRAGMA wal_checkpoint(TRUNCATE)"
    };
    open.execute(sql.to_owned()).await?;
    Ok(())
}

async fn columns_of(open: &mut Open, table: &str) -> anyhow::Result<Vec<String>> {
    let sql = if open.is_postgres() {
        format!(
            "SELECT CAST(column_name AS text) FROM information_schema.columns
             WHERE table_schema = 'public' AND table_name = '{table}'"
        )
    } else {
        format!("SELECT name FROM pragma_table_info('{table}')")
    };
    Ok(open.texts(sql).await?)
}
