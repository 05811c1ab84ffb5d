//! Stores what a caller wrote at the provider, immediately.
//!
//! The rows are marked with the time of the write. For two minutes after it no page of a scan
//! overwrites them, because the provider's search may not show the write yet (see `compare` and
//! [`Store::unseen`]). An object that isn't synced has no rows and is skipped.

use std::collections::BTreeMap;

use sqlx::{AssertSqlSafe, types::Json};
use syncline_model::{
    Object, Record, Records, SequenceState, StorePolicy, Time, event::ConnectionRef,
};

use super::{
    compare::Origin,
    tables::Table,
    write::{Way, Writing},
};
use crate::{
    Connection, Store, StoreError,
    db::{Tx, run},
    history::{HistoryEntry, NO_RUN},
    key_set::KeySet,
    pages::objects_of,
    retry::with_retry,
    store_policy::stored,
    syncs::parse_object,
    timestamp::at,
};

/// The store policies of objects that are synced.
pub(crate) type Policies = BTreeMap<Object, StorePolicy>;

impl Store {
    /// `asked_at` is when the write's request was sent; `removed` are the ids of sequence states
    /// that no longer exist.
    pub async fn write_through(
        &self,
        connection: &Connection,
        records: &Records,
        removed: &[String],
        asked_at: Time,
    ) -> Result<(), StoreError> {
        with_retry(|| self.write_through_once(connection, records, removed, asked_at)).await
    }

    async fn write_through_once(
        &self,
        connection: &Connection,
        records: &Records,
        removed: &[String],
        asked_at: Time,
    ) -> Result<(), StoreError> {
        let connection = &connection.reference();
        let mut tx = self.db.begin().await?;
        let held = &self
            .hold_syncs(&mut tx, connection, objects_of(records))
            .await?;
        match records {
            Records::Users(users) => {
                self.show(&mut tx, connection, held, users, asked_at)
                    .await?;
            }
            Records::Mailboxes(mailboxes) => {
                self.show(&mut tx, connection, held, mailboxes, asked_at)
                    .await?;
            }
            Records::Sequences(sequences) => {
                self.show(&mut tx, connection, held, sequences, asked_at)
                    .await?;
            }
            Records::Accounts(accounts) => {
                self.show(&mut tx, connection, held, accounts, asked_at)
                    .await?;
            }
            Records::Contacts { contacts, states } => {
                self.show(&mut tx, connection, held, contacts, asked_at)
                    .await?;
                self.show_states(&mut tx, connection, held, (states, removed), asked_at)
                    .await?;
            }
            Records::SequenceStates(states) => {
                self.show_states(&mut tx, connection, held, (states, removed), asked_at)
                    .await?;
            }
        }
        Ok(tx.commit().await?)
    }

    async fn show<T: Table>(
        &self,
        tx: &mut Tx,
        connection: &ConnectionRef,
        held: &Policies,
        records: &[Record<T>],
        asked_at: Time,
    ) -> Result<(), StoreError> {
        if records.is_empty() {
            return Ok(());
        }
        let Some(policy) = held.get(&T::OBJECT) else {
            return Ok(());
        };
        let records = &stored(policy, records, self.now());
        let changes = self
            .compare(tx, connection, records, Origin::Write { asked_at })
            .await?;
        self.write_changes(tx, connection, writing(asked_at), records, &changes)
            .await?;
        let ids: Vec<&str> = records.iter().map(|record| record.id.as_str()).collect();
        self.mark_written(tx, connection, T::OBJECT, &ids, asked_at)
            .await
    }

