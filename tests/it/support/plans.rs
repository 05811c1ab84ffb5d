//! The query plans of the statements that were really sent.
//!
//! [`recorded`] records every statement of a piece of work, from sqlx's log events. SQLite is asked
//! for the plans afterwards. PostgreSQL logs what it did, with the real parameters and row counts,
//! by its `auto_explain` ([`explaining`]).

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    str::FromStr,
    sync::{
        Mutex, Once,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use futures::{FutureExt, future::LocalBoxFuture};
use serde_json::Value;
use sqlx::{AssertSqlSafe, Connection, Row, SqliteConnection, sqlite::SqliteConnectOptions};
use tracing::{
    Event, Id, Instrument, Subscriber,
    field::{Field, Visit},
    span::Attributes,
};
use tracing_subscriber::{
    Layer, filter::filter_fn, layer::Context, prelude::*, registry::LookupSpan,
};

use super::Database;

/// How many rows of its history a statement may touch on PostgreSQL.
const MOST_ROWS: f64 = 1000.0;

/// What was recorded during one piece of work.
#[derive(Default)]
struct Recording {
    statements: BTreeSet<String>,
    /// The plans that PostgreSQL logged, as JSON.
    plans: Vec<String>,
}

static RECORDINGS: Mutex<BTreeMap<u64, Recording>> = Mutex::new(BTreeMap::new());
static NEXT: AtomicU64 = AtomicU64::new(1);
/// The recording of everything that the process sends, while that is recorded.
const ALL: u64 = 0;
static RECORDS_ALL: AtomicBool = AtomicBool::new(false);

/// Makes PostgreSQL log the plan of each statement. Must be called before the first connection to
/// the database.
pub(crate) async fn explaining(database: &Database) {
    if !database.is_postgres {
        return;
    }
    let name = database.text("SELECT current_database()::text").await;
    let name = name.unwrap();
    for setting in [
        "session_preload_libraries = 'auto_explain'",
        "auto_explain.log_min_duration = 0",
        "auto_explain.log_analyze = on",
        "auto_explain.log_timing = off",
        "auto_explain.log_format = json",
        "auto_explain.log_level = notice",
        "auto_explain.log_nested_statements = on",
    ] {
        let sql = format!("ALTER DATABASE {name} SET {setting}");
        database.execute(&sql).await;
    }
}

/// Does some work and returns what is wrong with the plans of its statements: reads of the history
/// that is kept in `tables`.
pub(crate) fn reads_of_history<'a>(
    database: &'a Database,
    tables: &'a [&'a str],
    work: impl Future<Output = ()> + 'a,
) -> LocalBoxFuture<'a, Vec<String>> {
    // Boxed: the work is large.
    async move {
        let recording = recorded(work).await;
        assert!(!recording.statements.is_empty(), "no statement was sent");
        let mut faults = BTreeSet::new();
        if database.is_postgres {
            assert!(!recording.plans.is_empty(), "auto_explain told nothing");
            for told in &recording.plans {
                faults.extend(postgres_reads(told, tables));
            }
        } else {
            for sql in &recording.statements {
                let reads = sqlite_reads(database, sql, tables).await;
                faults.extend(
                    reads
                        .iter()
                        .map(|read| format!("{read}: {}", one_line(sql))),
                );
            }
        }
        faults.into_iter().collect()
    }
    .boxed_local()
}

/// Splits PostgreSQL's tables of records by customer, as docs/sizing.md does. Before the first sync.
pub(crate) async fn partition_records(database: &Database) {
    let recipe = include_str!("../../../docs/sizing.md");
    let (_, recipe) = recipe.split_once("```sql\nDO $$").expect("the recipe");
    let (recipe, _) = recipe.split_once("```").unwrap();
    database.execute(&format!("DO $$ {recipe}")).await;
}

