//! The destinations: how many there are, and which can't be written.

use syncline_store::{Store, StoreError};

use super::report::Report;
use crate::commands::one_line;

const NAME: &str = "destinations";

pub(super) async fn look_at(report: &mut Report, store: &Store) {
    if let Err(error) = look(report, store).await {
        report.bad(NAME, one_line(&error.into()));
    }
}

async fn look(report: &mut Report, store: &Store) -> Result<(), StoreError> {
    let mut destinations = Vec::new();
    for application in store.list_applications().await? {
        let all = store.tenant(&application.id).list_destinations().await?;
        // The built-in one is this database.
        destinations.extend(all.into_iter().filter(|it| it.config.is_some()));
    }
    let working = destinations.iter().filter(|it| it.failure.is_none());
    report.ok(
        NAME,
        format!("{} of {} work", working.count(), destinations.len()),
    );
    for destination in &destinations {
        if let Some(failure) = &destination.failure {
            report.note(
                NAME,
                format!("{} can't be written: {}", destination.name, failure.error),
            );
        }
    }
    Ok(())
}
