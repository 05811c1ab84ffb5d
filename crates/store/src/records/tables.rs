//! Each object's own columns, besides the common ones, and how a record fills them.
//!
//! One line per object defines them: the `table!` macro generates the column list, the binding of a
//! page's records (as arrays or copied rows on PostgreSQL, as values on SQLite) and the reading of a
//! row.

use sqlx::{
    Postgres, Row as _, Sqlite,
    error::BoxDynError,
    postgres::{PgArguments, PgRow},
    query::Query,
    sqlite::SqliteRow,
    types::Json,
};
use syncline_model::{
    Account, Cell, ColumnType, Common, Contact, Mailbox, Record, Sequence, SequenceState,
    ShareType, User,
};

use super::copy::CopiedRows;

pub(crate) type PgQuery<'q> = Query<'q, Postgres, PgArguments>;
pub(crate) type Values<'q, 'a> = sqlx::query_builder::Separated<'q, Sqlite, &'a str>;

/// A column of one object, with PostgreSQL's type for an array of it, and its type for destinations.
pub struct Column {
    pub(crate) name: &'static str,
    pub(crate) array_type: &'static str,
    pub(crate) exported_as: ColumnType,
    pub(crate) nullable: bool,
}

/// A common record that has its own table.
pub trait Table: Common + Send + Sync + Unpin + 'static {
    #[doc(hidden)]
    const COLUMNS: &'static [Column];
    #[doc(hidden)]
    fn bind_arrays<'q>(query: PgQuery<'q>, records: &[&'q Record<Self>]) -> PgQuery<'q>;
    #[doc(hidden)]
    fn copy_values(rows: &mut CopiedRows, record: &Self) -> Result<(), BoxDynError>;
    #[doc(hidden)]
    fn push_values(values: &mut Values<'_, '_>, record: &Self);
    #[doc(hidden)]
    fn push_cells(&self, cells: &mut Vec<Cell>);
    #[doc(hidden)]
    fn from_pg(row: &PgRow) -> sqlx::Result<Self>;
    #[doc(hidden)]
    fn from_lite(row: &SqliteRow) -> sqlx::Result<Self>;
}

/// How one kind of column is bound and read.
macro_rules! kind {
    (array text) => {
        "text[]"
    };
    (array flag) => {
        "boolean[]"
    };
    (array flag_or_null) => {
        "boolean[]"
    };
    (array count) => {
        "bigint[]"
    };
    (array json) => {
        "jsonb[]"
    };
    (array json_or_null) => {
        "jsonb[]"
    };
    (array word) => {
        "text[]"
    };

    (typed text) => {
        (ColumnType::Text, true)
    };
    (typed flag) => {
        (ColumnType::Boolean, false)
    };
    (typed flag_or_null) => {
        (ColumnType::Boolean, true)
    };
    (typed count) => {
        (ColumnType::Integer, false)
    };
    (typed json) => {
        (ColumnType::Json, false)
    };
    (typed json_or_null) => {
        (ColumnType::Json, true)
    };
    (typed word) => {
        (ColumnType::Text, false)
    };

    (cell text $value:expr) => {
        $value.clone().map_or(Cell::Null, Cell::Text)
    };
    (cell flag $value:expr) => {
        Cell::Boolean($value)
    };
    (cell flag_or_null $value:expr) => {
        $value.map_or(Cell::Null, Cell::Boolean)
    };
    (cell count $value:expr) => {
        Cell::Integer($value)
    };
    (cell json $value:expr) => {
        json_cell(&$value)
    };
    (cell json_or_null $value:expr) => {
        $value.as_ref().map_or(Cell::Null, json_cell)
    };
    (cell word $value:expr) => {
        Cell::Text($value.as_str().to_owned())
    };

    (borrow text $value:expr) => {
        $value.as_deref()
    };
    (borrow flag $value:expr) => {
        $value
    };
    (borrow flag_or_null $value:expr) => {
        $value
    };
    (borrow count $value:expr) => {
        $value
    };
    (borrow json $value:expr) => {
        Json(&$value)
    };
    (borrow json_or_null $value:expr) => {
        $value.as_ref().map(Json)
    };
    (borrow word $value:expr) => {
        $value.as_str()
    };

    (own text $value:expr) => {
        $value.clone()
    };
    (own flag $value:expr) => {
        $value
    };
    (own flag_or_null $value:expr) => {
        $value
    };
    (own count $value:expr) => {
        $value
    };
    (own json $value:expr) => {
        Json($value.clone())
    };
    (own json_or_null $value:expr) => {
        $value.clone().map(Json)
    };
    (own word $value:expr) => {
        $value.as_str()
    };

    (read json $row:expr, $name:expr) => {
        $row.try_get::<Json<_>, _>($name)?.0
    };
    (read json_or_null $row:expr, $name:expr) => {
        $row.try_get::<Option<Json<_>>, _>($name)?
            .map(|json| json.0)
    };
    (read word $row:expr, $name:expr) => {
        share_type(&$row.try_get::<String, _>($name)?)
    };
    (read $kind:ident $row:expr, $name:expr) => {
        $row.try_get($name)?
    };
}

