//! `/enrichment/v2`: what a provider knows about people.

pub(crate) mod persons;
