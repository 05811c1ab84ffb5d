//! An empty database with its schema, created once per process: migrating takes longer than many a
//! seed.

use std::{path::Path, sync::Arc};

use syncline_model::{Ids, ManualClock, Time};
use syncline_store::Store;
use tokio::sync::OnceCell;

use crate::process::ENCRYPTION_KEY;

static TEMPLATE: OnceCell<Vec<u8>> = OnceCell::const_new();

/// Writes a copy to `database`.
pub(crate) async fn write(database: &Path) -> anyhow::Result<()> {
    let template = TEMPLATE.get_or_try_init(|| make(database)).await?;
    std::fs::write(database, template)?;
    Ok(())
}

async fn make(beside: &Path) -> anyhow::Result<Vec<u8>> {
    let path = beside.with_extension("template");
    let clock = Arc::new(ManualClock::at(Time::UNIX_EPOCH));
    let store = Store::open(
        &format!("sqlite://{}", path.display()),
        clock,
        Arc::new(Ids::seeded(0)),
        ENCRYPTION_KEY.parse()?,
    )
    .await?;
    store.migrate().await?;
    store.close().await;
    Ok(std::fs::read(&path)?)
}
