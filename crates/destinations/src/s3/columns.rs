//! Rows as Arrow's columns.

use std::sync::Arc;

use arrow_array::{
    ArrayRef, BooleanArray, Int64Array, RecordBatch, StringArray, TimestampMillisecondArray,
};
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use syncline_model::{Cell, ColumnType, ExportColumn, ExportRow};

const UTC: &str = "UTC";
/// The columns that tell which row is the newest of its id.
pub(super) const ID: &str = "id";
pub(super) const LAST_MODIFIED_AT: &str = "last_modified_at";

pub(super) fn schema(columns: &[ExportColumn]) -> SchemaRef {
    let fields: Vec<_> = columns.iter().map(field).collect();
    Arc::new(Schema::new(fields))
}

/// Only what tells the newest row is required: a later version may add a column, of which older rows
/// have nothing.
fn field(column: &ExportColumn) -> Field {
    let data_type = match column.column_type {
        ColumnType::Text | ColumnType::Json => DataType::Utf8,
        ColumnType::Boolean => DataType::Boolean,
        ColumnType::Integer => DataType::Int64,
        ColumnType::Time => DataType::Timestamp(TimeUnit::Millisecond, Some(UTC.into())),
    };
    let required = [ID, LAST_MODIFIED_AT].contains(&column.name);
    Field::new(column.name, data_type, !required)
}

/// The error says which column the rows don't fit.
pub(super) fn record_batch(schema: &SchemaRef, rows: &[ExportRow]) -> Result<RecordBatch, String> {
    let places = 0..schema.fields().len();
    let arrays = places.map(|place| {
        let field = schema.field(place);
        array(field.data_type(), rows, place)
            .ok_or_else(|| format!("{} has a value of another type", field.name()))
    });
    RecordBatch::try_new(schema.clone(), arrays.collect::<Result<_, _>>()?)
        .map_err(|error| error.to_string())
}

/// The values of one column, if they are of its type.
fn array(data_type: &DataType, rows: &[ExportRow], place: usize) -> Option<ArrayRef> {
    Some(match data_type {
        DataType::Boolean => {
            let values = values(rows, place, |cell| match cell {
                Cell::Boolean(value) => Some(*value),
                _ => None,
            });
            Arc::new(BooleanArray::from(values?))
        }
        DataType::Int64 => {
            let values = values(rows, place, |cell| match cell {
                Cell::Integer(value) => Some(*value),
                _ => None,
            });
            Arc::new(Int64Array::from(values?))
        }
        DataType::Timestamp(..) => {
            let values = values(rows, place, |cell| match cell {
                Cell::Time(value) => Some(value.timestamp_millis()),
                _ => None,
            });
            Arc::new(TimestampMillisecondArray::from(values?).with_timezone(UTC))
        }
        _ => {
            let values = values(rows, place, |cell| match cell {
                Cell::Text(value) | Cell::Json(value) => Some(value.as_str()),
                _ => None,
            });
            Arc::new(StringArray::from(values?))
        }
    })
}

fn values<'a, T>(
    rows: &'a [ExportRow],
    place: usize,
    value: impl Fn(&'a Cell) -> Option<T>,
) -> Option<Vec<Option<T>>> {
    let cells = rows.iter().map(|row| row.cells.get(place));
    cells
        .map(|cell| match cell? {
            Cell::Null => Some(None),
            cell => value(cell).map(Some),
        })
        .collect()
}
