//! Changes as destinations get them: rows of the public columns, by object.

use std::collections::BTreeMap;

use syncline_model::{
    Account, Cell, ColumnType, Contact, ExportColumn, ExportRow, ExportRows, Mailbox, Object,
    Sequence, SequenceState, User, event::ConnectionRef,
};

use super::{ChangeBatch, ChangedRecord};
use crate::records::{Row, Table};

/// The columns of every table, before its own.
const FIRST: [(&str, ColumnType, bool); 10] = [
    ("application_id", ColumnType::Text, false),
    ("customer_id", ColumnType::Text, false),
    ("provider_name", ColumnType::Text, false),
    ("id", ColumnType::Text, false),
    ("connection_id", ColumnType::Text, false),
    ("created_at", ColumnType::Time, true),
    ("updated_at", ColumnType::Time, true),
    ("is_deleted", ColumnType::Boolean, false),
    ("deleted_at", ColumnType::Time, true),
    ("last_modified_at", ColumnType::Time, false),
];

/// The columns of an object's table that destinations have.
pub fn export_columns(object: Object) -> Vec<ExportColumn> {
    match object {
        Object::User => columns_of::<User>(),
        Object::Mailbox => columns_of::<Mailbox>(),
        Object::Sequence => columns_of::<Sequence>(),
        Object::Account => columns_of::<Account>(),
        Object::Contact => columns_of::<Contact>(),
        Object::SequenceState => columns_of::<SequenceState>(),
    }
}

fn columns_of<T: Table>() -> Vec<ExportColumn> {
    let column = |(name, column_type, nullable)| ExportColumn {
        name,
        column_type,
        nullable,
    };
    let own = T::COLUMNS
        .iter()
        .map(|own| (own.name, own.exported_as, own.nullable));
    let raw_data = ("raw_data", ColumnType::Json, true);
    FIRST
        .into_iter()
        .chain(own)
        .chain([raw_data])
        .map(column)
        .collect()
}

impl ChangeBatch {
    /// The changed rows, by object.
    pub fn export(&self, connection: &ConnectionRef) -> Vec<ExportRows> {
        let mut objects: BTreeMap<Object, Vec<ExportRow>> = BTreeMap::new();
        for change in &self.changes {
            let row = match &change.record {
                ChangedRecord::User(row) => export_row(connection, row),
                ChangedRecord::Mailbox(row) => export_row(connection, row),
                ChangedRecord::Sequence(row) => export_row(connection, row),
                ChangedRecord::Account(row) => export_row(connection, row),
                ChangedRecord::Contact(row) => export_row(connection, row),
                ChangedRecord::SequenceState(row) => export_row(connection, row),
            };
            objects.entry(change.record.object()).or_default().push(row);
        }
        objects
            .into_iter()
            .map(|(object, rows)| ExportRows {
                columns: export_columns(object),
                object,
                rows,
            })
            .collect()
    }
}

fn export_row<T: Table>(connection: &ConnectionRef, row: &Row<T>) -> ExportRow {
    let text = |text: &str| Cell::Text(text.to_owned());
    let time = |time: Option<_>| time.map_or(Cell::Null, Cell::Time);
    let mut cells = vec![
        text(&connection.application_id),
        text(&connection.customer_id),
        text(connection.provider.as_str()),
        text(&row.id),
        text(&connection.connection_id),
        time(row.created_at),
        time(row.updated_at),
        Cell::Boolean(row.is_deleted),
        time(row.deleted_at),
        Cell::Time(row.last_modified_at),
    ];
    row.fields.push_cells(&mut cells);
    let raw = row.raw_data.as_ref();
    cells.push(raw.map_or(Cell::Null, |raw| Cell::Json(raw.get().to_owned())));
    ExportRow {
        id: row.id.clone(),
        last_modified_at: row.last_modified_at,
        cells,
    }
}
