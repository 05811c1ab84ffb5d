//! How single settings are read, and what is wrong with a value that can't be.

use secrecy::SecretString;
use serde::{Deserialize, Deserializer, de};

/// An empty value is wrong, not absent: it must not select another database.
pub(super) fn hidden<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<SecretString>, D::Error> {
    Ok(Option::<String>::deserialize(deserializer)?.map(SecretString::from))
}

pub(super) fn secret<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<SecretString>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    Ok(text
        .filter(|text| !text.trim().is_empty())
        .map(SecretString::from))
}

/// Values from the environment are text.
pub(super) fn whole_number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Given {
        Number(i64),
        Text(String),
        Other(serde::de::IgnoredAny),
    }
    let number = match Given::deserialize(deserializer)? {
        Given::Number(number) => Ok(number),
        Given::Text(text) => text
            .trim()
            .parse()
            .map_err(|error| format!("'{text}' is not a whole number: {error}")),
        Given::Other(_) => Err("it is not a whole number".to_owned()),
    };
    number.map_err(serde::de::Error::custom)
}

pub(super) fn some_whole_number<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<i64>, D::Error> {
    whole_number(deserializer).map(Some)
}

pub(super) fn yes_or_no<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Given {
        Bool(bool),
        Text(String),
        Other(serde::de::IgnoredAny),
    }
    let given = match Given::deserialize(deserializer)? {
        Given::Bool(given) => Some(given),
        Given::Text(text) => text.trim().to_lowercase().parse().ok(),
        Given::Other(_) => None,
    };
    given.ok_or_else(|| serde::de::Error::custom("must be true or false"))
}

/// A generous upper bound for one process.
pub(super) fn places<'de, D: Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
    const MOST: usize = 100_000;
    let number = whole_number(deserializer)?;
    usize::try_from(number)
        .ok()
        .filter(|it| (1..=MOST).contains(it))
        .ok_or_else(|| serde::de::Error::custom(format!("must be from 1 to {MOST}")))
}

/// Requests per key and minute; a process can't answer more than a million a minute.
pub(super) fn rate<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    const MOST: u32 = 1_000_000;
    let number = whole_number(deserializer)?;
    u32::try_from(number)
        .ok()
        .filter(|it| *it <= MOST)
        .ok_or_else(|| serde::de::Error::custom(format!("must be from 0 (no limit) to {MOST}")))
}

/// At least four: for a page's transaction, the lease's heartbeat, and requests at the same time.
pub(super) fn connections<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    const BOUNDS: std::ops::RangeInclusive<u32> = 4..=1000;
    let number = whole_number(deserializer)?;
    u32::try_from(number)
        .ok()
        .filter(|it| BOUNDS.contains(it))
        .ok_or_else(|| {
            let (least, most) = (BOUNDS.start(), BOUNDS.end());
            serde::de::Error::custom(format!("must be from {least} to {most}"))
        })
}

/// From a day to a hundred years.
pub(super) fn days<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    const MOST: i64 = 36_500;
    let number = whole_number(deserializer)?;
    u32::try_from(number)
        .ok()
        .filter(|_| (1..=MOST).contains(&number))
        .ok_or_else(|| serde::de::Error::custom(format!("must be from 1 to {MOST} days")))
}

/// Origins: a list, or text with commas between them.
pub(super) fn origins<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Written {
        Text(String),
        List(Vec<String>),
    }
    let written = match Written::deserialize(deserializer)? {
        Written::Text(text) => text.split(',').map(str::to_owned).collect(),
        Written::List(list) => list,
    };
    let checked = |origin: &String| syncline_server::checked_origin(origin);
    let origins: Result<Vec<String>, _> = written.iter().map(checked).collect();
    origins.map_err(de::Error::custom)
}
