//! Reads the feed: the rows behind a position, in the order of their changes.
//!
//! The positions come from the objects' indexes by stamp, the rows then by their keys. So a page of a
//! hundred changes reads a hundred rows, however many objects there are.

use std::{
    collections::{BTreeMap, HashMap},
    fmt::Write as _,
};

use sqlx::AssertSqlSafe;
use sqlx_macros::FromRow;
use syncline_model::{
    Account, ChangeKind, Contact, FeedPosition, Mailbox, Object, Sequence, SequenceState, Time,
    User,
    event::ConnectionRef,
    feed::FIRST_EPOCH,
    mutation::{self, Mutation},
};

use crate::{
    Store, StoreError,
    batch::BYTES,
    db::run,
    key_set::KeySet,
    records::{Row, StoredRow, Table},
    syncs::parse_object,
    timestamp::{Timestamp, at},
};

/// Rows that are read at once, so that a page of large records stops in time.
const ROWS_AT_ONCE: usize = 100;

/// The state of a connection's feed.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct ChangeFeed {
    pub epoch: String,
    /// Every change up to this stamp is committed, and every later one gets a greater stamp.
    #[sqlx(rename = "last_stamp_ms")]
    pub newest_ms: i64,
}

/// The changes to read.
#[derive(Debug, Clone, Copy)]
pub struct ChangeQuery<'a> {
    pub connection: &'a ConnectionRef,
    pub objects: &'a [Object],
    /// Changes behind this position,
    pub after: &'a FeedPosition,
    /// and up to this stamp.
    pub until_ms: i64,
    /// What the reader knows, see [`FeedCursor`](syncline_model::FeedCursor).
    pub known_ms: Option<i64>,
    pub include_raw_data: bool,
    /// The maximum number of changes; fewer are returned if they are large.
    pub limit: usize,
}

/// Changes in their order.
#[derive(Debug)]
pub struct ChangeBatch {
    pub changes: Vec<Change>,
    /// Where the next batch begins.
    pub position: FeedPosition,
    /// Whether there are changes behind it, up to the query's last stamp.
    pub more: bool,
}

#[derive(Debug)]
pub struct Change {
    pub position: FeedPosition,
    pub kind: ChangeKind,
    pub record: ChangedRecord,
}

/// A record in its newest state.
#[derive(Debug)]
pub enum ChangedRecord {
    User(Row<User>),
    Mailbox(Row<Mailbox>),
    Sequence(Row<Sequence>),
    Account(Row<Account>),
    Contact(Box<Row<Contact>>),
    SequenceState(Row<SequenceState>),
}

/// Calls `$call` with the row of whatever record it is.
macro_rules! with_row {
    ($record:expr, |$row:ident| $call:expr) => {
        match $record {
            ChangedRecord::User($row) => $call,
            ChangedRecord::Mailbox($row) => $call,
            ChangedRecord::Sequence($row) => $call,
            ChangedRecord::Account($row) => $call,
            ChangedRecord::Contact($row) => $call,
            ChangedRecord::SequenceState($row) => $call,
        }
    };
}

/// A row's place in the feed.
#[derive(FromRow)]
struct Place {
    object: String,
    last_modified_at: Timestamp,
    id: String,
}

impl Store {
    /// The feed of a connection. One without changes has none yet.
    pub async fn change_feed(&self, connection_id: &str) -> Result<ChangeFeed, StoreError> {
        const SQL: &str = "
            SELECT epoch, last_stamp_ms FROM change_feeds WHERE connection_id = $1";
        let mut reader = self.db.read().await?;
        let feed: Option<ChangeFeed> = run!(reader, |c| sqlx::query_as(SQL)
            .bind(connection_id)
            .fetch_optional(c)
            .await)?;
        Ok(feed.unwrap_or_else(|| ChangeFeed {
            epoch: FIRST_EPOCH.to_owned(),
            newest_ms: 0,
        }))
    }

