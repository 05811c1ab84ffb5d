//! Destinations: other stores that get what the tables have, fed from the change feeds.
//!
//! A worker leases a connection's feed (`store/destinations/feeds.rs`), reads what changed behind the
//! checkpoint that it finds at the destination, and writes rows and checkpoint there together: in one
//! transaction with `postgres`, by one manifest with `s3`. So a crash at any moment repeats a batch at
//! most, and a batch that is repeated changes nothing. No sync waits for a destination: failures are
//! the destination's own state, and its changes wait in the tables.

mod error;
mod postgres;
#[cfg(feature = "s3")]
pub mod s3;
#[cfg(feature = "s3")]
mod s3_target;
mod target;
mod test;
mod worker;

pub use error::DestinationError;
pub use test::{check, test};
pub use worker::{Destinations, DestinationsConfig, describe_metrics};

use syncline_model::DestinationType;

/// Says of a type that is not in this program how to get it.
pub fn check_built(destination_type: DestinationType) -> Result<(), &'static str> {
    match destination_type {
        DestinationType::S3 if cfg!(not(feature = "s3")) => Err(WITHOUT_S3),
        _ => Ok(()),
    }
}

const WITHOUT_S3: &str = "s3 is not in this program: build it with --features s3";
