//! PostgreSQL's connections: whether there are enough, and whether what hands them out can be used.

use syncline_store::{Pooler, PostgresFacts, examine_postgres};

use super::report::Report;

const CONNECTIONS: &str = "connections";
const POOLER: &str = "pooler";
/// Every process watches the database on one of its own.
const WATCHER: i64 = 1;

pub(super) async fn look_at(report: &mut Report, url: &str, max_connections: u32) {
    // That it can't be reached is said of the database.
    let Ok(facts) = examine_postgres(url).await else {
        return;
    };
    connections(report, &facts, i64::from(max_connections) + WATCHER);
    if let Some(pooler) = facts.pooler {
        between(report, pooler, &facts);
    }
}

/// Whether a process gets as many as it may open.
fn connections(report: &mut Report, facts: &PostgresFacts, wanted: i64) {
    let PostgresFacts {
        max_connections,
        used_connections,
        ..
    } = facts;
    let said = format!(
        "a process opens up to {wanted}; the server gives {max_connections}, {used_connections} are \
         in use now"
    );
    let processes = max_connections / wanted.max(1);
    if facts.pooler.is_some() {
        // The pooler opens others, and has a setting of its own for how many.
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
            "a pooler in session mode is in between: its pool needs a connection for each of ours",
        ),
        Pooler::Transaction {
            keeps_statements: false,
        } => report.bad(
            POOLER,
            "a pooler in transaction mode is in between and loses prepared statements: use \
             pool_mode = session, or PgBouncer 1.21 or newer with max_prepared_statements = 200",
        ),
        Pooler::Transaction { .. } if facts.locks_are_bounded => report.ok(
            POOLER,
            "a pooler in transaction mode is in between, which keeps prepared statements",
        ),
        Pooler::Transaction { .. } => report.note(
            POOLER,
            "a pooler in transaction mode is in between, so that settings of a session get lost: \
             ALTER ROLE … SET lock_timeout = '30s' and idle_in_transaction_session_timeout = \
             '30s', or use pool_mode = session",
        ),
    }
}
