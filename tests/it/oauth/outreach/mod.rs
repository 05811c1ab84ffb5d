//! What callers write at Outreach through the unified API.

mod enrolments;
mod records;
mod sequences;
mod switched;

use super::{
    OUTREACH,
    writing::{asked, change, create, fail, lose_answer, skipped, synced, warnings},
};
use crate::support::{App, Database};

async fn outreach(database: Database) -> App {
    synced(OUTREACH, database).await
}
