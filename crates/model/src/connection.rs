//! What is known about the health of a connection.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::Object;

/// Whether a connection's credentials work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ConnectionStatus {
    /// The provider accepts the credentials.
    Healthy,
    /// The provider rejects the credentials; the connection's syncs are paused.
    Unauthorized,
    /// The credentials are valid but can't read every object.
    Limited,
    /// The provider could not be asked yet; the first successful read settles it.
    Unverified,
}

impl ConnectionStatus {
    pub const ALL: [Self; 4] = [
        Self::Healthy,
        Self::Unauthorized,
        Self::Limited,
        Self::Unverified,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Unauthorized => "unauthorized",
            Self::Limited => "limited",
            Self::Unverified => "unverified",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.as_str() == text)
    }
}

/// Why a key that the provider accepts may not read an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Denial {
    /// The account's plan doesn't include it.
    Plan,
    /// The key's scope doesn't include it: another key, or a master key, could read it.
    KeyScope,
    Unknown,
}

/// Whether a connection's key may read an object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Capability {
    pub readable: bool,
    /// Why it is not readable.
    #[serde(default)]
    #[schema(required = true)]
    pub denial: Option<Denial>,
    /// Why it is not readable, in the provider's words.
    #[serde(default)]
    #[schema(required = true)]
    pub reason: Option<String>,
}

impl Capability {
    pub fn readable() -> Self {
        Self {
            readable: true,
            denial: None,
            reason: None,
        }
    }

    pub fn unreadable(denial: Denial, reason: &str) -> Self {
        Self {
            readable: false,
            denial: Some(denial),
            reason: Some(reason.to_owned()),
        }
    }
}

/// Per object, as far as reads have shown.
pub type Capabilities = BTreeMap<Object, Capability>;