/// Does some work and returns the statements that read more than one part of a table of records. It
/// records what the whole process sends.
pub(crate) async fn reads_of_several_parts(work: impl Future<Output = ()>) -> Vec<String> {
    subscribe();
    RECORDS_ALL.store(true, Ordering::Relaxed);
    work.await;
    RECORDS_ALL.store(false, Ordering::Relaxed);
    let recording = RECORDINGS.lock().unwrap().remove(&ALL).unwrap_or_default();
    let mut faults = BTreeSet::new();
    let mut read = BTreeSet::new();
    for told in &recording.plans {
        let plan: Value = serde_json::from_str(told).unwrap();
        let mut parts = BTreeSet::new();
        parts_read(&plan["Plan"], &mut parts);
        let sql = one_line(plan["Query Text"].as_str().unwrap());
        let tables: BTreeSet<&str> = parts.iter().map(|(table, _)| table.as_str()).collect();
        if tables.len() < parts.len() {
            faults.insert(format!("{parts:?}: {sql}"));
        }
        read.extend(tables.into_iter().map(str::to_owned));
    }
    assert_eq!(read.len(), 6, "not all tables were read: {read:?}");
    faults.into_iter().collect()
}

/// The parts of tables that a plan really read, as table and number.
fn parts_read(node: &Value, found: &mut BTreeSet<(String, String)>) {
    let kind = node["Node Type"].as_str().unwrap_or_default();
    let loops = node["Actual Loops"].as_f64().unwrap_or_default();
    let part = node["Relation Name"]
        .as_str()
        .and_then(|name| name.rsplit_once("_part_"));
    if let Some((table, number)) = part
        && kind.contains("Scan")
        && loops > 0.0
    {
        found.insert((table.to_owned(), number.to_owned()));
    }
    for child in node["Plans"].as_array().into_iter().flatten() {
        parts_read(child, found);
    }
}

/// The large reads in a plan that PostgreSQL logged.
fn postgres_reads(told: &str, tables: &[&str]) -> Vec<String> {
    let plan: Value = serde_json::from_str(told).unwrap();
    let mut reads = Vec::new();
    large_reads(&plan["Plan"], tables, &mut reads);
    let sql = one_line(plan["Query Text"].as_str().unwrap());
    reads.iter().map(|read| format!("{read}: {sql}")).collect()
}

async fn recorded(work: impl Future<Output = ()>) -> Recording {
    subscribe();
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    work.instrument(tracing::info_span!("recorded", number))
        .await;
    let recordings = RECORDINGS.lock().unwrap().remove(&number);
    recordings.unwrap_or_default()
}

fn subscribe() {
    static SUBSCRIBED: Once = Once::new();
    SUBSCRIBED.call_once(|| {
        let ours = filter_fn(|it| it.target().starts_with("sqlx::") || it.name() == "recorded");
        tracing_subscriber::registry()
            .with(Recorder.with_filter(ours))
            .init();
    });
}

/// Records what sqlx logs within a span of [`recorded`]. Spans are passed on to SQLite's threads.
struct Recorder;

impl<S: Subscriber + for<'s> LookupSpan<'s>> Layer<S> for Recorder {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        if let (Some(span), Some(number)) = (context.span(id), fields.number) {
            span.extensions_mut().insert(number);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut spans = context.event_scope(event).into_iter().flatten();
        let number = spans.find_map(|span| span.extensions().get::<u64>().copied());
        let everything = RECORDS_ALL.load(Ordering::Relaxed).then_some(ALL);
        let Some(number) = number.or(everything) else {
            return;
        };
        let mut fields = Fields::default();
        event.record(&mut fields);
        let mut recordings = RECORDINGS.lock().unwrap();
        let recording = recordings.entry(number).or_default();
        match event.metadata().target() {
            "sqlx::query" => {
                let whole = fields.statement.trim();
                let short = fields.summary.trim();
                let text = if whole.is_empty() { short } else { whole };
                recording.statements.insert(text.to_owned());
            }
            "sqlx::postgres::notice" => {
                let plan = fields.message.split_once("plan:\n");
                recording
                    .plans
                    .extend(plan.map(|(_, plan)| plan.to_owned()));
            }
            _ => {}
        }
    }
}

#[derive(Default)]
struct Fields {
    number: Option<u64>,
    statement: String,
    summary: String,
    message: String,
}

