//! What callers write at Salesloft through the unified API.

mod enrolments;
mod points;
mod records;
mod sequences;
mod steps;
mod switched;

use super::{
    SALESLOFT,
    writing::{asked, change, create, fail, lose_answer, skipped, synced, warnings},
};
use crate::support::{App, Database};

async fn salesloft(database: Database) -> App {
    synced(SALESLOFT, database).await
}
