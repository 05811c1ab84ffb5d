//! `/enrichment/v2`.

mod persons;
