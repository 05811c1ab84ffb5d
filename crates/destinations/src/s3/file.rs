//! Parquet files from rows. The same rows give the same bytes: nothing in a file tells when it was
//! written.

use std::fmt::Display;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use object_store::PutPayload;
use parquet::{
    arrow::ArrowWriter,
    basic::{Compression, ZstdLevel},
    errors::ParquetError,
    file::{
        metadata::KeyValue,
        properties::{EnabledStatistics, WriterProperties},
    },
    schema::types::ColumnPath,
};
use sha2::{Digest, Sha256};
use syncline_model::{Cell, ColumnType, ExportColumn, ExportRow, Object};

use super::{
    S3Error,
    columns::{record_batch, schema},
};

const CREATED_BY: &str = "Syncline";

/// When a file is full.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    pub(super) rows: usize,
    pub(super) bytes: usize,
}

pub(super) const LIMITS: Limits = Limits {
    rows: 100_000,
    bytes: 128 << 20,
};

/// What is turned into arrays at once.
const ROWS_AT_ONCE: usize = 4096;
const BYTES_AT_ONCE: usize = 8 << 20;

/// A file that is complete.
#[derive(Debug)]
pub(super) struct Encoded {
    pub(super) content: PutPayload,
    pub(super) bytes: usize,
    pub(super) rows: usize,
    pub(super) sha256: String,
}

/// Writes rows of one object into files, a new one whenever one is full.
pub(super) struct Encoder {
    object: Object,
    schema: SchemaRef,
    properties: WriterProperties,
    limits: Limits,
    open: Option<(ArrowWriter<Vec<u8>>, usize)>,
    full: Vec<Encoded>,
}

impl Encoder {
    pub(super) fn new(object: Object, columns: &[ExportColumn], limits: Limits) -> Self {
        Self {
            object,
            schema: schema(columns),
            properties: properties(object, columns),
            limits,
            open: None,
            full: Vec::new(),
        }
    }

    pub(super) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    pub(super) fn write_rows(&mut self, rows: &[ExportRow]) -> Result<(), S3Error> {
        let mut rest = rows;
        while !rest.is_empty() {
            let (now, later) = rest.split_at(rows_at_once(rest));
            let batch = record_batch(&self.schema, now);
            self.write(&batch.map_err(|problem| self.refused(problem))?)?;
            rest = later;
        }
        Ok(())
    }

    pub(super) fn write(&mut self, batch: &RecordBatch) -> Result<(), S3Error> {
        let mut begin = 0;
        while begin < batch.num_rows() {
            let (mut writer, rows) = match self.open.take() {
                Some(open) => open,
                None => (self.writer().map_err(|error| self.refused(error))?, 0),
            };
            let count = (batch.num_rows() - begin).min(self.limits.rows - rows);
            let written = writer.write(&batch.slice(begin, count));
            written.map_err(|error| self.refused(error))?;
            begin += count;
            let bytes = writer.bytes_written() + writer.in_progress_size();
            self.open = Some((writer, rows + count));
            if rows + count >= self.limits.rows || bytes >= self.limits.bytes {
                self.close()?;
            }
        }
        Ok(())
    }

    /// The files that are full.
    pub(super) fn take_full(&mut self) -> Vec<Encoded> {
        std::mem::take(&mut self.full)
    }

    /// All files that weren't taken, with what is left in the last one.
    pub(super) fn finish(mut self) -> Result<Vec<Encoded>, S3Error> {
        self.close()?;
        Ok(self.full)
    }

    fn writer(&self) -> Result<ArrowWriter<Vec<u8>>, ParquetError> {
        let properties = Some(self.properties.clone());
        ArrowWriter::try_new(Vec::new(), self.schema.clone(), properties)
    }

    fn close(&mut self) -> Result<(), S3Error> {
        let Some((writer, rows)) = self.open.take() else {
            return Ok(());
        };
        let content = writer.into_inner().map_err(|error| self.refused(error))?;
        self.full.push(Encoded {
            bytes: content.len(),
            rows,
            sha256: hex::encode(Sha256::digest(&content)),
            content: content.into(),
        });
        Ok(())
    }

    fn refused(&self, problem: impl Display) -> S3Error {
        S3Error::Rows {
            object: self.object.plural().to_owned(),
            problem: problem.to_string(),
        }
    }
}

fn properties(object: Object, columns: &[ExportColumn]) -> WriterProperties {
    let object = KeyValue::new("syncline.object".to_owned(), object.as_str().to_owned());
    let mut properties = WriterProperties::builder()
        .set_created_by(CREATED_BY.to_owned())
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_key_value_metadata(Some(vec![object]));
    for column in columns {
        if column.column_type == ColumnType::Json {
            // Documents that are all different have neither a dictionary nor a useful minimum.
            let path = ColumnPath::from(column.name);
            properties = properties
                .set_column_dictionary_enabled(path.clone(), false)
                .set_column_statistics_enabled(path, EnabledStatistics::None);
        }
    }
    properties.build()
}

/// How many of the first rows are turned into arrays at once; at least one.
fn rows_at_once(rows: &[ExportRow]) -> usize {
    let mut bytes = 0;
    let fitting = rows.iter().take(ROWS_AT_ONCE).take_while(|row| {
        let before = bytes;
        bytes += row.cells.iter().map(size).sum::<usize>();
        before == 0 || bytes <= BYTES_AT_ONCE
    });
    fitting.count().max(1)
}

fn size(cell: &Cell) -> usize {
    match cell {
        Cell::Text(text) | Cell::Json(text) => text.len(),
        _ => size_of::<i64>(),
    }
}
