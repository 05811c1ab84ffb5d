//! The providers that Syncline connects to, and the categories of their APIs.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A provider that can be connected.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum ProviderName {
    Apollo,
}

impl ProviderName {
    pub const ALL: &[Self] = &[Self::Apollo];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Apollo => "apollo",
        }
    }

    pub fn category(self) -> Category {
        match self {
            Self::Apollo => Category::Engagement,
        }
    }

    /// How a customer authenticates: `api_key` or `oauth2`.
    pub fn auth_type(self) -> &'static str {
        match self {
            Self::Apollo => "api_key",
        }
    }
}

impl fmt::Display for ProviderName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Not the name of a supported provider.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown provider '{0}': only 'apollo' is supported")]
pub struct UnknownProvider(pub String);

impl FromStr for ProviderName {
    type Err = UnknownProvider;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .iter()
            .copied()
            .find(|provider| provider.as_str() == name)
            .ok_or_else(|| UnknownProvider(name.to_owned()))
    }
}

/// The family of API a provider belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Category {
    Engagement,
}

impl Category {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Engagement => "engagement",
        }
    }
}
