//! How lists of syncs and runs are filtered: what stands in a page's address goes to the API.

use serde::Deserialize;

use crate::address::with_query;

const PAGE_SIZE: &str = "50";

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
        let page = [("page_size", PAGE_SIZE), ("cursor", &self.cursor)];
        with_query(
            &format!("/mgmt/v2/{list}"),
            page.into_iter().chain(self.pairs()),
        )
    }
}
