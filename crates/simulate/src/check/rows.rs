//! The common-model rows: stamps that grow, and changes of presence with a history entry.

use std::collections::{BTreeMap, BTreeSet};

use syncline_model::{Object, Time};
use syncline_sim::fingerprint_of;

use super::{Checker, ids, tables::Row};
use crate::provider::SimulatedProvider;

/// A row as it was after the last step.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Copy {
    pub(crate) is_deleted: bool,
    pub(crate) stamp: Time,
    pub(crate) fingerprint: u64,
    pub(crate) contact_id: Option<String>,
    /// When the record changed last, by its own text.
    pub(crate) changed_at: Option<String>,
    /// The provider itself marks it as deleted.
    pub(crate) is_marked: bool,
}

/// The reason in the history if the provider itself marks a record as deleted.
pub(crate) const MARKED: &str = "the provider marks it as deleted";

#[derive(Default)]
pub(crate) struct Rows {
    copies: BTreeMap<(String, Object), BTreeMap<String, Copy>>,
    stamps: BTreeMap<(String, Object), i64>,
    nothing: BTreeMap<String, Copy>,
}

impl Rows {
    pub(crate) fn of(&self, connection_id: &str, object: Object) -> &BTreeMap<String, Copy> {
        self.copies
            .get(&(connection_id.to_owned(), object))
            .unwrap_or(&self.nothing)
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = (&(String, Object), &BTreeMap<String, Copy>)> {
        self.copies.iter()
    }
}

impl Checker {
    /// Takes over the rows that changed: those of connections with a new stamp.
    pub(super) async fn look_at_rows(&mut self) -> anyhow::Result<()> {
        for sync in self.syncs.clone() {
            let key = (sync.connection_id.clone(), sync.object());
            let before = self.rows.stamps.get(&key).copied();
            if before == Some(sync.last_stamp_ms) {
                continue;
            }
            let after = before.and_then(Time::from_timestamp_millis);
            let changed = self.tables.rows_after(&key.0, key.1, after).await?;
            self.stamps_grow(&key, sync.last_stamp_ms, before, &changed);
            self.rows.stamps.insert(key.clone(), sync.last_stamp_ms);
            for row in changed {
                self.take_over_row(&key, &sync.id, &row);
            }
        }
        Ok(())
    }

    /// One stamp per transaction, and no row newer than its feed's stamp.
    fn stamps_grow(
        &mut self,
        (connection, object): &(String, Object),
        newest: i64,
        before: Option<i64>,
        changed: &[Row],
    ) {
        let stamps: BTreeSet<i64> = changed
            .iter()
            .map(|row| row.last_modified_at.0.timestamp_millis())
            .collect();
        if before.is_some_and(|before| newest < before) {
            self.violated(
                "stamps grow",
                format!("{object} of {connection}: {newest} after {before:?}"),
            );
        }
        if stamps.len() > 1 {
            self.violated(
                "a transaction stamps its rows once",
                format!("{object} of {connection}: one step gave {stamps:?}"),
            );
        }
        if stamps.last().is_some_and(|stamp| *stamp > newest) {
            self.violated(
                "stamps grow",
                format!("{object} of {connection}: a row has {stamps:?}, its feed {newest}"),
            );
        }
    }

    fn take_over_row(&mut self, key: &(String, Object), sync_id: &str, row: &Row) {
        let (connection, object) = key;
        let copy = copy_of(self.world.provider, *object, row);
        let known = self.rows.copies.entry(key.clone()).or_default();
        let before = known.insert(row.id.clone(), copy.clone());
        if copy.is_deleted != row.deleted_at.is_some() {
            self.violated(
                "deleted_at goes with is_deleted",
                format!("{object} {} of {connection}", row.id),
            );
        }
        let was_deleted = before.as_ref().is_some_and(|before| before.is_deleted);
        if copy.is_deleted != was_deleted {
            let expected = if copy.is_deleted {
                "deleted"
            } else {
                "restored"
            };
            let told = self.history.iter().any(|entry| {
                entry.connection_id == *connection
                    && entry.object == object.as_str()
                    && entry.record_id == row.id
                    && entry.event == expected
            });
            if !told {
                self.violated(
                    "the history explains a row's presence",
                    format!(
                        "{object} {} of {connection} is {expected} without an entry",
                        row.id
                    ),
                );
            }
        }
        let swept = copy.is_deleted && !was_deleted && !copy.is_marked;
        let run = self.runs.writer_of(sync_id).map(|run| run.id.clone());
        if let Some(known) = run.and_then(|id| self.runs.get_mut(&id)).filter(|_| !swept) {
            known.created += i64::from(before.is_none());
            known.updated += i64::from(before.is_some());
        }
    }

    /// At the end of the simulation: the rows are those that were seen to change, and the last
    /// history entry of each matches its presence.
    pub(super) async fn rows_are_as_they_were(&mut self) -> anyhow::Result<()> {
        for sync in self.syncs.clone() {
            let key = (sync.connection_id.clone(), sync.object());
            let rows = self.tables.rows_after(&key.0, key.1, None).await?;
            let copies = self.rows.of(&key.0, key.1);
            let changed: Vec<String> = rows
                .iter()
                .filter(|row| {
                    let copy = copy_of(self.world.provider, key.1, row);
                    copies.get(&row.id).is_none_or(|known| {
                        (known.stamp, known.is_deleted, known.fingerprint)
                            != (copy.stamp, copy.is_deleted, copy.fingerprint)
                    })
                })
                .map(|row| row.id.clone())
                .collect();
            let lost = copies.len() != rows.len();
            if !changed.is_empty() || lost {
                let text = format!(
                    "{} of {}: {} rows where {} were seen; without a stamp: {}",
                    key.1,
                    key.0,
                    rows.len(),
                    copies.len(),
                    ids(&changed)
                );
                self.violated("a row changes under a new stamp", text);
            }
        }
        self.history_is_true().await
    }

    async fn history_is_true(&mut self) -> anyhow::Result<()> {
        let mut last: BTreeMap<(String, Object, String), bool> = BTreeMap::new();
        for (connection, object, id, event) in self.tables.last_presence().await? {
            last.insert((connection, object.parse()?, id), event == "deleted");
        }
        let mut wrong = Vec::new();
        for ((connection, object), copies) in self.rows.all() {
            for (id, copy) in copies {
                let told = last.get(&(connection.clone(), *object, id.clone()));
                if told.copied().unwrap_or(false) != copy.is_deleted {
                    wrong.push(format!("{object} {id} of {connection}"));
                }
            }
        }
        if !wrong.is_empty() {
            self.violated("the history explains a row's presence", ids(&wrong));
        }
        Ok(())
    }
}

fn copy_of(provider: &SimulatedProvider, object: Object, row: &Row) -> Copy {
    Copy {
        is_deleted: row.is_deleted,
        stamp: row.last_modified_at.0,
        fingerprint: fingerprint_of(row.raw_data.as_bytes()),
        contact_id: row.contact_id.clone(),
        changed_at: provider.changed_at(&row.raw_data).map(str::to_owned),
        is_marked: provider.marks(object, &row.raw_data),
    }
}
