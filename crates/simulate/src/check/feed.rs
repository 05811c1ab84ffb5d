//! A consumer of each connection's change feed, which reads a few changes now and then and keeps a copy
//! of the records. Whenever nothing else happens, the copy must be what the tables have.

use std::collections::BTreeMap;

use syncline_model::{ChangeKind, FeedPosition, Object, Time, event::ConnectionRef};
use syncline_store::{Change, ChangeQuery, Store};

use super::Checker;

pub(super) struct FeedReaders {
    store: Store,
    readers: BTreeMap<String, Reader>,
}

struct Reader {
    connection: ConnectionRef,
    position: FeedPosition,
    known_ms: Option<i64>,
    copy: BTreeMap<(Object, String), Seen>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Seen {
    stamp: Time,
    is_deleted: bool,
}

/// At every so many steps the readers read.
const EVERY: u64 = 3;

impl FeedReaders {
    pub(super) fn new(store: Store) -> Self {
        Self {
            store,
            readers: BTreeMap::new(),
        }
    }

    fn connections(&self) -> Vec<String> {
        self.readers.keys().cloned().collect()
    }

    /// Reads at most `limit` changes, and returns what is wrong with them.
    async fn read(&mut self, connection_id: &str, limit: usize) -> anyhow::Result<Vec<String>> {
        let feed = self.store.change_feed(connection_id).await?;
        let Some(reader) = self.readers.get_mut(connection_id) else {
            return Ok(Vec::new());
        };
        let batch = self
            .store
            .changes(&ChangeQuery {
                connection: &reader.connection,
                objects: Object::ALL,
                after: &reader.position,
                until_ms: feed.newest_ms,
                known_ms: reader.known_ms,
                include_raw_data: false,
                limit,
            })
            .await?;
        let mut faults = Vec::new();
        for change in &batch.changes {
            faults.extend(reader.take(change));
        }
        reader.position = batch.position;
        if !batch.more {
            reader.position = FeedPosition::after_stamp(feed.newest_ms);
            reader.known_ms = Some(feed.newest_ms);
        }
        Ok(faults)
    }

    fn is_at_end(&self, connection_id: &str, newest_ms: i64) -> bool {
        let reader = self.readers.get(connection_id);
        reader.is_some_and(|reader| reader.position == FeedPosition::after_stamp(newest_ms))
    }
}

impl Reader {
    /// Takes a change over, and says what contradicts the copy.
    fn take(&mut self, change: &Change) -> Option<String> {
        let key = (change.record.object(), change.record.id().to_owned());
        let seen = Seen {
            stamp: change.changed_at(),
            is_deleted: change.kind == ChangeKind::Deleted,
        };
        let before = self.copy.insert(key.clone(), seen.clone());
        let fits = match change.kind {
            ChangeKind::Created | ChangeKind::Deleted => true,
            ChangeKind::Updated | ChangeKind::Restored => before.is_some(),
        };
        let is_later = before
            .as_ref()
            .is_none_or(|before| before.stamp < seen.stamp);
        (!fits || !is_later).then(|| {
            format!(
                "{key:?} came as {:?} at {seen:?} after {before:?}",
                change.kind
            )
        })
    }
}

impl Checker {
    /// From now on this connection's feed is read.
    pub(crate) fn follow_feed(&mut self, connection: ConnectionRef) {
        let reader = Reader {
            position: FeedPosition::START,
            known_ms: None,
            copy: BTreeMap::new(),
            connection: connection.clone(),
        };
        self.feeds.readers.insert(connection.connection_id, reader);
    }

    /// Reads a few changes of each feed, at some steps.
    pub(super) async fn read_feeds(&mut self) -> anyhow::Result<()> {
        if !self.step.is_multiple_of(EVERY) {
            return Ok(());
        }
        let limit = 1 + usize::try_from(self.step % 11)?;
        for connection_id in self.feeds.connections() {
            let faults = self.feeds.read(&connection_id, limit).await?;
            self.note_feed_faults(&connection_id, faults);
        }
        Ok(())
    }

    /// Reads the feeds to their ends: the copies must be what the tables have.
    pub(super) async fn feeds_lead_to_the_tables(&mut self) -> anyhow::Result<()> {
        for connection_id in self.feeds.connections() {
            let newest_ms = self
                .feeds
                .store
                .change_feed(&connection_id)
                .await?
                .newest_ms;
            loop {
                let faults = self.feeds.read(&connection_id, 1000).await?;
                self.note_feed_faults(&connection_id, faults);
                if self.feeds.is_at_end(&connection_id, newest_ms) {
                    break;
                }
            }
            for object in Object::ALL {
                let rows = self
                    .tables
                    .rows_after(&connection_id, *object, None)
                    .await?;
                let truth: BTreeMap<String, Seen> = rows
                    .into_iter()
                    .map(|row| {
                        let seen = Seen {
                            stamp: row.last_modified_at.0,
                            is_deleted: row.is_deleted,
                        };
                        (row.id, seen)
                    })
                    .collect();
                self.compare_with_feed(&connection_id, *object, &truth);
            }
        }
        Ok(())
    }

    fn compare_with_feed(
        &mut self,
        connection_id: &str,
        object: Object,
        truth: &BTreeMap<String, Seen>,
    ) {
        let Some(reader) = self.feeds.readers.get(connection_id) else {
            return;
        };
        let wrong = truth
            .iter()
            .find(|(id, seen)| reader.copy.get(&(object, (*id).clone())) != Some(seen));
        if let Some((id, seen)) = wrong {
            let has = reader.copy.get(&(object, id.clone()));
            let text =
                format!("{object} {id} of {connection_id} is {seen:?}, the reader has {has:?}");
            self.violated("a reader of the feed misses nothing", text);
        }
    }

    fn note_feed_faults(&mut self, connection_id: &str, faults: Vec<String>) {
        for fault in faults {
            let text = format!("of {connection_id}: {fault}");
            self.violated("a change of the feed fits what was read before", text);
        }
    }
}
