//! PostgreSQL's connections: whether there are enough, and whether a pooler in between can be used.

use syncline_store::{Pooler, PostgresFacts, examine_postgres};

use super::report::Report;

const CONNECTIONS: &str = "connections";
const POOLER: &str = "pooler";
/// Every process watches the database on a connection of its own.
const WATCHER: i64 = 1;

pub(super) async fn look_at(report: &mut Report, url: &str, max_connections: u32) {
    // The line about the database reports that it can't be reached.
    let Ok(facts) = examine_postgres(url).await else {
        return;
    };
    connections(report, &facts, i64::from(max_connections) + WATCHER);
    if let Some(pooler) = facts.pooler {
        between(report, pooler, &facts);
    }
}

/// Whether a process can open as many connections as it may need.
fn connections(report: &mut Report, facts: &PostgresFacts, wanted: i64) {
    let PostgresFacts {
        max_connections,
        used_connections,
        ..
    } = facts;
    let said = format!(
        "a process opens up to {wanted}; the server allows {max_connections}, {used_connections} \
         are in use now"
    );
    let processes = max_connections / wanted.max(1);
    if facts.pooler.is_some() {
        // The pooler opens its own connections, and has its own limit.
        report.ok(CONNECTIONS, said);
    } else if processes == 0 {
        report.bad(
            CONNECTIONS,
            format!(
                "{said}: lower database.max_connections, or raise the server's max_connections"
            ),
        );
    } else {
        report.ok(
            CONNECTIONS,
            format!("{said}: enough for {processes} processes"),
        );
    }
}

fn between(report: &mut Report, pooler: Pooler, facts: &PostgresFacts) {
    match pooler {
        Pooler::Session => report.ok(
            POOLER,
            "connected through a pooler in session mode: its pool must have as many connections",
        ),
        Pooler::Transaction {
            keeps_statements: false,
        } => report.bad(
            POOLER,
            "connected through a pooler in transaction mode that loses prepared statements: use \
             pool_mode = session, or PgBouncer 1.21 or newer with max_prepared_statements = 200",
        ),
        Pooler::Transaction { .. } if facts.locks_are_bounded => report.ok(
            POOLER,
            "connected through a pooler in transaction mode that keeps prepared statements",
        ),
        Pooler::Transaction { .. } => report.note(
            POOLER,
            "connected through a pooler in transaction mode, which loses session settings: \
             ALTER ROLE … SET lock_timeout = '30s' and idle_in_transaction_session_timeout = \
             '30s', or use pool_mode = session",
        ),
    }
}
