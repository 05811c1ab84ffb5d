//! Writes synced rows to destinations outside of Syncline's own database, one module for each kind.

#[cfg(feature = "s3")]
pub mod s3;
