//! How many rows a list has, counted as far as that costs little.
//!
//! A list can have millions of rows, and each of its pages says how many. So matches are counted up to
//! [`COUNTED`], among the newest rows that one look may take ([`LOOKED_AT`]); what is beyond is said
//! to be more.

use sqlx_macros::FromRow;

/// More than so many are not counted.
const COUNTED: i64 = 10_000;
/// Rows among which matches of a filter are counted: the newest ones. `total_sql!` says it in SQL.
const LOOKED_AT: i64 = 50_000;

/// The length of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Total {
    pub count: i64,
    /// Otherwise there are at least as many.
    pub is_exact: bool,
}

impl Total {
    pub fn exactly(count: i64) -> Self {
        Self {
            count,
            is_exact: true,
        }
    }
}

/// What `total_sql!` answers.
#[derive(FromRow)]
pub(crate) struct Counted {
    /// One more than [`COUNTED`] at most.
    matching: i64,
    /// One more than [`LOOKED_AT`] at most.
    there: i64,
}

impl From<Counted> for Total {
    fn from(counted: Counted) -> Self {
        Self {
            count: counted.matching.min(COUNTED),
            is_exact: counted.matching <= COUNTED && counted.there <= LOOKED_AT,
        }
    }
}

/// Counts the rows of a table that are `$there`, and, among their newest ones, those that are
/// `$matching`, which sees these columns.
macro_rules! total_sql {
    ($table:literal, $columns:literal, $there:expr, $matching:expr) => {
        concat!(
            "SELECT (SELECT count(*) FROM (SELECT 1 FROM (SELECT ",
            $columns,
            " FROM ",
            $table,
            " WHERE ",
            $there,
            " ORDER BY id DESC LIMIT 50000) ",
            $table,
            " WHERE ",
            $matching,
            " LIMIT 10001) counted) AS matching,
             (SELECT count(*) FROM (SELECT 1 FROM ",
            $table,
            " WHERE ",
            $there,
            " LIMIT 50001) looked_at) AS there"
        )
    };
}
pub(crate) use total_sql;
