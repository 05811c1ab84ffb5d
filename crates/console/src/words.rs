//! Times, durations and numbers in words, as all pages write them.

use std::fmt;

use askama::filters::HtmlSafe;
use chrono::{SecondsFormat, TimeDelta};
use syncline_model::Time;

/// A moment: how far away it is, with the exact time on hover.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct When {
    at: Time,
    now: Time,
}

impl When {
    pub(crate) fn new(at: Time, now: Time) -> Self {
        Self { at, now }
    }

    fn relative(self) -> String {
        let away = self.now - self.at;
        if away.abs() < TimeDelta::seconds(1) {
            "now".to_owned()
        } else if away > TimeDelta::zero() {
            format!("{} ago", Span(away))
        } else {
            format!("in {}", Span(-away))
        }
    }
}

impl fmt::Display for When {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let exact = self.at.to_rfc3339_opts(SecondsFormat::Millis, true);
        let shown = self.at.format("%Y-%m-%d %H:%M:%S UTC");
        let relative = self.relative();
        write!(
            f,
            r#"<time datetime="{exact}" title="{shown}">{relative}</time>"#
        )
    }
}

/// It has nothing that anybody outside of this program wrote.
impl HtmlSafe for When {}

/// A duration by its largest unit: `3 min`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span(pub(crate) TimeDelta);

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (ms, seconds) = (self.0.num_milliseconds(), self.0.num_seconds());
        match seconds {
            0 => write!(f, "{ms} ms"),
            1..60 => write!(f, "{seconds} s"),
            60..3600 => write!(f, "{} min", seconds / 60),
            3600..172_800 => write!(f, "{} h", seconds / 3600),
            _ => write!(f, "{} days", seconds / 86_400),
        }
    }
}

/// A number with a thin space between its thousands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Count(pub(crate) i64);

/// A number in a template, where it may be behind references.
pub(crate) trait Number {
    fn get(&self) -> i64;
}

impl Number for i64 {
    fn get(&self) -> i64 {
        *self
    }
}

impl<N: Number> Number for &N {
    fn get(&self) -> i64 {
        (**self).get()
    }
}

pub(crate) fn count(number: impl Number) -> Count {
    Count(number.get())
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.0.unsigned_abs().to_string();
        if self.0 < 0 {
            f.write_str("−")?;
        }
        for (index, digit) in digits.chars().enumerate() {
            if index > 0 && (digits.len() - index).is_multiple_of(3) {
                f.write_str("\u{202f}")?;
            }
            write!(f, "{digit}")?;
        }
        Ok(())
    }
}

/// An API's name for a thing as a person writes it: `sequence_state` is `sequence state`.
pub(crate) fn plain(name: &str) -> String {
    name.replace(['_', '-'], " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn relative(seconds: i64) -> String {
        let now = Time::UNIX_EPOCH + TimeDelta::days(1);
        When::new(now - TimeDelta::seconds(seconds), now).relative()
    }

    #[test]
    fn a_moment_is_told_by_its_distance() {
        assert_eq!(relative(0), "now");
        assert_eq!(relative(59), "59 s ago");
        assert_eq!(relative(3 * 60 + 5), "3 min ago");
        assert_eq!(relative(-7200), "in 2 h");
        assert_eq!(relative(3 * 86_400), "3 days ago");
    }

    #[test]
    fn the_exact_time_is_beside_it() {
        let html = When::new(Time::UNIX_EPOCH, Time::UNIX_EPOCH).to_string();
        assert_eq!(
            html,
            r#"<time datetime="1970-01-01T00:00:00.000Z" title="1970-01-01 00:00:00 UTC">now</time>"#
        );
    }

    #[test]
    fn thousands_are_apart() {
        assert_eq!(Count(7).to_string(), "7");
        assert_eq!(Count(10_000).to_string(), "10\u{202f}000");
        assert_eq!(Count(-1_234_567).to_string(), "−1\u{202f}234\u{202f}567");
    }
}
