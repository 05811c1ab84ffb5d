//! The common records: users, contacts, sequences, … in the same shape for every provider.
//!
//! A provider's mapping turns its JSON into a [`Record`], the store writes it to the object's
//! table, and the unified API shows it. Field names and nullability are those of Supaglue's
//! published engagement schemas.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::{Object, Time};

/// One record as read from a provider.
#[derive(Debug, Clone)]
pub struct Record<T> {
    pub id: String,
    /// The provider's times of creation and of the last change.
    pub created_at: Option<Time>,
    pub updated_at: Option<Time>,
    /// The provider marks the record as deleted (an archived sequence, a removed user).
    pub is_deleted: bool,
    pub fields: T,
    /// The provider's own JSON, unchanged.
    pub raw: Box<RawValue>,
    /// A hash over the mapped fields and the raw data, without the keys that differ only by
    /// endpoint or time. Equal hashes mean that there is nothing to write.
    pub hash: i64,
    /// The hash that an earlier version computed for it, if that version mapped it to the same
    /// fields.
    pub former_hash: Option<i64>,
    /// The provider's names of the fields that could not be read, without duplicates.
    pub unread: Vec<String>,
}

/// A page's records, by object. Where a provider's contacts contain their sequence states, a page of
/// contacts has both.
#[derive(Debug, Clone)]
pub enum Records {
    Users(Vec<Record<User>>),
    Mailboxes(Vec<Record<Mailbox>>),
    Sequences(Vec<Record<Sequence>>),
    Accounts(Vec<Record<Account>>),
    Contacts {
        contacts: Vec<Record<Contact>>,
        states: Vec<Record<SequenceState>>,
    },
    SequenceStates(Vec<Record<SequenceState>>),
}

impl Records {
    /// The ids of the scanned object's records and their creation times, in the page's order.
    pub fn scanned(&self) -> Vec<(&str, Option<Time>)> {
        fn of<T>(records: &[Record<T>]) -> Vec<(&str, Option<Time>)> {
            records
                .iter()
                .map(|record| (record.id.as_str(), record.created_at))
                .collect()
        }
        match self {
            Self::Users(users) => of(users),
            Self::Mailboxes(mailboxes) => of(mailboxes),
            Self::Sequences(sequences) => of(sequences),
            Self::Accounts(accounts) => of(accounts),
            Self::Contacts { contacts, .. } => of(contacts),
            Self::SequenceStates(states) => of(states),
        }
    }
}

/// A kind of common record.
pub trait Common: Clone + Serialize + Sized {
    const OBJECT: Object;
    /// The names of its own fields.
    const FIELDS: &'static [&'static str];

    /// The records of this kind in `records`; empty if those are of another kind.
    fn of(records: Records) -> Vec<Record<Self>>;

    /// Gives the fields that aren't kept their empty values.
    fn clear_fields(&mut self, keeps: impl Fn(&str) -> bool);
}

macro_rules! common {
    ($record:ident { $($field:ident),+ }, $object:expr, $kind:pat => $own:ident) => {
        impl Common for $record {
            const OBJECT: Object = $object;
            const FIELDS: &'static [&'static str] = &[$(stringify!($field)),+];

            fn clear_fields(&mut self, keeps: impl Fn(&str) -> bool) {
                $(if !keeps(stringify!($field)) {
                    self.$field = Default::default();
                })+
            }

            fn of(records: Records) -> Vec<Record<Self>> {
                match records {
                    $kind => $own,
                    _ => Vec::new(),
                }
            }
        }
    };
}

common!(User { first_name, last_name, email, is_locked },
    Object::User, Records::Users(users) => users);
common!(Mailbox { email, user_id, is_disabled },
    Object::Mailbox, Records::Mailboxes(mailboxes) => mailboxes);
common!(
    Sequence { owner_id, is_enabled, name, tags, num_steps, metrics, is_archived, share_type },
    Object::Sequence, Records::Sequences(sequences) => sequences
);
common!(Account { owner_id, name, domain },
    Object::Account, Records::Accounts(accounts) => accounts);
