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
