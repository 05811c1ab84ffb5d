//! How many rows of a list may be in memory at once. Columns that callers or providers fill may be
//! large, so the limit is in bytes as well as in rows.

use std::pin::pin;

use futures::{Stream, TryStreamExt};

/// The maximum number of rows per batch.
pub(crate) const ROWS: i64 = 2000;
pub(crate) const BYTES: usize = 16 * 1024 * 1024;

/// Some rows of a list, and whether there are more.
#[derive(Debug)]
pub struct Batch<T> {
    pub rows: Vec<T>,
    pub more: bool,
}

impl<T> Batch<T> {
    /// The cursor of the next batch, if there is one.
    pub fn next_after(&self, id: impl Fn(&T) -> &String) -> Option<String> {
        let last = self.rows.last().filter(|_| self.more);
        last.map(|row| id(row).clone())
    }

    pub(crate) fn try_map<U, E>(self, map: impl FnMut(T) -> Result<U, E>) -> Result<Batch<U>, E> {
        let rows: Result<_, E> = self.rows.into_iter().map(map).collect();
        Ok(Batch {
            rows: rows?,
            more: self.more,
        })
    }
}

/// The statement must ask for one row more than [`ROWS`].
pub(crate) async fn take<T>(
    rows: impl Stream<Item = Result<T, sqlx::Error>>,
    weigh: impl Fn(&T) -> usize,
) -> Result<Batch<T>, sqlx::Error> {
    let most = usize::try_from(ROWS).unwrap_or(usize::MAX);
    take_up_to(most, rows, weigh).await
}

/// The first `most` rows, or fewer if they are large; at least one.
pub(crate) async fn take_up_to<T>(
    most: usize,
    rows: impl Stream<Item = Result<T, sqlx::Error>>,
    weigh: impl Fn(&T) -> usize,
) -> Result<Batch<T>, sqlx::Error> {
    let mut rows = pin!(rows);
    let mut taken = Vec::new();
    let mut bytes = 0_usize;
    while let Some(row) = rows.try_next().await? {
        if taken.len() == most {
            // The statement's end: with it read, the connection is ready for its next use.
            rows.try_next().await?;
            return Ok(Batch {
                rows: taken,
                more: true,
            });
        }
        bytes = bytes.saturating_add(weigh(&row));
        if bytes > BYTES && !taken.is_empty() {
            return Ok(Batch {
                rows: taken,
                more: true,
            });
        }
        taken.push(row);
    }
    Ok(Batch {
        rows: taken,
        more: false,
    })
}
