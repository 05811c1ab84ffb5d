//! The query string: filters, pages, sparse fields and parameters of actions.

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
        self.text(name) == Some("true")
    }

    /// A list separated by commas.
    pub(super) fn words(&self, name: &str) -> Vec<&str> {
        let words = self.text(name).unwrap_or_default().split(',');
        words
            .map(str::trim)
            .filter(|word| !word.is_empty())
            .collect()
    }

    /// The parameters that begin with `name[`, each with the texts in its brackets.
    pub(super) fn family<'q>(&'q self, name: &str) -> Vec<(Vec<&'q str>, &'q str)> {
        let pairs = self.pairs.iter();
        let members = pairs.filter_map(|(key, value)| {
            let brackets = key.strip_prefix(name)?.strip_prefix('[')?;
            let brackets = brackets.strip_suffix(']')?;
            Some((brackets.split("][").collect(), value.as_str()))
        });
        members.collect()
    }

    /// A parameter of an action: `actionParams[name]`.
    pub(super) fn action(&self, name: &str) -> Option<&str> {
        self.text(&format!("actionParams[{name}]"))
    }

    /// The sparse fields of a kind; `None` if there are none.
    pub(super) fn fields(&self, kind: &str) -> Option<Vec<String>> {
        let name = format!("fields[{kind}]");
        self.text(&name)?;
        Some(self.words(&name).into_iter().map(str::to_owned).collect())
    }

    /// All parameters except the cursor or offset, for links between pages.
    pub(super) fn without_page(&self) -> Vec<(&str, &str)> {
        let pairs = self.pairs.iter();
        let kept = pairs.filter(|(key, _)| !key.starts_with("page[") || key == "page[size]");
        kept.map(|(key, value)| (key.as_str(), value.as_str()))
            .collect()
    }
}
