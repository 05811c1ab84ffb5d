//! The result of a call as the audit log stores it.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// The result of an audited call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AuditResult {
    Ok,
    /// The key isn't allowed to make the call.
    Denied,
    Failed,
}

impl AuditResult {
    pub const ALL: &'static [Self] = &[Self::Ok, Self::Denied, Self::Failed];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Denied => "denied",
            Self::Failed => "failed",
        }
    }
}

impl fmt::Display for AuditResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Not the name of a result.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is none of ok, denied, failed")]
pub struct UnknownAuditResult(pub String);

impl FromStr for AuditResult {
    type Err = UnknownAuditResult;

    fn from_str(word: &str) -> Result<Self, UnknownAuditResult> {
        let mut results = Self::ALL.iter().copied();
        results
            .find(|result| result.as_str() == word)
            .ok_or_else(|| UnknownAuditResult(word.to_owned()))
    }
}
