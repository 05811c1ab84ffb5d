//! The durations of the service's statements, from its log: sqlx logs a line for each.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use serde::Deserialize;

/// The log level that logs each statement.
pub(crate) const LEVEL: &str = "info,sqlx::query=debug";

/// Times in milliseconds, by statement.
#[derive(Clone, Default)]
pub(crate) struct Statements(Arc<Mutex<HashMap<String, Vec<f64>>>>);

/// The durations of some statements.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Times {
    pub(crate) count: usize,
    pub(crate) median: f64,
    pub(crate) max: f64,
}

#[derive(Deserialize)]
struct Line {
    fields: Fields,
}

#[derive(Deserialize)]
struct Fields {
    #[serde(default)]
    summary: String,
    #[serde(default, rename = "db.statement")]
    statement: String,
    elapsed_secs: Option<f64>,
}

impl Statements {
    /// Parses a JSON log line.
    pub(crate) fn take_in(&self, line: &str) {
        let Ok(Line { fields }) = serde_json::from_str::<Line>(line) else {
            return;
        };
        let Some(seconds) = fields.elapsed_secs else {
            return;
        };
        // For a short statement, only the summary is set.
        let text = if fields.statement.trim().is_empty() {
            fields.summary
        } else {
            fields.statement
        };
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        if let Ok(mut known) = self.0.lock() {
            known.entry(text).or_default().push(seconds * 1e3);
        }
    }

    /// The statements that choose which of the due scans a worker gets: the part of a claim that
    /// may depend on the length of the queue.
    pub(crate) fn claims(&self) -> Option<Times> {
        self.of(|text| text.contains("SELECT scan_id FROM sync_runs JOIN ("))
    }

    /// The statement that took longest, and its duration.
    pub(crate) fn slowest(&self) -> Option<(String, f64)> {
        let known = self.0.lock().ok()?;
        let longest = |times: &Vec<f64>| times.iter().copied().fold(0.0, f64::max);
        known
            .iter()
            .map(|(text, times)| (text.chars().take(60).collect(), longest(times)))
            .max_by(|(_, a): &(String, f64), (_, b)| a.total_cmp(b))
    }

    fn of(&self, which: impl Fn(&str) -> bool) -> Option<Times> {
        let known = self.0.lock().ok()?;
        let mut times: Vec<f64> = known
            .iter()
            .filter(|(text, _)| which(text))
            .flat_map(|(_, times)| times.iter().copied())
            .collect();
        times.sort_by(f64::total_cmp);
        Some(Times {
            count: times.len(),
            median: *times.get(times.len() / 2)?,
            max: *times.last()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_is_known_by_its_text_and_lines_of_others_are_left_out() {
        let statements = Statements::default();
        for line in [
            r#"{"level":"DEBUG","fields":{"summary":"SELECT scan_id FROM sync_runs …","db.statement":"\n SELECT scan_id\n FROM sync_runs JOIN ( SELECT due.id","elapsed":"2ms","elapsed_secs":0.002}}"#,
            r#"{"level":"DEBUG","fields":{"summary":"SELECT 1","db.statement":"","elapsed":"9ms","elapsed_secs":0.009}}"#,
            r#"{"level":"INFO","fields":{"message":"listening"}}"#,
            "no JSON",
        ] {
            statements.take_in(line);
        }
        let claims = statements.claims().unwrap();
        assert_eq!((claims.count, claims.max), (1, 2.0));
        assert_eq!(statements.slowest(), Some(("SELECT 1".to_owned(), 9.0)));
    }
}
