//! One application's view of the database: the place that isolates tenants from each other.
//!
//! Everything that a caller names (an id, a customer, a filter) is looked up through a [`Tenant`],
//! which comes from their key. Its statements are [`Scoped`]: a text that doesn't filter by the
//! application does not compile, and `run!` binds the application's id as `$1` before all other
//! parameters. A [`Scope`], through which a tenant reads and writes, accepts no other statements.
//! So a query without the filter can't be written by accident.
//!
//! A row that was found through a tenant (a `Connection`, a `Sync`, a `SyncConfig`, …) needs no
//! further check: methods that take one are on [`Store`] and query by the row's own id. Ids from
//! callers are never passed there.

use std::{fmt, sync::Arc};

use crate::{
    Store,
    db::{Connection, Reader, Tx},
};

/// The store, limited to one application. Cheap to clone.
#[derive(Clone)]
pub struct Tenant {
    store: Store,
    application_id: Arc<str>,
}

impl fmt::Debug for Tenant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Tenant").field(&self.application_id).finish()
    }
}

impl Store {
    /// The application's view, for code that has the id from the database or the configuration. For
    /// callers it comes from their key: see [`Store::authenticate`].
    pub fn tenant(&self, application_id: &str) -> Tenant {
        Tenant {
            store: self.clone(),
            application_id: application_id.into(),
        }
    }
}

impl Tenant {
    pub fn application_id(&self) -> &str {
        &self.application_id
    }

    /// For operations on rows that this tenant has found.
    pub fn store(&self) -> &Store {
        &self.store
    }

    pub(crate) async fn read(&self) -> Result<Scope<Reader>, sqlx::Error> {
        Ok(Scope {
            on: self.store.db.read().await?,
            application_id: self.application_id.clone(),
        })
    }

    pub(crate) async fn begin(&self) -> Result<Scope<Tx>, sqlx::Error> {
        Ok(self.scope(self.store.db.begin().await?))
    }

    /// Continues a transaction that was begun elsewhere.
    pub(crate) fn scope(&self, tx: Tx) -> Scope<Tx> {
        Scope {
            on: tx,
            application_id: self.application_id.clone(),
        }
    }
}

/// A connection or transaction that only accepts the application's statements.
pub(crate) struct Scope<T> {
    on: T,
    application_id: Arc<str>,
}

impl Scope<Reader> {
    /// Used by `run!` for scoped statements.
    pub(crate) fn parts(&mut self) -> Result<(&str, Connection<'_>), sqlx::Error> {
        Ok((&self.application_id, self.on.connection()?))
    }
}

impl Scope<Tx> {
    /// Used by `run!` for scoped statements.
    pub(crate) fn parts(&mut self) -> Result<(&str, Connection<'_>), sqlx::Error> {
        Ok((&self.application_id, self.on.connection()?))
    }

    /// The transaction itself, for operations on rows that were found under this scope.
    pub(crate) fn unscoped(&mut self) -> &mut Tx {
        &mut self.on
    }

    pub(crate) async fn commit(self) -> Result<(), sqlx::Error> {
        self.on.commit().await
    }
}

/// A statement that filters by or inserts the application as `$1`.
#[derive(Clone, Copy)]
pub(crate) struct Scoped(&'static str);

impl Scoped {
    pub(crate) const fn text(self) -> &'static str {
        self.0
    }
}

/// Accepts a text that filters by `application_id = $1`, or inserts it as the first column. In a
/// constant, any other text is a compile error.
pub(crate) const fn scoped(sql: &'static str) -> Scoped {
    let text = sql.as_bytes();
    let filters = contains(text, b"application_id = $1");
    let inserts = contains(text, b"INSERT INTO ")
        && contains(text, b"(application_id,")
        && contains(text, b"VALUES ($1,");
    assert!(
        filters || inserts,
        "the statement must filter by `application_id = $1` or insert it as its first column"
    );
    Scoped(sql)
}

/// Whether `text` contains `part`, not followed by a digit: `$1` is not `$10`.
const fn contains(text: &[u8], part: &[u8]) -> bool {
    let mut at = 0;
    while at + part.len() <= text.len() {
        let mut same = 0;
        while same < part.len() && text[at + same] == part[same] {
            same += 1;
        }
        let end = at + same;
        if same == part.len() && (end == text.len() || !text[end].is_ascii_digit()) {
            return true;
        }
        at += 1;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_names_the_application_first() {
        scoped("SELECT 1 FROM customers WHERE application_id = $1");
        scoped("SELECT 1 FROM syncs s WHERE s.application_id = $1 AND s.id = $2");
        scoped("INSERT INTO customers\n (application_id, id)\n VALUES ($1, $2)");
    }

    #[test]
    #[should_panic(expected = "the statement must filter")]
    fn the_tenth_parameter_is_not_the_first() {
        scoped("SELECT 1 FROM customers WHERE application_id = $10");
    }

    #[test]
    #[should_panic(expected = "the statement must filter")]
    fn a_statement_without_the_application_is_refused() {
        scoped("DELETE FROM customers WHERE customer_id = $1");
    }
}
