//! One application's part of the database: the one place where callers are kept apart.
//!
//! Whatever a caller names (an id, a customer, a filter) is looked up through a [`Tenant`], which comes
//! with their key. Its statements are [`Scoped`]: a text that doesn't begin with the application does
//! not compile, and `run!` binds the application's id as `$1` before anything else is bound. A
//! [`Scope`], which is what a tenant reads and writes through, takes no other statements. So a query
//! without the scope can't be written by accident.
//!
//! A row that was found through a tenant (a `Connection`, a `Sync`, a `SyncConfig`, …) stands for
//! itself: what takes one is a method of [`Store`] and asks by the row's own id. Ids that came from
//! outside never go there.

use std::{fmt, sync::Arc};

use crate::{
    Store,
    db::{Connection, Reader, Tx},
};

/// The store as one application may see it. Cheap to clone.
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
    /// The application's part, for who has its id from the database or the configuration. Callers
    /// come by theirs with a key: see [`Store::authenticate`].
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

    /// For what is done with rows that this tenant has found.
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

    /// Goes on in a transaction that somebody else has begun.
    pub(crate) fn scope(&self, tx: Tx) -> Scope<Tx> {
        Scope {
            on: tx,
            application_id: self.application_id.clone(),
        }
    }
}

/// A connection or a transaction that takes the application's statements only.
pub(crate) struct Scope<T> {
    on: T,
    application_id: Arc<str>,
}

impl Scope<Reader> {
    /// What `run!` sends a scoped statement with.
    pub(crate) fn parts(&mut self) -> Result<(&str, Connection<'_>), sqlx::Error> {
        Ok((&self.application_id, self.on.connection()?))
    }
}

impl Scope<Tx> {
    /// What `run!` sends a scoped statement with.
    pub(crate) fn parts(&mut self) -> Result<(&str, Connection<'_>), sqlx::Error> {
        Ok((&self.application_id, self.on.connection()?))
    }

    /// The transaction itself, for what is done with rows that were found under this scope.
    pub(crate) fn of_found_rows(&mut self) -> &mut Tx {
        &mut self.on
    }

    pub(crate) async fn commit(self) -> Result<(), sqlx::Error> {
        self.on.commit().await
    }
}

/// A statement that names the application, as its `$1`.
#[derive(Clone, Copy)]
pub(crate) struct Scoped(&'static str);

impl Scoped {
    pub(crate) const fn text(self) -> &'static str {
        self.0
    }
}

/// Takes a text that filters by `application_id = $1`, or inserts it as the first column. Meant for
/// constants: any other text is an error of compilation there.
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

/// Whether `text` has `part` in it, followed by no digit: `$1` is not `$10`.
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
