//! How much of an object is stored: the policies that a sync config sets, and how pages and writes
//! apply them. `tasks` is the work that a stricter policy leaves, and `carry_out` does it.
//!
//! A page writes nothing that the policy doesn't allow at the moment of its commit: it reads the
//! policy from its runs, locked until the end of its transaction, and whoever changes the policy
//! changes it there too. So the change waits for pages in flight, and finds their rows when it is
//! carried out. A write through the API does the same with the lock of its sync.

mod carry_out;
mod log;
mod tasks;

use std::{borrow::Cow, collections::BTreeMap};

use serde_json::Value;
use sqlx::types::Json;
use sqlx_macros::FromRow;
use syncline_model::{Common, Object, Record, Records, StorePolicy, Time};
use xxhash_rust::xxh3::xxh3_64_with_seed;

pub(crate) use self::carry_out::{Next, Task};
pub use self::tasks::PendingPolicy;
use crate::{
    Store, StoreError,
    db::{Db, Tx, run},
    scans::Scan,
    syncs::parse_object,
};

/// The policies of a scan's runs.
pub(crate) struct ScanPolicies(BTreeMap<Object, StorePolicy>);

#[derive(FromRow)]
struct RunPolicy {
    id: String,
    object: String,
    store_policy: Option<Json<StorePolicy>>,
}

impl Store {
    /// The policies under which a scan's page is written. The runs are locked until the end of the
    /// transaction.
    pub(crate) async fn lock_policies(
        &self,
        tx: &mut Tx,
        scan: &Scan,
    ) -> Result<ScanPolicies, StoreError> {
        macro_rules! sql {
            ($lock:literal) => {
                concat!(
                    "SELECT id, object, store_policy FROM sync_runs WHERE scan_id = $1 ORDER BY id",
                    $lock
                )
            };
        }
        // SQLite has one writer and needs no lock.
        let sql = match &self.db {
            Db::Pg(_) => sql!(" FOR NO KEY UPDATE"),
            Db::Lite { .. } => sql!(""),
        };
        let runs: Vec<RunPolicy> = run!(tx, |c| sqlx::query_as(sql)
            .bind(&scan.id)
            .fetch_all(c)
            .await)?;
        let policies = runs.into_iter().map(|run| {
            let object = parse_object("sync_runs", &run.id, &run.object)?;
            Ok((object, run.store_policy.map(|it| it.0).unwrap_or_default()))
        });
        Ok(ScanPolicies(policies.collect::<Result<_, StoreError>>()?))
    }
}

impl ScanPolicies {
    /// What is stored of a page's records. Of an object that has no run nothing is.
    pub(crate) fn stored<'r>(&self, records: &'r Records, now: Time) -> Cow<'r, Records> {
        if self.0.values().all(StorePolicy::is_full) {
            return Cow::Borrowed(records);
        }
        macro_rules! of {
            ($records:expr) => {
                self.stored_of($records, now)
            };
        }
        Cow::Owned(match records {
            Records::Users(users) => Records::Users(of!(users)),
            Records::Mailboxes(mailboxes) => Records::Mailboxes(of!(mailboxes)),
            Records::Sequences(sequences) => Records::Sequences(of!(sequences)),
            Records::Accounts(accounts) => Records::Accounts(of!(accounts)),
            Records::Contacts { contacts, states } => Records::Contacts {
                contacts: of!(contacts),
                states: of!(states),
            },
            Records::SequenceStates(states) => Records::SequenceStates(of!(states)),
        })
    }

    fn stored_of<T: Common>(&self, records: &[Record<T>], now: Time) -> Vec<Record<T>> {
        match self.0.get(&T::OBJECT) {
            Some(policy) => stored(policy, records, now),
            None => Vec::new(),
        }
    }
}

/// What is stored of these records under a policy.
pub(crate) fn stored<T: Common>(
    policy: &StorePolicy,
    records: &[Record<T>],
    now: Time,
) -> Vec<Record<T>> {
    let retained = |record: &&Record<T>| policy.retains(record.created_at, record.updated_at, now);
    records
        .iter()
        .filter(retained)
        .map(|record| {
            let mut stored = policy.stored(record);
            if !policy.keeps_raw_data() {
                stored.hash = hash_of(&stored);
            }
            stored
        })
        .collect()
}

/// The hash of a record of which only common fields are stored: over those, so that nothing else
/// can be told from it, and so that what isn't stored changes nothing.
fn hash_of<T: Common>(record: &Record<T>) -> i64 {
    /// Increase it with every change of what is hashed.
    const VERSION: u64 = 1;
    let millis = |time: Option<Time>| time.map(|time| time.timestamp_millis());
    let mut fields = serde_json::to_value(&record.fields).unwrap_or_default();
    spell_numbers_alike(&mut fields);
    let hashed = serde_json::json!([
        fields,
        millis(record.created_at),
        millis(record.updated_at),
        record.is_deleted
    ]);
    xxh3_64_with_seed(hashed.to_string().as_bytes(), VERSION).cast_signed()
}

/// PostgreSQL gives a number back in another spelling than it was written in.
fn spell_numbers_alike(value: &mut Value) {
    match value {
        Value::Number(number) => *value = number.as_f64().into(),
        Value::Array(values) => values.iter_mut().for_each(spell_numbers_alike),
        Value::Object(values) => values.values_mut().for_each(spell_numbers_alike),
        _ => {}
    }
}
