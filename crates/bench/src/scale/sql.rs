//! The SQL differences between the databases in the filling statements: times, series and ids.

use crate::database::Open;

/// An expression for now plus this many seconds.
pub(crate) fn now_plus(open: &Open, seconds: &str) -> String {
    if open.is_postgres() {
        format!("(date_trunc('milliseconds', now()) + ({seconds}) * interval '1 second')")
    } else {
        format!("strftime('%Y-%m-%dT%H:%M:%fZ', 'now', ({seconds}) || ' seconds')")
    }
}

/// The head of a statement: a table `n (i)` of the numbers from 1.
pub(crate) fn numbers(up_to: u64) -> String {
    format!("WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {up_to}) ")
}

/// The first half of an id that is this many seconds old: ids sort by age.
pub(crate) fn id_of_age(open: &Open, seconds: &str) -> String {
    let hex = if open.is_postgres() {
        let now = "extract(epoch FROM now()) * 1000";
        format!("lpad(to_hex(CAST({now} - ({seconds}) * 1000.0 AS bigint)), 12, '0')")
    } else {
        let now = "unixepoch('now') * 1000";
        format!("printf('%012x', CAST({now} - ({seconds}) * 1000.0 AS integer))")
    };
    format!("substr({hex}, 1, 8) || '-' || substr({hex}, 9, 4) || '-7000-8000-'")
}

/// A number as the last part of an id.
pub(crate) fn id_end(open: &Open, number: &str) -> String {
    if open.is_postgres() {
        format!("lpad(to_hex(CAST({number} AS bigint)), 12, '0')")
    } else {
        format!("printf('%012x', {number})")
    }
}

/// The seconds from a moment, given as text, to a column.
pub(crate) fn seconds_since(open: &Open, moment: &str, column: &str) -> String {
    if open.is_postgres() {
        format!("CAST(extract(epoch FROM {column} - timestamptz '{moment}') AS float8)")
    } else {
        format!("(julianday({column}) - julianday('{moment}')) * 86400.0")
    }
}

/// An expression for a time, as text.
pub(crate) fn as_text(open: &Open, time: &str) -> String {
    if open.is_postgres() {
        format!("CAST({time} AS text)")
    } else {
        time.to_owned()
    }
}
