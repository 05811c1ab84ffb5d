//! Callbacks: requests that the simulated API makes to its callers, later.

use bytes::Bytes;
use serde_json::Value;

/// A `POST` that is due, with a JSON body. Whoever took it sends it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Callback {
    /// The index of the team in [`Options::teams`](crate::Options::teams).
    pub team: usize,
    pub url: String,
    pub body: Bytes,
    /// The `request_id` of the answer that promised it.
    pub request_id: i64,
}

impl Callback {
    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }
}
