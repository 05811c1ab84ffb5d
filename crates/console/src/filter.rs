//! How lists of syncs and runs are filtered: what stands in a page's address goes to the API.

use serde::Deserialize;

use crate::viewer::encoded;

const PAGE_SIZE: usize = 50;

#[derive(Deserialize)]
pub(crate) struct Filter {
    #[serde(default)]
    pub(crate) customer_id: String,
    #[serde(default)]
    pub(crate) state: String,
    #[serde(default)]
    pub(crate) status: String,
    #[serde(default)]
    cursor: String,
}

impl Filter {
    /// What is kept from page to page.
    pub(crate) fn pairs(&self) -> [(&'static str, &str); 3] {
        [
            ("customer_id", &self.customer_id),
            ("state", &self.state),
            ("status", &self.status),
        ]
    }

    /// The path of a page of this list of the management API.
    pub(crate) fn path(&self, list: &str) -> String {
        let mut path = format!("/mgmt/v2/{list}?page_size={PAGE_SIZE}");
        for (name, value) in self.pairs().into_iter().chain([("cursor", &*self.cursor)]) {
            if !value.is_empty() {
                path = format!("{path}&{name}={}", encoded(value));
            }
        }
        path
    }
}
