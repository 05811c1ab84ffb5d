//! The names of providers, and the categories of their APIs.
//!
//! `providers/registry.rs` says which providers there are. A name says nothing about what its provider
//! can do.

use std::{borrow::Cow, collections::BTreeMap, fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use utoipa::ToSchema;

use crate::Object;

/// Bytes of the longest name.
const MAX_LENGTH: usize = 32;

/// The name of a provider: `apollo`. Lower-case letters, digits and underscores.
///
/// It is copied into every event, run and log line, and providers name themselves in constants, so
/// it is a short array: a string of the standard library is neither `Copy` nor made in a constant.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ProviderName {
    bytes: [u8; MAX_LENGTH],
    length: u8,
}

impl ProviderName {
    /// For constants: a name that is none doesn't compile.
    pub const fn literal(name: &'static str) -> Self {
        match Self::of(name.as_bytes()) {
            Some(name) => name,
            None => panic!("a provider's name has 1 to 32 of a-z, 0-9 and _"),
        }
    }

    const fn of(name: &[u8]) -> Option<Self> {
        if name.is_empty() || name.len() > MAX_LENGTH {
            return None;
        }
        let mut bytes = [0; MAX_LENGTH];
        let mut at = 0;
        while at < name.len() {
            if !matches!(name[at], b'a'..=b'z' | b'0'..=b'9' | b'_') {
                return None;
            }
            bytes[at] = name[at];
            at += 1;
        }
        #[expect(clippy::cast_possible_truncation, reason = "at most MAX_LENGTH")]
        let length = name.len() as u8;
        Some(Self { bytes, length })
    }

    pub fn as_str(&self) -> &str {
        let bytes = &self.bytes[..usize::from(self.length)];
        std::str::from_utf8(bytes).unwrap_or_default()
    }
}

impl fmt::Display for ProviderName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for ProviderName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Not a valid name of a provider.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not a provider's name: use 1 to 32 lower-case letters, digits and underscores")]
pub struct InvalidProviderName(pub String);

impl FromStr for ProviderName {
    type Err = InvalidProviderName;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::of(name.as_bytes()).ok_or_else(|| InvalidProviderName(name.to_owned()))
    }
}

impl Serialize for ProviderName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for ProviderName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = Cow::<'de, str>::deserialize(deserializer)?;
        name.parse().map_err(de::Error::custom)
    }
}

impl utoipa::PartialSchema for ProviderName {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
        utoipa::openapi::ObjectBuilder::new()
            .schema_type(utoipa::openapi::schema::Type::String)
            .description(Some("A provider's name: `apollo`."))
            .into()
    }
}

impl ToSchema for ProviderName {
    fn name() -> Cow<'static, str> {
        "provider_name".into()
    }
}

/// Which objects have no list of their own at a provider, but come inside another one's records.
#[derive(Debug, Clone, Default)]
pub struct Containment(BTreeMap<(ProviderName, Object), Object>);

impl Containment {
    /// The object whose records carry this one's.
    pub fn carrier_of(&self, provider: ProviderName, object: Object) -> Option<Object> {
        self.0.get(&(provider, object)).copied()
    }
}

impl FromIterator<((ProviderName, Object), Object)> for Containment {
    fn from_iter<I: IntoIterator<Item = ((ProviderName, Object), Object)>>(carried: I) -> Self {
        Self(carried.into_iter().collect())
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

/// How customers let us in at a provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub enum AuthType {
    #[serde(rename = "api_key")]
    ApiKey,
    #[serde(rename = "oauth2")]
    OAuth2,
}

impl AuthType {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ApiKey => "api_key",
            Self::OAuth2 => "oauth2",
        }
    }

    pub fn parse(word: &str) -> Option<Self> {
        [Self::ApiKey, Self::OAuth2]
            .into_iter()
            .find(|way| way.as_str() == word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_written_and_read_as_it_is() {
        const NAME: ProviderName = ProviderName::literal("apollo");
        assert_eq!(NAME.as_str(), "apollo");
        assert_eq!("apollo".parse(), Ok(NAME));
        assert_eq!(serde_json::to_string(&NAME).unwrap(), "\"apollo\"");
        assert_eq!(
            serde_json::from_str::<ProviderName>("\"apollo\"").unwrap(),
            NAME
        );
        assert!(NAME < ProviderName::literal("outreach"));
    }

    #[test]
    fn what_is_no_name_is_refused() {
        for text in ["", "Apollo", "a b", "a-b", "ü", &"a".repeat(33)] {
            let refused = text.parse::<ProviderName>().unwrap_err();
            assert_eq!(refused, InvalidProviderName(text.to_owned()));
        }
        assert!("a".repeat(32).parse::<ProviderName>().is_ok());
    }
}
