//! Against a real S3 server, which `tests/with-s3` runs.

mod cleaning;
mod faults;
mod network;
mod races;
mod rewriting;
mod support;
mod writing;
