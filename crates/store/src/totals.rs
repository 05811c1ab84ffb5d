//! The number of rows in a list, counted as far as that is cheap.
//!
//! A list can have millions of rows, and each of its pages shows the total. So at most [`COUNTED`]
//! matches are counted, among at most [`LOOKED_AT`] newest rows; beyond that the total is a lower
//! bound.

use sqlx_macros::FromRow;

/// The maximum count.
const COUNTED: i64 = 10_000;
/// The number of newest rows among which a filter's matches are counted. Repeated in `total_sql!`.
const LOOKED_AT: i64 = 50_000;

/// The length of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Total {
    pub count: i64,
    /// If `false`, there are at least this many.
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

/// The result of `total_sql!`.
#[derive(FromRow)]
pub(crate) struct Counted {
    /// At most one more than [`COUNTED`].
    matching: i64,
    /// At most one more than [`LOOKED_AT`].
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

/// Counts a table's rows that match `$there`, and the newest of them that match `$matching`, which
/// can use these columns.
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
