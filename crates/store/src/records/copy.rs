//! New rows on PostgreSQL, by a binary `COPY`.
//!
//! It is the fastest way to write rows, and fails if one of them exists. So it writes records that had
//! no row when they were compared, and a page is tried again without it if a caller has written one
//! since, or if the table has row-level security, which PostgreSQL doesn't support with it (`pages`).
//!
//! sqlx sends the data of a `COPY`, but has no encoder for its rows.

use sqlx::{
    Encode, Error, Postgres, encode::IsNull, error::BoxDynError, postgres::PgArgumentBuffer,
    types::Json,
};
use syncline_model::Record;

use super::{
    compare::Changes,
    tables::Table,
    upsert::{Source, num_columns, target, upsert},
};
use crate::{
    StoreError,
    db::{Connection, Tx},
    link::CancellableConnection,
    timestamp::at,
};

/// Writes what changed of a page: new records by `COPY` on PostgreSQL, the others by an upsert.
pub(super) async fn copy_new<T: Table>(
    tx: &mut Tx,
    source: &Source<'_>,
    to_write: &[&Record<T>],
    changes: &Changes,
) -> Result<(), StoreError> {
    let Connection::Pg(c) = tx.connection()? else {
        return upsert(tx, source, to_write).await;
    };
    let (new, others) = changes.new_and_others(to_write);
    if !new.is_empty() {
        copy(c, source, &new).await?;
    }
    if !others.is_empty() {
        upsert(tx, source, &others).await?;
    }
    Ok(())
}

async fn copy<T: Table>(
    c: CancellableConnection<'_>,
    source: &Source<'_>,
    records: &[&Record<T>],
) -> Result<(), StoreError> {
    let statement = format!("COPY {} FROM STDIN (FORMAT binary)", target::<T>());
    let rows = CopiedRows::of(source, records).map_err(Error::Encode)?;
    Ok(c.copy_in(&statement, &rows.0).await?)
}

/// Rows in [the format of a binary `COPY`](https://www.postgresql.org/docs/current/sql-copy.html).
pub struct CopiedRows(PgArgumentBuffer);

impl CopiedRows {
    /// The signature, no flags, and no extension of the header.
    const HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
    /// In place of the next row's number of values.
    const END: i16 = -1;

    fn of<T: Table>(source: &Source<'_>, records: &[&Record<T>]) -> Result<Self, BoxDynError> {
        let mut rows = Self(PgArgumentBuffer::default());
        rows.0.extend_from_slice(Self::HEADER);
        for record in records {
            rows.push_row(source, record)?;
        }
        rows.0.extend_from_slice(&Self::END.to_be_bytes());
        Ok(rows)
    }

    /// In the order of `target`.
    fn push_row<T: Table>(
        &mut self,
        source: &Source<'_>,
        record: &Record<T>,
    ) -> Result<(), BoxDynError> {
        let values = i16::try_from(num_columns::<T>())?;
        self.0.extend_from_slice(&values.to_be_bytes());
        self.push(&source.connection.application_id)?;
        self.push(&source.connection.customer_id)?;
        self.push(source.connection.provider.as_str())?;
        self.push(&source.connection.connection_id)?;
        self.push(source.run_id)?;
        self.push(at(source.stamp))?;
        self.push(at(source.stamp))?;
        self.push(at(record.is_deleted.then_some(source.stamp)))?;
        self.push(&record.id)?;
        self.push(at(record.created_at))?;
        self.push(at(record.updated_at))?;
        self.push(record.is_deleted)?;
        self.push(record.hash)?;
        self.push(Json(&*record.raw))?;
        T::copy_values(self, &record.fields)
    }

    /// Adds a value with its length in front.
    pub(crate) fn push<'v>(&mut self, value: impl Encode<'v, Postgres>) -> Result<(), BoxDynError> {
        const NULL: i32 = -1;
        let start = self.0.len();
        self.0.extend_from_slice(&NULL.to_be_bytes());
        if let IsNull::No = value.encode_by_ref(&mut self.0)? {
            let length = i32::try_from(self.0.len() - start - size_of::<i32>())?;
            self.0[start..start + size_of::<i32>()].copy_from_slice(&length.to_be_bytes());
        }
        Ok(())
    }
}