macro_rules! table {
    ($record:ident, { $($column:ident: $kind:ident),+ $(,)? }) => {
        impl Table for $record {
            const COLUMNS: &'static [Column] = &[
                $(Column {
                    name: stringify!($column),
                    array_type: kind!(array $kind),
                    exported_as: kind!(typed $kind).0,
                    nullable: kind!(typed $kind).1,
                }),+
            ];

            fn bind_arrays<'q>(query: PgQuery<'q>, records: &[&'q Record<Self>]) -> PgQuery<'q> {
                query
                    $(.bind(
                        records
                            .iter()
                            .map(|record| kind!(borrow $kind record.fields.$column))
                            .collect::<Vec<_>>(),
                    ))+
            }

            fn copy_values(rows: &mut CopiedRows, record: &Self) -> Result<(), BoxDynError> {
                $(rows.push(kind!(borrow $kind record.$column))?;)+
                Ok(())
            }

            fn push_values(values: &mut Values<'_, '_>, record: &Self) {
                $(values.push_bind(kind!(own $kind record.$column));)+
            }

            fn push_cells(&self, cells: &mut Vec<Cell>) {
                $(cells.push(kind!(cell $kind self.$column));)+
            }

            fn from_pg(row: &PgRow) -> sqlx::Result<Self> {
                Ok(Self { $($column: kind!(read $kind row, stringify!($column))),+ })
            }

            fn from_lite(row: &SqliteRow) -> sqlx::Result<Self> {
                Ok(Self { $($column: kind!(read $kind row, stringify!($column))),+ })
            }
        }
    };
}

table!(User, {
    first_name: text, last_name: text, email: text, is_locked: flag_or_null,
});

table!(Mailbox, { email: text, user_id: text, is_disabled: flag_or_null });

table!(Sequence, {
    owner_id: text, is_enabled: flag, name: text, tags: json, num_steps: count, metrics: json,
    is_archived: flag, share_type: word,
});

table!(Account, { owner_id: text, name: text, domain: text });

table!(Contact, {
    owner_id: text, account_id: text, first_name: text, last_name: text, job_title: text,
    address: json_or_null, email_addresses: json, phone_numbers: json, open_count: count,
    click_count: count, reply_count: count, bounced_count: count,
});

table!(SequenceState, {
    state: text, contact_id: text, mailbox_id: text, user_id: text, sequence_id: text,
});

fn json_cell(value: &impl serde::Serialize) -> Cell {
    serde_json::to_string(value).map_or(Cell::Null, Cell::Json)
}

fn share_type(text: &str) -> ShareType {
    if text == ShareType::Private.as_str() {
        ShareType::Private
    } else {
        ShareType::Team
    }
}
