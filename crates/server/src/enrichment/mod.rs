//! `/enrichment/v2`: what a provider knows of people.

pub(crate) mod persons;
