//! Destinations: where records are written. Every application has the same one, this database's own
//! tables; it needs no row.

use sha2::{Digest, Sha256};

use crate::{Store, Tenant};

/// The name of the built-in destination: this database's own tables.
pub(crate) const BUILT_IN_DESTINATION: &str = "Syncline";

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destination {
    pub id: String,
    pub application_id: String,
    pub name: &'static str,
}

impl Store {
    pub fn built_in_destination(&self) -> &'static str {
        BUILT_IN_DESTINATION
    }
}

impl Tenant {
    pub fn list_destinations(&self) -> Vec<Destination> {
        vec![Destination {
            id: built_in_id(self.application_id()),
            application_id: self.application_id().to_owned(),
            name: BUILT_IN_DESTINATION,
        }]
    }

    pub fn get_destination(&self, id: &str) -> Option<Destination> {
        self.list_destinations()
            .into_iter()
            .find(|destination| destination.id == id)
    }
}

/// An id that looks like every other and is constant for an application.
fn built_in_id(application_id: &str) -> String {
    let hash = Sha256::digest(format!("destination of {application_id}"));
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash[..16]);
    uuid::Builder::from_custom_bytes(bytes)
        .into_uuid()
        .to_string()
}
