//! Whole numbers of bodies and queries, whose errors say what would be right.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{Error, Unexpected, Visitor},
};

const EXPECTED: &str = "a whole number from 0";

/// A whole number from 0, of JSON.
pub(super) struct WholeNumber(pub(super) u32);

impl<'de> Deserialize<'de> for WholeNumber {
    fn deserialize<D: Deserializer<'de>>(value: D) -> Result<Self, D::Error> {
        value.deserialize_u32(WholeNumberVisitor).map(Self)
    }
}

struct WholeNumberVisitor;

impl Visitor<'_> for WholeNumberVisitor {
    type Value = u32;

    fn expecting(&self, to: &mut fmt::Formatter) -> fmt::Result {
        to.write_str(EXPECTED)
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<u32, E> {
        number.try_into().map_err(|_| {
            let largest = u32::MAX;
            E::custom(format_args!("must be {EXPECTED} to {largest}"))
        })
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<u32, E> {
        let wrong = |_| E::invalid_value(Unexpected::Signed(number), &self);
        let number = u64::try_from(number).map_err(wrong)?;
        self.visit_u64(number)
    }
}

/// A field of JSON that may be left out or null.
pub(super) fn of_json<'de, D: Deserializer<'de>>(value: D) -> Result<Option<u32>, D::Error> {
    let given = Option::<WholeNumber>::deserialize(value)?;
    Ok(given.map(|WholeNumber(number)| number))
}

/// A parameter of a query, where every value is text.
pub(super) fn of_query<'de, D: Deserializer<'de>>(value: D) -> Result<Option<u32>, D::Error> {
    let Some(text) = Option::<String>::deserialize(value)? else {
        return Ok(None);
    };
    text.parse().map(Some).map_err(|_| {
        let largest = u32::MAX;
        D::Error::custom(format_args!("must be {EXPECTED} to {largest}"))
    })
}
