//! The common objects of the engagement category.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::record::{Account, Common, Contact, Mailbox, Sequence, SequenceState, User};

/// A kind of record that every engagement provider has in some form.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "snake_case")]
#[schema(as = common_object)]
pub enum Object {
    User,
    Mailbox,
    Sequence,
    Account,
    Contact,
    SequenceState,
}

impl Object {
    /// In the order in which a connection's first syncs start: small objects first, so that a
    /// limited budget is not spent on the largest one.
    pub const ALL: &[Self] = &[
        Self::User,
        Self::Mailbox,
        Self::Sequence,
        Self::Account,
        Self::Contact,
        Self::SequenceState,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Mailbox => "mailbox",
            Self::Sequence => "sequence",
            Self::Account => "account",
            Self::Contact => "contact",
            Self::SequenceState => "sequence_state",
        }
    }

    /// The plural, as in the paths of the engagement API.
    pub fn plural(self) -> &'static str {
        match self {
            Self::User => "users",
            Self::Mailbox => "mailboxes",
            Self::Sequence => "sequences",
            Self::Account => "accounts",
            Self::Contact => "contacts",
            Self::SequenceState => "sequence_states",
        }
    }

    /// The table that holds the object's rows.
    pub fn table(self) -> &'static str {
        match self {
            Self::User => "engagement_users",
            Self::Mailbox => "engagement_mailboxes",
            Self::Sequence => "engagement_sequences",
            Self::Account => "engagement_accounts",
            Self::Contact => "engagement_contacts",
            Self::SequenceState => "engagement_sequence_states",
        }
    }

    /// The names of its records' own fields.
    pub fn fields(self) -> &'static [&'static str] {
        match self {
            Self::User => User::FIELDS,
            Self::Mailbox => Mailbox::FIELDS,
            Self::Sequence => Sequence::FIELDS,
            Self::Account => Account::FIELDS,
            Self::Contact => Contact::FIELDS,
            Self::SequenceState => SequenceState::FIELDS,
        }
    }

    /// Its priority among a connection's scans: objects with few pages go first.
    pub fn scan_rank(self) -> i64 {
        match self {
            Self::User | Self::Mailbox | Self::Sequence => 0,
            Self::Account => 1,
            Self::Contact | Self::SequenceState => 2,
        }
    }
}

impl fmt::Display for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Not the name of a common object of the engagement category.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "unknown object '{0}': one of user, mailbox, sequence, account, contact, sequence_state is expected"
)]
pub struct UnknownObject(pub String);

impl FromStr for Object {
    type Err = UnknownObject;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .iter()
            .copied()
            .find(|object| object.as_str() == name)
            .ok_or_else(|| UnknownObject(name.to_owned()))
    }
}
