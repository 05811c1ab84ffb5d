//! Rows as destinations get them: the public columns of an object's table (`docs/tables.md`), each
//! with its type, and the rows' values in the same order.

use crate::{Object, Time};

/// The type of a column, in the words of SQL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnType {
    Text,
    Boolean,
    /// 64 bits.
    Integer,
    /// With milliseconds, in UTC.
    Time,
    Json,
}

/// A column of an object's table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExportColumn {
    pub name: &'static str,
    pub column_type: ColumnType,
    pub nullable: bool,
}

/// A value of a column's type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cell {
    Null,
    Text(String),
    Boolean(bool),
    Integer(i64),
    Time(Time),
    /// JSON as text.
    Json(String),
}

/// One row. `id` and `last_modified_at` are among the cells too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportRow {
    pub id: String,
    pub last_modified_at: Time,
    pub cells: Vec<Cell>,
}

/// Rows of one object of one connection, each id once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportRows {
    pub object: Object,
    pub columns: Vec<ExportColumn>,
    pub rows: Vec<ExportRow>,
}
