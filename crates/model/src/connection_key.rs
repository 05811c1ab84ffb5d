//! The keys of a connection: its main key, with which it is synced, and others that live calls and
//! enrichment are spread over.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Whose key it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = connection_key_kind)]
pub enum KeyKind {
    /// The customer's own.
    #[serde(rename = "self")]
    #[schema(rename = "self")]
    Own,
    /// Yours, which you let the customer use.
    Managed,
}

impl KeyKind {
    pub const ALL: [Self; 2] = [Self::Own, Self::Managed];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Own => "self",
            Self::Managed => "managed",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }

    /// How many keys of the kind a connection may have, its main key included.
    pub fn slots(self) -> usize {
        10
    }
}

/// Whether a key is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = connection_key_status)]
pub enum KeyStatus {
    Active,
    /// The provider doesn't accept it.
    Rejected,
    /// The provider accepts it, but not for enrichment.
    Forbidden,
    /// It has no credits left.
    UsedUp,
}

impl KeyStatus {
    const ALL: [Self; 4] = [Self::Active, Self::Rejected, Self::Forbidden, Self::UsedUp];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Rejected => "rejected",
            Self::Forbidden => "forbidden",
            Self::UsedUp => "used_up",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == text)
    }
}
