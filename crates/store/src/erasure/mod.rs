//! The erasure of a person: everything that is kept of them at all of a customer's connections.
//!
//! `person` finds the records, and what else tells of the person: addresses, ids, names, numbers.
//! `texts` goes through what holds callers' and providers' words, `results` through what enrichment
//! knows. The records themselves are removed last, because their ids lead to the rest: an erasure
//! that was cut off finds everything when it is repeated.
//!
//! Everything that is read is the customer's own: by the key of the tables, by connection, or by
//! customer.

mod person;
mod results;
mod texts;

use syncline_model::{Object, ProviderName};

use self::person::Person;
use crate::{Connection, StoreError, StoredResponse, Tenant, retry::with_retry};

/// What was removed.
#[derive(Debug, Default)]
pub struct Erasure {
    pub records: Vec<ErasedRecords>,
    /// Entries of enrichment jobs, with their answers.
    pub enrichment_items: u64,
    /// Enrichment jobs that ask about the person now: erase again when they have ended.
    pub jobs_at_work: Vec<String>,
    /// Answers that were kept for idempotency keys.
    pub answers: u64,
    /// Calls of agents that waited for approval.
    pub approvals: u64,
    /// Entries of the audit log whose words were removed.
    pub audit_entries: u64,
    /// The destinations that have to remove the records too, which they do soon.
    pub destinations: Vec<String>,
    /// Nothing of it is left in the database's files. `false` while somebody reads from the
    /// write-ahead log, which is emptied as soon as they are done.
    pub files_are_clean: bool,
}

/// The provider's ids of a person's records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErasedRecords {
    pub provider: ProviderName,
    pub object: Object,
    pub ids: Vec<String>,
    /// The next sync reads them again, unless the provider has erased them.
    pub is_synced: bool,
}

impl Tenant {
    /// Erases who has this address. `erased_answer` takes the place of answers that are kept for
    /// idempotency keys, so that their requests are not made a second time.
    pub async fn erase_person(
        &self,
        customer_id: &str,
        email: &str,
        erased_answer: &StoredResponse,
    ) -> Result<Erasure, StoreError> {
        let store = self.store();
        let connections = self.list_connections(customer_id).await?;
        let mut people = Vec::new();
        let mut everywhere = Person::with(email);
        for connection in &connections {
            let person = store.find_person(connection, email).await?;
            everywhere.is_also(&person);
            people.push(person);
        }
        let mut erasure = Erasure::default();
        for connection in &connections {
            store
                .erase_results(connection, &everywhere, &mut erasure)
                .await?;
            erasure.answers += store
                .erase_answers(connection, &everywhere, erased_answer)
                .await?;
        }
        erasure.approvals = self.erase_approvals(customer_id, &everywhere).await?;
        erasure.audit_entries = self.erase_audit_log(customer_id, &everywhere).await?;
        for (connection, person) in connections.iter().zip(&people) {
            erasure
                .records
                .extend(store.erase_records(connection, person).await?);
        }
        erasure.destinations = self.destinations_of(customer_id).await?;
        erasure.files_are_clean = store.empty_log().await?;
        Ok(erasure)
    }
}

impl crate::Store {
    async fn erase_records(
        &self,
        connection: &Connection,
        person: &Person,
    ) -> Result<Vec<ErasedRecords>, StoreError> {
        with_retry(|| async {
            let reference = connection.reference();
            let mut erased = Vec::new();
            let mut tx = self.db.begin().await?;
            let records: Vec<_> = person.records().collect();
            let objects: Vec<Object> = records.iter().map(|(object, _)| *object).collect();
            let held = self.hold_syncs(&mut tx, &reference, &objects).await?;
            for (object, ids) in records {
                let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
                self.remove_records(&mut tx, &reference, object, &ids)
                    .await?;
                erased.push(ErasedRecords {
                    provider: connection.provider,
                    object,
                    ids: ids.into_iter().map(str::to_owned).collect(),
                    is_synced: held.contains_key(&object),
                });
            }
            tx.commit().await?;
            Ok(erased)
        })
        .await
    }
}
