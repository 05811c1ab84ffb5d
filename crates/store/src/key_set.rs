//! A set of keys as one parameter of a statement, the same on both databases.

use std::collections::BTreeMap;

use serde::Serialize;
use sqlx::{
    Postgres, Sqlite,
    encode::IsNull,
    error::BoxDynError,
    postgres::{PgArgumentBuffer, PgTypeInfo, types::Oid},
    sqlite::{SqliteArgumentsBuffer, SqliteTypeInfo},
};

/// The OID of the type `json` in every PostgreSQL.
const JSON_OID: Oid = Oid(114);

/// A set of keys as one parameter: a JSON object, so that `SELECT key FROM json_each($1)` is the
/// same text on both databases. PostgreSQL's `json_each` needs `json`, SQLite's needs text.
pub(crate) struct KeySet(String);

impl KeySet {
    pub(crate) fn new<K: AsRef<str>>(keys: &[K]) -> Self {
        let object: serde_json::Map<_, _> = keys
            .iter()
            .map(|key| (key.as_ref().to_owned(), serde_json::Value::Null))
            .collect();
        Self(serde_json::Value::Object(object).to_string())
    }

    /// With a value each, for `SELECT key, value FROM json_each($1)`.
    pub(crate) fn with_values<V: Serialize>(rows: &BTreeMap<&str, V>) -> Self {
        Self(serde_json::to_string(rows).expect("what is bound has only keys that are strings"))
    }

    /// Keys with a number each, as `key` and `value`.
    pub(crate) fn with_numbers<'k>(numbers: impl IntoIterator<Item = (&'k str, i64)>) -> Self {
        let object: serde_json::Map<_, _> = numbers
            .into_iter()
            .map(|(key, number)| (key.to_owned(), number.into()))
            .collect();
        Self(serde_json::Value::Object(object).to_string())
    }

    /// For a parameter that the statement casts.
    pub(crate) fn into_text(self) -> String {
        self.0
    }
}

impl sqlx::Type<Postgres> for KeySet {
    fn type_info() -> PgTypeInfo {
        PgTypeInfo::with_oid(JSON_OID)
    }
}

impl sqlx::Encode<'_, Postgres> for KeySet {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        buffer.extend_from_slice(self.0.as_bytes());
        Ok(IsNull::No)
    }
}

impl sqlx::Type<Sqlite> for KeySet {
    fn type_info() -> SqliteTypeInfo {
        <String as sqlx::Type<Sqlite>>::type_info()
    }
}

impl sqlx::Encode<'_, Sqlite> for KeySet {
    fn encode_by_ref(&self, buffer: &mut SqliteArgumentsBuffer) -> Result<IsNull, BoxDynError> {
        <String as sqlx::Encode<'_, Sqlite>>::encode_by_ref(&self.0, buffer)
    }
}
