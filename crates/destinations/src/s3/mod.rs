//! Parquet files in an S3 bucket; `docs/destinations.md` describes what readers find there.
//!
//! A connection's files are listed by its newest manifest, and readers look at nothing else. So a
//! batch is visible, with its checkpoint, from the moment its manifest is created, and what a crash
//! leaves before that is garbage. Manifests are numbered, and each number is given once
//! (`If-None-Match`): of two writers one is [`S3Error::Overtaken`] and has to read again.
//!
//! `config` checks what a destination is given, `http` sends requests to where they may go, `store`
//! is the bucket's few operations, `layout` the paths in it, `manifest` the lists of files, `commit`
//! their order, and `columns`, `file` and `read` are Parquet. The operations are `write`, `rewrite` (compaction
//! and erasure), `remove`, `clean` and `probe`.

mod clean;
mod columns;
mod commit;
mod config;
mod error;
mod file;
mod gone;
mod http;
mod layout;
mod manifest;
mod newest;
mod probe;
mod read;
mod remove;
mod rewrite;
mod store;
mod write;

#[cfg(test)]
mod tests;

pub use config::{InvalidConfig, S3Config};
pub use error::S3Error;
pub use gone::Gone;
pub use manifest::{DataFile, Manifest, Source, Superseded};
pub use store::Bucket;

/// Runs what computes for long where it holds up nothing else.
async fn computing<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, S3Error> + Send + 'static,
) -> Result<T, S3Error> {
    // The Parquet library panics on some damaged files.
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(S3Error::Other(error.to_string())))
}
