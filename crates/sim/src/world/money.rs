//! An amount of money in the team's currency, exact to the cent.

use std::fmt;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Money {
    cents: i64,
}

impl Money {
    pub(crate) const fn of_cents(cents: i64) -> Self {
        Self { cents }
    }

    /// Reads digits with or without a decimal point; further decimals than two are dropped. Anything
    /// else, such as a currency symbol or a comma, makes the amount unreadable.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
        let is_number = |digits: &str| digits.chars().all(|c| c.is_ascii_digit());
        if !is_number(whole) || !is_number(decimals) {
            return None;
        }
        let decimals: String = decimals.chars().chain("00".chars()).take(2).collect();
        let whole = whole.parse::<i64>().ok()?.checked_mul(100)?;
        Some(Self::of_cents(whole.checked_add(decimals.parse().ok()?)?))
    }

    pub(crate) const fn cents(self) -> i64 {
        self.cents
    }

    pub(crate) const fn percent(self, percent: i64) -> Self {
        // Divided first, so that no amount is too large.
        let (hundreds, rest) = (self.cents / 100, self.cents % 100);
        Self::of_cents(hundreds * percent + rest * percent / 100)
    }
}

/// A decimal number with a point, as Ruby writes floats: `200.0`, `99.95`.
impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, cents) = (self.cents / 100, self.cents % 100);
        if cents % 10 == 0 {
            write!(f, "{whole}.{}", cents / 10)
        } else {
            write!(f, "{whole}.{cents:02}")
        }
    }
}