common!(
    Contact {
        owner_id, account_id, first_name, last_name, job_title, address, email_addresses,
        phone_numbers, open_count, click_count, reply_count, bounced_count
    },
    Object::Contact, Records::Contacts { contacts, .. } => contacts
);
common!(
    SequenceState { state, contact_id, mailbox_id, user_id, sequence_id },
    Object::SequenceState,
    Records::Contacts { states: own, .. } | Records::SequenceStates(own) => own
);

/// A record that was rejected, with the reason. A malformed record never stops its page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejected {
    pub object: Object,
    /// `None` if not even the id could be read.
    pub id: Option<String>,
    pub reason: String,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct User {
    #[schema(required = true)]
    pub first_name: Option<String>,
    #[schema(required = true)]
    pub last_name: Option<String>,
    #[schema(required = true)]
    pub email: Option<String>,
    #[schema(required = true)]
    pub is_locked: Option<bool>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Mailbox {
    #[schema(required = true)]
    pub email: Option<String>,
    #[schema(required = true)]
    pub user_id: Option<String>,
    #[schema(required = true)]
    pub is_disabled: Option<bool>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Account {
    #[schema(required = true)]
    pub owner_id: Option<String>,
    #[schema(required = true)]
    pub name: Option<String>,
    #[schema(required = true)]
    pub domain: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Sequence {
    #[schema(required = true)]
    pub owner_id: Option<String>,
    pub is_enabled: bool,
    #[schema(required = true)]
    pub name: Option<String>,
    pub tags: Vec<String>,
    pub num_steps: i64,
    /// Keys are camelCase, the values numbers; a statistic that the provider is still computing is
    /// absent.
    #[schema(value_type = BTreeMap<String, f64>)]
    pub metrics: BTreeMap<String, serde_json::Number>,
    pub is_archived: bool,
    pub share_type: ShareType,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ShareType {
    #[default]
    Team,
    Private,
}

impl ShareType {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Team => "team",
            Self::Private => "private",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Contact {
    #[schema(required = true)]
    pub owner_id: Option<String>,
    #[schema(required = true)]
    pub account_id: Option<String>,
    #[schema(required = true)]
    pub first_name: Option<String>,
    #[schema(required = true)]
    pub last_name: Option<String>,
    #[schema(required = true)]
    pub job_title: Option<String>,
    #[schema(required = true)]
    pub address: Option<Address>,
    pub email_addresses: Vec<EmailAddress>,
    pub phone_numbers: Vec<PhoneNumber>,
    pub open_count: i64,
    pub click_count: i64,
    pub reply_count: i64,
    pub bounced_count: i64,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Address {
    #[schema(required = true)]
    pub street_1: Option<String>,
    #[schema(required = true)]
    pub street_2: Option<String>,
    #[schema(required = true)]
    pub city: Option<String>,
    #[schema(required = true)]
    pub state: Option<String>,
    #[schema(required = true)]
    pub postal_code: Option<String>,
    #[schema(required = true)]
    pub country: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EmailAddress {
    pub email_address: String,
    /// `primary`, `personal`, `work` or null.
    #[schema(required = true)]
    pub email_address_type: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PhoneNumber {
    #[schema(required = true)]
    pub phone_number: Option<String>,
    /// `primary`, `work`, `home`, `mobile`, `other` or null.
    #[schema(required = true)]
    pub phone_number_type: Option<String>,
}

/// A contact's place in a sequence.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SequenceState {
    /// As the provider names it.
    #[schema(required = true)]
    pub state: Option<String>,
    #[schema(required = true)]
    pub contact_id: Option<String>,
    #[schema(required = true)]
    pub mailbox_id: Option<String>,
    #[schema(required = true)]
    pub user_id: Option<String>,
    #[schema(required = true)]
    pub sequence_id: Option<String>,
}
