//! The query string: filters, order and page.

use crate::request::SimRequest;

/// The parameters, in the order given.
#[derive(Debug, Default)]
pub(super) struct Query {
    pairs: Vec<(String, String)>,
}

impl Query {
    pub(super) fn read(request: &SimRequest) -> Self {
        let query = request.query.as_deref().unwrap_or_default();
        Self {
            pairs: serde_urlencoded::from_str(query).unwrap_or_default(),
        }
    }

    pub(super) fn text(&self, name: &str) -> Option<&str> {
        let found = self.pairs.iter().rfind(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str())
    }

    pub(super) fn flag(&self, name: &str) -> bool {
        matches!(self.text(name), Some("true" | "1"))
    }

    /// The number of the page; 1 if it is missing or not a number.
    pub(super) fn page(&self) -> u64 {
        let page = self.text("page").and_then(|page| page.parse().ok());
        page.unwrap_or(1).max(1)
    }

    /// The values of a list, `name[]=a&name[]=b`, or the only value, `name=a`, and which it was.
    pub(super) fn values(&self, name: &str) -> Option<(Vec<&str>, bool)> {
        let bracketed = format!("{name}[]");
        let items = self.pairs.iter().filter(|(key, _)| *key == bracketed);
        let items: Vec<&str> = items.map(|(_, value)| value.as_str()).collect();
        if items.is_empty() {
            return self.text(name).map(|value| (vec![value], false));
        }
        Some((items, true))
    }

    /// The parameters `name[…]`, each with the text in the brackets.
    pub(super) fn family<'q>(&'q self, name: &str) -> Vec<(&'q str, &'q str)> {
        let pairs = self.pairs.iter();
        let members = pairs.filter_map(|(key, value)| {
            let inside = key.strip_prefix(name)?.strip_prefix('[')?;
            let inside = inside.strip_suffix(']')?;
            (!inside.is_empty()).then_some((inside, value.as_str()))
        });
        members.collect()
    }

    /// The same without a parameter.
    pub(super) fn without(&self, name: &str) -> Self {
        let pairs = self.pairs.iter().filter(|(key, _)| key != name);
        Self {
            pairs: pairs.cloned().collect(),
        }
    }

    /// The same without the parameters `name[…]`.
    pub(super) fn without_family(&self, name: &str) -> Self {
        let is_of = |key: &str| {
            let rest = key.strip_prefix(name);
            rest.is_some_and(|rest| rest.starts_with('['))
        };
        let pairs = self.pairs.iter().filter(|(key, _)| !is_of(key));
        Self {
            pairs: pairs.cloned().collect(),
        }
    }
}
