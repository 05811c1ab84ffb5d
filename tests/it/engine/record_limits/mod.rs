//! Record limits: how many records are read in any hour, in any day and by one run, measured at the
//! provider.

mod accounts;
mod changed;
mod clocks;
mod losses;
mod per_object;
mod windows;

use syncline_model::VolumeLimits;

use crate::support::{App, CONTACTS, Database};

/// An application that syncs only contacts, from an Apollo with this many of them, under these
/// limits.
async fn contacts_under(database: Database, contacts: usize, limits: VolumeLimits) -> App {
    let mut app = App::with_contacts(database, contacts).await;
    app.limit(limits);
    app.sync_only(CONTACTS).await;
    app
}

/// `first` to `last`.
fn pages(first: u64, last: u64) -> Vec<u64> {
    (first..=last).collect()
}
