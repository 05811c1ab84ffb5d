//! What a list of rows is searched by, and the SQL conditions that find it.

use crate::{db::Db, key_set::KeySet};

/// A search of the cached rows, in fields that the object has. Text is compared case-insensitively.
#[derive(Debug, Clone, Copy)]
pub enum Search<'a> {
    /// Contacts with one of these addresses.
    Emails(&'a [String]),
    /// Accounts with this name, this domain, or both.
    Account {
        name: Option<&'a str>,
        domain: Option<&'a str>,
    },
    /// Sequence states of this contact, in this sequence, or both.
    State {
        contact_id: Option<&'a str>,
        sequence_id: Option<&'a str>,
    },
    User(UserSearch<'a>),
}

/// Users, by one of their fields.
#[derive(Debug, Clone, Copy)]
pub enum UserSearch<'a> {
    /// Compared exactly.
    Id(&'a str),
    Email(&'a str),
    /// The address or, for a user without one, the id.
    EmailOrId(&'a str),
    /// Whether they may sign in: neither deleted nor locked.
    Active(bool),
}

impl Search<'_> {
    /// The SQL condition. It uses two parameters, starting at `first`; [`Self::values`] returns
    /// their values.
    pub(super) fn condition(&self, db: &Db, first: usize) -> String {
        let (one, other) = (format!("${first}"), format!("${}", first + 1));
        match (self, db) {
            (Self::Emails(_), Db::Pg(_)) => format!(
                " AND EXISTS (SELECT 1 FROM jsonb_array_elements(email_addresses) e
                  WHERE lower(e->>'email_address')
                    IN (SELECT lower(key) FROM json_each(CAST({one} AS json))))"
            ),
            (Self::Emails(_), Db::Lite { .. }) => format!(
                " AND EXISTS (SELECT 1 FROM json_each(email_addresses) e
                  WHERE lower(e.value->>'email_address') IN (SELECT lower(key) FROM json_each({one})))"
            ),
            (Self::Account { .. }, _) => format!(
                " AND (CAST({one} AS text) IS NULL OR lower(name) = lower(CAST({one} AS text)))
                  AND (CAST({other} AS text) IS NULL OR lower(domain) = lower(CAST({other} AS text)))"
            ),
            (Self::State { .. }, _) => format!(
                " AND (CAST({one} AS text) IS NULL OR contact_id = CAST({one} AS text))
                  AND (CAST({other} AS text) IS NULL OR sequence_id = CAST({other} AS text))"
            ),
            (Self::User(user), _) => user.condition(&one),
        }
    }

    pub(super) fn values(&self) -> (Option<String>, Option<String>) {
        let owned = |text: &str| text.trim().to_owned();
        match self {
            Self::Emails(emails) => {
                let keys: Vec<&str> = emails.iter().map(|email| email.trim()).collect();
                (Some(KeySet::new(&keys).into_text()), None)
            }
            Self::Account { name, domain } => (name.map(owned), domain.map(owned)),
            Self::State {
                contact_id,
                sequence_id,
            } => (
                contact_id.map(str::to_owned),
                sequence_id.map(str::to_owned),
            ),
            Self::User(user) => (user.value(), None),
        }
    }
}

impl UserSearch<'_> {
    fn condition(self, value: &str) -> String {
        match self {
            Self::Id(_) => format!(" AND id = CAST({value} AS text)"),
            Self::Email(_) => format!(" AND lower(email) = lower(CAST({value} AS text))"),
            Self::EmailOrId(_) => {
                format!(
                    " AND lower(COALESCE(NULLIF(email, ''), id)) = lower(CAST({value} AS text))"
                )
            }
            Self::Active(true) => String::from(" AND NOT is_deleted AND is_locked IS NOT TRUE"),
            Self::Active(false) => String::from(" AND (is_deleted OR is_locked IS TRUE)"),
        }
    }

    fn value(self) -> Option<String> {
        match self {
            Self::Id(text) | Self::Email(text) | Self::EmailOrId(text) => Some(text.to_owned()),
            Self::Active(_) => None,
        }
    }
}
