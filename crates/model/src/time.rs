//! The format of times in APIs: RFC 3339, UTC, milliseconds, `Z`.

use chrono::{DateTime, SecondsFormat, Utc};

/// A moment in UTC. Everything Syncline stores or shows has millisecond precision.
pub type Time = DateTime<Utc>;

/// `2026-05-18T11:04:12.977Z`.
pub fn format(time: Time) -> String {
    time.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// For `#[serde(with = "time::millis")]` on a [`Time`].
pub mod millis {
    use serde::{Deserialize, Deserializer, Serializer};

    use super::Time;

    pub fn serialize<S: Serializer>(time: &Time, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&super::format(*time))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Time, D::Error> {
        Time::deserialize(deserializer)
    }
}

/// For `#[serde(with = "time::millis_or_null")]` on an `Option<Time>`.
pub mod millis_or_null {
    use serde::{Deserialize, Deserializer, Serializer};

    use super::Time;

    pub fn serialize<S: Serializer>(time: &Option<Time>, serializer: S) -> Result<S::Ok, S::Error> {
        match time {
            Some(time) => super::millis::serialize(time, serializer),
            None => serializer.serialize_none(),
        }
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Time>, D::Error> {
        Option::<Time>::deserialize(deserializer)
    }
}
