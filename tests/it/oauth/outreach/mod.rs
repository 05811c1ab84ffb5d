//! What callers write at Outreach through the unified API.

mod enrolments;
mod records;
mod sequences;
mod switched;
mod tasks;

use super::{
    OUTREACH,
    writing::{asked, change, complete, create, fail, lose_answer, skipped, synced, warnings},
};
use crate::support::{App, Database};

async fn outreach(database: Database) -> App {
    synced(OUTREACH, database).await
}