    /// The oldest stamp of a connection's rows; without rows the next one.
    pub async fn oldest_stamp(&self, connection: &ConnectionRef) -> Result<Time, StoreError> {
        let next_ms = self.change_feed(&connection.connection_id).await?.newest_ms + 1;
        let mut oldest = stamp_of(next_ms);
        let mut reader = self.db.read().await?;
        for object in Object::ALL {
            let sql = format!(
                "SELECT min(last_modified_at) FROM {}
                 WHERE customer_id = $1 AND connection_id = $2",
                object.table()
            );
            let of_object: Option<Timestamp> =
                run!(reader, |c| sqlx::query_scalar(AssertSqlSafe(sql))
                    .bind(&connection.customer_id)
                    .bind(&connection.connection_id)
                    .fetch_one(c)
                    .await)?;
            oldest = of_object.map_or(oldest, |stamp| oldest.min(stamp.0));
        }
        Ok(oldest)
    }

    /// The newest stamps of many feeds, for readers that wait.
    pub async fn newest_stamps(
        &self,
        connection_ids: &[&str],
    ) -> Result<HashMap<String, i64>, StoreError> {
        const SQL: &str = "
            SELECT connection_id, last_stamp_ms FROM change_feeds
            WHERE connection_id IN (SELECT key FROM json_each($1))";
        let mut reader = self.db.read().await?;
        let stamps: Vec<(String, i64)> = run!(reader, |c| sqlx::query_as(SQL)
            .bind(KeySet::new(connection_ids))
            .fetch_all(c)
            .await)?;
        Ok(stamps.into_iter().collect())
    }

    /// The next changes. A row that changes while they are read is left out: it comes later, in its
    /// new place.
    pub async fn changes(&self, query: &ChangeQuery<'_>) -> Result<ChangeBatch, StoreError> {
        let mut places = self.places(query).await?;
        let mut more = places.len() > query.limit;
        places.truncate(query.limit);
        let mut changes = Vec::with_capacity(places.len());
        let mut position = query.after.clone();
        let mut bytes = 0;
        for together in places.chunks(ROWS_AT_ONCE) {
            if bytes > BYTES {
                more = true;
                break;
            }
            let mut rows = self.rows_at(query, together).await?;
            for place in together {
                position = place.clone();
                if let Some(change) = place.record.as_ref().and_then(|key| rows.remove(key)) {
                    bytes += change.bytes();
                    changes.push(change);
                }
            }
        }
        if mutation::on(Mutation::RestOfStampIsSkipped) {
            position.record = None;
        }
        Ok(ChangeBatch {
            changes,
            position,
            more,
        })
    }

