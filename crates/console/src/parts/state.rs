//! A state as a sign and a word, never by colour alone.

use std::fmt;

use askama::filters::HtmlSafe;

use crate::words::plain;

/// A state of a run, a connection, a delivery, …, by the API's word for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct State(String);

impl State {
    pub(crate) fn new(word: impl AsRef<str>) -> Self {
        Self(word.as_ref().to_owned())
    }

    /// The class that gives the colour, and the sign.
    fn looks(&self) -> (&'static str, &'static str) {
        match self.0.as_str() {
            "healthy" | "succeeded" | "SUCCESS" | "delivered" | "done" | "ok" | "complete"
            | "enabled" | "active" | "matched" | "up to date" => ("good", "✓"),
            "running" | "IN_PROGRESS" | "approved" | "writing" => ("busy", "▶"),
            "queued" | "waiting" | "pending" | "asked" => ("busy", "…"),
            "degraded" | "limited" | "unverified" | "held" | "drifted" | "capped" | "stalled"
            | "missing" | "denied" | "forbidden" | "used_up" | "uncertain" => ("warn", "!"),
            "failing" | "failed" | "FAILURE" | "unauthorized" | "deleted" | "revoked"
            | "expired" | "interrupted" | "disabled" | "rejected" => ("bad", "✕"),
            "paused" => ("off", "‖"),
            _ => ("off", "·"),
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (class, sign) = self.looks();
        let word = plain(&self.0).to_lowercase();
        let word: String = word
            .chars()
            .filter(|it| it.is_alphanumeric() || *it == ' ')
            .collect();
        write!(
            f,
            r#"<span class="state {class}"><span aria-hidden="true">{sign}</span> {word}</span>"#
        )
    }
}

/// The word has letters and spaces only.
impl HtmlSafe for State {}

#[cfg(test)]
mod tests {
    use super::State;

    #[test]
    fn an_unknown_word_is_shown_without_markup() {
        let html = State::new("<script>x</script>").to_string();
        assert!(html.contains("scriptxscript"), "{html}");
    }
}
