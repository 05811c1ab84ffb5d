//! Which rows a rewrite leaves out.

use std::collections::HashSet;

use syncline_model::Time;

/// Rows to leave out: those of some ids, or of all, with times up to a certain one.
#[derive(Debug, Clone)]
pub struct Gone {
    /// `None`: all.
    ids: Option<HashSet<String>>,
    /// Rows with a later `last_modified_at` stay; `None`: none do.
    until_ms: Option<i64>,
}

impl Gone {
    /// Every id keeps its newest row.
    pub fn nothing() -> Self {
        Self {
            ids: Some(HashSet::new()),
            until_ms: None,
        }
    }

    pub fn new(ids: Option<HashSet<String>>, until: Option<Time>) -> Self {
        Self {
            ids,
            until_ms: until.map(|until| until.timestamp_millis()),
        }
    }

    pub(super) fn has(&self, id: &str, time_ms: i64) -> bool {
        let is_one = self.ids.as_ref().is_none_or(|ids| ids.contains(id));
        is_one && self.until_ms.is_none_or(|until| time_ms <= until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_the_ids_go_unless_they_are_later() {
        let time = |ms| Time::from_timestamp_millis(ms);
        let some = Gone::new(Some(HashSet::from(["a".to_owned()])), time(5));
        assert!(some.has("a", 5) && !some.has("a", 6) && !some.has("b", 5));
        let all = Gone::new(None, time(5));
        assert!(all.has("b", 5) && !all.has("b", 6));
        assert!(!Gone::nothing().has("a", 0));
    }
}