    /// One place more than the query's limit.
    async fn places(&self, query: &ChangeQuery<'_>) -> Result<Vec<FeedPosition>, StoreError> {
        let mut sql = String::from("SELECT object, last_modified_at, id FROM (");
        let mut bounds = Vec::new();
        for (index, object) in query.objects.iter().enumerate() {
            let (stamp_ms, id) = query.after.of(*object);
            bounds.push((stamp_of(stamp_ms), id));
            let first = 5 + 2 * index;
            write!(
                sql,
                "{} SELECT * FROM (
                    SELECT '{object}' AS object, {index} AS rank, last_modified_at, id
                    FROM {} WHERE customer_id = $4 AND connection_id = $1
                      AND (last_modified_at, id) > (${first}, ${}) AND last_modified_at <= $2
                    ORDER BY last_modified_at, id LIMIT $3) AS of_{object}",
                if index == 0 { "" } else { " UNION ALL" },
                object.table(),
                first + 1
            )
            .expect("writing to a string can't fail");
        }
        sql.push_str(") AS places ORDER BY last_modified_at, rank, id LIMIT $3");
        let limit = i64::try_from(query.limit).unwrap_or(i64::MAX - 1) + 1;
        let mut reader = self.db.read().await?;
        let places: Vec<Place> = run!(reader, |c| {
            let mut bound = sqlx::query_as(AssertSqlSafe(sql))
                .bind(&query.connection.connection_id)
                .bind(at(stamp_of(query.until_ms)))
                .bind(limit)
                .bind(&query.connection.customer_id);
            for (stamp, id) in bounds {
                bound = bound.bind(at(stamp)).bind(id);
            }
            bound.fetch_all(c).await
        })?;
        places.into_iter().map(Place::position).collect()
    }

    async fn rows_at(
        &self,
        query: &ChangeQuery<'_>,
        places: &[FeedPosition],
    ) -> Result<HashMap<(Object, String), Change>, StoreError> {
        let mut ids: BTreeMap<Object, Vec<&str>> = BTreeMap::new();
        for (object, id) in places.iter().filter_map(|place| place.record.as_ref()) {
            ids.entry(*object).or_default().push(id);
        }
        let mut found = Vec::with_capacity(places.len());
        for (object, ids) in ids {
            macro_rules! read {
                ($record:ident) => {
                    self.changes_of::<$record>(query, &ids, ChangedRecord::$record)
                        .await?
                };
                ($record:ident boxed) => {
                    self.changes_of::<$record>(query, &ids, |row| {
                        ChangedRecord::$record(Box::new(row))
                    })
                    .await?
                };
            }
            found.extend(match object {
                Object::User => read!(User),
                Object::Mailbox => read!(Mailbox),
                Object::Sequence => read!(Sequence),
                Object::Account => read!(Account),
                Object::Contact => read!(Contact boxed),
                Object::SequenceState => read!(SequenceState),
            });
        }
        Ok(found
            .into_iter()
            .map(|change| {
                (
                    (change.record.object(), change.record.id().to_owned()),
                    change,
                )
            })
            .collect())
    }

    async fn changes_of<T: Table>(
        &self,
        query: &ChangeQuery<'_>,
        ids: &[&str],
        record: impl Fn(Row<T>) -> ChangedRecord,
    ) -> Result<Vec<Change>, StoreError> {
        let rows: Vec<StoredRow<T>> = self
            .stored_rows(query.connection, ids, query.include_raw_data)
            .await?;
        let millis = |time: Option<Time>| time.map(|time| time.timestamp_millis());
        let is_in_place = |stored: &StoredRow<T>| {
            millis(Some(stored.row.last_modified_at)) <= Some(query.until_ms)
        };
        Ok(rows
            .into_iter()
            .filter(is_in_place)
            .map(|stored| Change {
                position: FeedPosition {
                    stamp_ms: stored.row.last_modified_at.timestamp_millis(),
                    record: Some((T::OBJECT, stored.row.id.clone())),
                },
                kind: ChangeKind::of(
                    stored.row.is_deleted,
                    millis(stored.first_stored_at),
                    millis(stored.restored_at),
                    query.known_ms,
                ),
                record: record(stored.row),
            })
            .collect())
    }
}

impl Place {
    fn position(self) -> Result<FeedPosition, StoreError> {
        Ok(FeedPosition {
            stamp_ms: self.last_modified_at.0.timestamp_millis(),
            record: Some((parse_object("places", &self.id, &self.object)?, self.id)),
        })
    }
}

impl Change {
    /// The approximate size of what is large.
    fn bytes(&self) -> usize {
        with_row!(&self.record, |row| row
            .raw_data
            .as_ref()
            .map_or(0, |raw| raw.get().len()))
    }

    pub fn changed_at(&self) -> Time {
        with_row!(&self.record, |row| row.last_modified_at)
    }
}

impl ChangedRecord {
    pub fn object(&self) -> Object {
        match self {
            Self::User(_) => Object::User,
            Self::Mailbox(_) => Object::Mailbox,
            Self::Sequence(_) => Object::Sequence,
            Self::Account(_) => Object::Account,
            Self::Contact(_) => Object::Contact,
            Self::SequenceState(_) => Object::SequenceState,
        }
    }

    pub fn id(&self) -> &str {
        with_row!(self, |row| &row.id)
    }
}

/// Of a cursor that somebody made up, the nearest time.
fn stamp_of(stamp_ms: i64) -> Time {
    const LAST: i64 = 253_402_300_799_999;
    Time::from_timestamp_millis(stamp_ms.clamp(0, LAST)).unwrap_or(Time::UNIX_EPOCH)
}
