//! Links to the next and the previous page of a list.

use crate::{address::with_query, resources::Listed};

/// The queries of the pages around this one.
pub(crate) struct Pager {
    pub(crate) next: Option<String>,
    pub(crate) previous: Option<String>,
}

impl Pager {
    /// `filter` is kept from page to page.
    pub(crate) fn of<T>(listed: &Listed<T>, filter: &[(&str, &str)]) -> Self {
        Self::to(listed.next.as_deref(), listed.previous.as_deref(), filter)
    }

    pub(crate) fn to(next: Option<&str>, previous: Option<&str>, filter: &[(&str, &str)]) -> Self {
        let query = |cursor| {
            let kept = filter.iter().copied();
            with_query("", kept.chain([("cursor", cursor)]))
        };
        Self {
            next: next.map(query),
            previous: previous.map(query),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Pager;

    #[test]
    fn the_filter_is_kept() {
        let pager = Pager::to(Some("a=b"), None, &[("search", "x y"), ("state", "")]);
        assert_eq!(pager.next.as_deref(), Some("?search=x%20y&cursor=a%3Db"));
        assert_eq!(pager.previous, None);
    }
}
