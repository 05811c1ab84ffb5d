//! Why a destination could not be written.

/// Each is one line that a person can act on, without secrets.
#[derive(Debug, thiserror::Error)]
pub enum DestinationError {
    /// Another worker writes to it by now: nothing was written.
    #[error("another worker has taken over")]
    Overtaken,
    /// The destination refused, or couldn't be reached.
    #[error("{0}")]
    Failed(String),
    /// Our own database.
    #[error("the database could not be used")]
    Store(#[from] syncline_store::StoreError),
}

impl DestinationError {
    pub(crate) fn failed(reason: impl Into<String>) -> Self {
        Self::Failed(reason.into())
    }
}