impl Visit for Fields {
    fn record_u64(&mut self, field: &Field, value: u64) {
        if field.name() == "number" {
            self.number = Some(value);
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "db.statement" => value.clone_into(&mut self.statement),
            "summary" => value.clone_into(&mut self.summary),
            "message" => value.clone_into(&mut self.message),
            _ => {}
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        if field.name() == "message" {
            write!(self.message, "{value:?}").unwrap();
        }
    }
}

/// The parts of a plan in which PostgreSQL read much of a table.
fn large_reads(node: &Value, tables: &[&str], found: &mut Vec<String>) {
    let kind = node["Node Type"].as_str().unwrap_or_default();
    if let Some(table) = node["Relation Name"].as_str()
        && tables.contains(&table)
    {
        let number = |name: &str| node[name].as_f64().unwrap_or_default();
        let rows = number("Actual Rows")
            + number("Rows Removed by Filter")
            + number("Rows Removed by Index Recheck");
        let rows = rows * number("Actual Loops");
        if kind == "Seq Scan" && number("Actual Loops") > 0.0 {
            found.push(format!("the whole of {table}"));
        } else if kind != "ModifyTable" && rows > MOST_ROWS {
            let index = node["Index Name"].as_str().unwrap_or_default();
            found.push(format!("{rows} rows of {table} by {kind} {index}"));
        }
    }
    for child in node["Plans"].as_array().into_iter().flatten() {
        large_reads(child, tables, found);
    }
}

/// The parts of a statement's plan that scan a table of history, or read much of it through an
/// index that is not selective.
async fn sqlite_reads(database: &Database, sql: &str, tables: &[&str]) -> Vec<String> {
    let verb = sql.split_whitespace().next().unwrap_or_default();
    if !["SELECT", "INSERT", "UPDATE", "DELETE", "WITH"].contains(&verb) {
        return Vec::new();
    }
    let options = SqliteConnectOptions::from_str(&database.url).unwrap();
    let mut c = SqliteConnection::connect_with(&options).await.unwrap();
    let explain = AssertSqlSafe(format!("EXPLAIN QUERY PLAN {sql}"));
    let rows = sqlx::query(explain).fetch_all(&mut c).await;
    let rows = rows.unwrap_or_else(|error| panic!("{error}: {sql}"));
    let plan: Vec<String> = rows.iter().map(|row| row.get("detail")).collect();
    let names = names_of(sql, tables);
    // Rows that come in the order of an index are read only up to the limit.
    let stops = sql.contains("LIMIT") && !plan.iter().any(|it| it.contains("FOR ORDER BY"));
    let mut found = Vec::new();
    for step in &plan {
        let words: Vec<&str> = step.split_whitespace().collect();
        let ours = words.get(1).is_some_and(|name| names.contains(*name));
        let index = words.iter().skip_while(|word| **word != "INDEX").nth(1);
        let all = words[0] == "SCAN";
        let wide = ["(application_id=?)", "(connection_id=?)", "(sync_id=?)"];
        let much = all || (!stops && words.last().is_some_and(|key| wide.contains(key)));
        if ours && much && !is_partial(&mut c, index).await {
            found.push(step.clone());
        }
    }
    c.close().await.unwrap();
    found
}

/// A partial index of active rows is small.
async fn is_partial(c: &mut SqliteConnection, index: Option<&&str>) -> bool {
    let Some(index) = index else { return false };
    let sql = "SELECT sql FROM sqlite_master WHERE type = 'index' AND name = $1";
    let text: Option<Option<String>> = sqlx::query_scalar(sql)
        .bind(*index)
        .fetch_optional(c)
        .await
        .unwrap();
    text.flatten().is_some_and(|text| text.contains(" WHERE "))
}

/// The names and aliases that a statement uses for those tables.
fn names_of(sql: &str, tables: &[&str]) -> BTreeSet<String> {
    const NO_NAMES: [&str; 12] = [
        "WHERE", "JOIN", "ON", "SET", "LEFT", "CROSS", "ORDER", "GROUP", "LIMIT", "UNION", "AS",
        "SELECT",
    ];
    let words: Vec<&str> = sql
        .split(|c: char| !(c.is_alphanumeric() || c == '_'))
        .filter(|word| !word.is_empty())
        .collect();
    let mut names = BTreeSet::new();
    for (place, word) in words.iter().enumerate() {
        if tables.contains(word) {
            names.insert((*word).to_owned());
            let next = words.get(place + 1).filter(|it| !NO_NAMES.contains(it));
            names.extend(next.map(|it| (*it).to_owned()));
        }
    }
    names
}

fn one_line(sql: &str) -> String {
    sql.split_whitespace().collect::<Vec<_>>().join(" ")
}
