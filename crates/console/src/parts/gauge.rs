//! A gauge: how much of a limit is used and reserved, drawn as SVG, with the numbers beside it.

use std::fmt;

use askama::filters::HtmlSafe;

use crate::words::Count;

/// How much of a limit is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Gauge {
    pub(crate) used: i64,
    /// Reserved in addition.
    pub(crate) reserved: i64,
    /// `None`: there is no limit.
    pub(crate) limit: Option<i64>,
    /// What `used` means, such as `used`.
    pub(crate) word: &'static str,
}

impl Gauge {
    pub(crate) fn of(used: i64, limit: i64) -> Self {
        Self {
            used,
            reserved: 0,
            limit: Some(limit),
            word: "used",
        }
    }

    /// In percent of the limit.
    fn share(amount: i64, limit: i64) -> i64 {
        let percent = amount.saturating_mul(100) / limit.max(1);
        percent.clamp(0, 100)
    }

    fn class(share: i64) -> &'static str {
        match share {
            ..75 => "good",
            75..95 => "warn",
            _ => "bad",
        }
    }
}

impl fmt::Display for Gauge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (used, word) = (Count(self.used), self.word);
        let Some(limit) = self.limit else {
            return write!(f, r#"<span class="gauge">{used} {word}, no limit</span>"#);
        };
        let share = Self::share(self.used, limit);
        let reserved = Self::share(self.reserved, limit).min(100 - share);
        let class = Self::class(share);
        let whole = Count(limit);
        let mut text = format!("{used} of {whole} {word}");
        if self.reserved > 0 {
            text = format!("{text}, {} reserved", Count(self.reserved));
        }
        write!(
            f,
            r#"<span class="gauge"><svg viewBox="0 0 100 6" preserveAspectRatio="none" role="img" aria-label="{share} % {word}"><rect class="track" width="100" height="6" rx="3"/><rect class="fill {class}" width="{share}" height="6" rx="3"/><rect class="reserved" x="{share}" width="{reserved}" height="6"/></svg><span>{text}</span></span>"#
        )
    }
}

/// It has numbers only.
impl HtmlSafe for Gauge {}

#[cfg(test)]
mod tests {
    use super::Gauge;

    #[test]
    fn it_says_what_it_draws() {
        let gauge = Gauge {
            reserved: 100,
            ..Gauge::of(2_500, 10_000)
        };
        let html = gauge.to_string();
        assert!(html.contains("25 % used"), "{html}");
        assert!(
            html.contains("2\u{202f}500 of 10\u{202f}000 used, 100 reserved"),
            "{html}"
        );
    }

    #[test]
    fn more_than_the_limit_is_a_full_gauge() {
        assert!(
            Gauge::of(300, 100)
                .to_string()
                .contains(r#"width="100" height="6" rx="3"/><rect class="res"#)
        );
        assert!(Gauge::of(5, 0).to_string().contains("100 % used"));
    }
}