    /// Of a contact's states only those that the write changed are marked as written.
    async fn show_states(
        &self,
        tx: &mut Tx,
        connection: &ConnectionRef,
        held: &Policies,
        (states, removed): (&[Record<SequenceState>], &[String]),
        asked_at: Time,
    ) -> Result<(), StoreError> {
        let object = Object::SequenceState;
        if states.is_empty() && removed.is_empty() {
            return Ok(());
        }
        let Some(policy) = held.get(&object) else {
            return Ok(());
        };
        let states = &stored(policy, states, self.now());
        let changes = self
            .compare(tx, connection, states, Origin::Write { asked_at })
            .await?;
        let (stamp, _) = self
            .write_changes(tx, connection, writing(asked_at), states, &changes)
            .await?;
        let fresh = changes
            .indexes
            .iter()
            .map(|index| states[*index].id.as_str());
        let mut written: Vec<&str> = fresh.collect();
        if !removed.is_empty() {
            let removed: Vec<&str> = removed.iter().map(String::as_str).collect();
            let stamp = match stamp {
                Some(stamp) => stamp,
                None => self.take_stamp(tx, &connection.connection_id).await?,
            };
            let gone = self
                .mark_deleted(tx, connection, (object, stamp), &removed, None)
                .await?;
            let gone: Vec<&str> = gone.iter().map(String::as_str).collect();
            let entry = HistoryEntry::new("deleted", "it was removed through the unified API");
            self.write_history(tx, connection, object, NO_RUN, &gone, &entry)
                .await?;
            written.extend(removed);
        }
        self.mark_written(tx, connection, object, &written, asked_at)
            .await
    }

    /// The store policies of those objects that are synced. Locks their syncs, which have the policies,
    /// and then the connection's feed, so that what is compared is what is overwritten.
    pub(crate) async fn hold_syncs(
        &self,
        tx: &mut Tx,
        connection: &ConnectionRef,
        objects: &[Object],
    ) -> Result<Policies, StoreError> {
        const SQL: &str = "
            UPDATE syncs SET paused = paused
            WHERE connection_id = $1 AND object IN (SELECT key FROM json_each($2))
            RETURNING id, object, store_policy";
        let names: Vec<&str> = objects.iter().map(|object| object.as_str()).collect();
        let syncs: Vec<(String, String, Option<Json<StorePolicy>>)> =
            run!(tx, |c| sqlx::query_as(SQL)
                .bind(&connection.connection_id)
                .bind(KeySet::new(&names))
                .fetch_all(c)
                .await)?;
        self.lock_feed(tx, &connection.connection_id).await?;
        syncs
            .into_iter()
            .map(|(id, object, policy)| {
                let policy = policy.map(|policy| policy.0).unwrap_or_default();
                Ok((parse_object("syncs", &id, &object)?, policy))
            })
            .collect()
    }

    /// Marks rows as just written, and removes their `missing_records` entries.
    async fn mark_written(
        &self,
        tx: &mut Tx,
        connection: &ConnectionRef,
        object: Object,
        ids: &[&str],
        asked_at: Time,
    ) -> Result<(), StoreError> {
        const FOUND: &str = "
            DELETE FROM missing_records
            WHERE connection_id = $1 AND object = $2
              AND record_id IN (SELECT key FROM json_each($3))";
        if ids.is_empty() {
            return Ok(());
        }
        let mark = format!(
            "UPDATE {} SET
                written_at = CASE WHEN last_modified_at > $5 AND last_modified_at <= $7
                    THEN last_modified_at ELSE $5 END,
                write_asked_at = CASE WHEN write_asked_at > $6 AND write_asked_at <= $7
                    THEN write_asked_at ELSE $6 END
             WHERE application_id = $1 AND customer_id = $2 AND provider_name = $3
               AND id IN (SELECT key FROM json_each($4))",
            object.table()
        );
        let now: Time = self.now();
        run!(tx, |c| sqlx::query(AssertSqlSafe(mark))
            .bind(&connection.application_id)
            .bind(&connection.customer_id)
            .bind(connection.provider.as_str())
            .bind(KeySet::new(ids))
            .bind(at(now))
            .bind(at(asked_at))
            .bind(at(self.latest_stamp()))
            .execute(c)
            .await
            .map(drop))?;
        run!(tx, |c| sqlx::query(FOUND)
            .bind(&connection.connection_id)
            .bind(object.as_str())
            .bind(KeySet::new(ids))
            .execute(c)
            .await
            .map(drop))?;
        Ok(())
    }
}

fn writing(asked_at: Time) -> Writing<'static> {
    Writing {
        run_id: None,
        origin: Origin::Write { asked_at },
        way: Way::Upsert,
    }
}
