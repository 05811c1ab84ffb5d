//! API keys: whose they are and what they may do.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::Time;

/// An API key as it is known here: everything but the key itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    pub id: String,
    pub application_id: String,
    pub name: String,
    pub role: Role,
    /// Takes the place of what the role says of passthrough, writes and credits.
    pub policy: Option<Policy>,
    pub created_at: Time,
    /// From then on it is nobody's key.
    pub expires_at: Option<Time>,
    pub revoked_at: Option<Time>,
    /// To the minute.
    pub last_used_at: Option<Time>,
}

/// What a key is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Everything.
    Admin,
    /// Reads and searches.
    ReadOnly,
    /// Reads, searches, and requests of the caller's own that burn no credits.
    Passthrough,
}

impl Role {
    pub const ALL: &'static [Self] = &[Self::Admin, Self::ReadOnly, Self::Passthrough];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::ReadOnly => "read-only",
            Self::Passthrough => "passthrough",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A name that is no role's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is none of admin, read-only, passthrough")]
pub struct UnknownRole(pub String);

impl FromStr for Role {
    type Err = UnknownRole;

    fn from_str(name: &str) -> Result<Self, UnknownRole> {
        let mut roles = Self::ALL.iter().copied();
        roles
            .find(|role| role.as_str() == name)
            .ok_or_else(|| UnknownRole(name.to_owned()))
    }
}

/// What a key may do of what is not just reading. Nothing that isn't named.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// Requests of the caller's own to the provider, by the provider's path.
    #[serde(default)]
    pub passthrough: Vec<Rule>,
    /// Writes to this service, by its path.
    #[serde(default)]
    pub writes: Vec<Rule>,
    /// Whether requests that cost the provider's credits may be among them.
    #[serde(default)]
    pub credits: bool,
}

/// Methods on paths.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    pub methods: Vec<String>,
    /// `*` stands for one segment, `**` at the end for all that follow.
    pub path: String,
}
