//! Our own Parquet files, read back to be rewritten.

use std::sync::Arc;

use arrow_array::{
    ArrayRef, BooleanArray, RecordBatch, cast::AsArray, new_null_array,
    types::TimestampMillisecondType,
};
use arrow_schema::{ArrowError, SchemaRef};
use bytes::Bytes;
use parquet::{
    arrow::{
        ProjectionMask,
        arrow_reader::{ParquetRecordBatchReaderBuilder, RowSelection},
    },
    errors::ParquetError,
};
use sha2::{Digest, Sha256};

use super::{
    Bucket, DataFile, S3Error,
    columns::{ID, LAST_MODIFIED_AT},
    computing,
};

/// What is decoded at once: so many rows, or fewer if they are large.
const ROWS_AT_ONCE: u64 = 4096;
const BYTES_AT_ONCE: u64 = 8 << 20;

impl Bucket {
    /// The content of a file, if it is as it was written: what is rewritten replaces it.
    pub(super) async fn read(&self, file: &DataFile) -> Result<Bytes, S3Error> {
        let content = self.get(&file.path).await?;
        let content = content.ok_or_else(|| S3Error::damaged(&file.path, "it is gone"))?;
        let file = file.clone();
        computing(move || {
            if hex::encode(Sha256::digest(&content)) == file.sha256 {
                Ok(content)
            } else {
                Err(S3Error::damaged(&file.path, "its content was changed"))
            }
        })
        .await
    }
}

/// Hands over the id and the time of each row.
pub(super) fn for_each_key(
    path: &str,
    content: Bytes,
    mut row: impl FnMut(&str, i64),
) -> Result<(), S3Error> {
    let damaged = |error: ParquetError| S3Error::damaged(path, error);
    let builder = ParquetRecordBatchReaderBuilder::try_new(content).map_err(damaged)?;
    let keys = ProjectionMask::columns(builder.parquet_schema(), [ID, LAST_MODIFIED_AT]);
    let reader = builder.with_projection(keys).build().map_err(damaged)?;
    for batch in reader {
        let batch = batch.map_err(|error| S3Error::damaged(path, error))?;
        let ids = batch.column_by_name(ID);
        let ids = ids.and_then(|column| column.as_string_opt::<i32>());
        let times = batch.column_by_name(LAST_MODIFIED_AT);
        let times = times.and_then(|it| it.as_primitive_opt::<TimestampMillisecondType>());
        let (Some(ids), Some(times)) = (ids, times) else {
            return Err(S3Error::damaged(path, "it has no ids and times"));
        };
        for (id, time) in ids.iter().zip(times) {
            row(id.unwrap_or_default(), time.unwrap_or_default());
        }
    }
    Ok(())
}

/// The rows that are chosen, with the columns of the schema.
pub(super) fn chosen_rows(
    path: &str,
    content: Bytes,
    chosen: BooleanArray,
    schema: &SchemaRef,
) -> Result<impl Iterator<Item = Result<RecordBatch, S3Error>>, S3Error> {
    let damaged = |error: ParquetError| S3Error::damaged(path, error);
    let builder = ParquetRecordBatchReaderBuilder::try_new(content).map_err(damaged)?;
    let decoded = builder.metadata().row_groups().iter();
    let decoded: u64 = decoded.map(|it| it.total_byte_size().unsigned_abs()).sum();
    let rows = builder.metadata().file_metadata().num_rows().unsigned_abs();
    let row_size = (decoded / rows.max(1)).max(1);
    let at_once = (BYTES_AT_ONCE / row_size).clamp(1, ROWS_AT_ONCE);
    let reader = builder
        .with_row_selection(RowSelection::from_filters(&[chosen]))
        .with_batch_size(usize::try_from(at_once).unwrap_or(1))
        .build()
        .map_err(damaged)?;
    Ok(reader.map(move |batch| {
        let batch = batch.and_then(|batch| with_columns(&batch, schema));
        batch.map_err(|error| S3Error::damaged(path, error))
    }))
}

/// A column that the file doesn't have yet is null.
fn with_columns(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch, ArrowError> {
    let column = |field: &Arc<arrow_schema::Field>| -> ArrayRef {
        match batch.column_by_name(field.name()) {
            Some(column) => column.clone(),
            None => new_null_array(field.data_type(), batch.num_rows()),
        }
    };
    RecordBatch::try_new(schema.clone(), schema.fields().iter().map(column).collect())
}
