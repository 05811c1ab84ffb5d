//! The project's goals; as ratios within one run if they depend on the machine.

/// A first sync into PostgreSQL, including its bookkeeping, compared with a bare `COPY` of the
/// rows.
pub(crate) const FIRST_AGAINST_COPY: Goal = Goal {
    what: "PostgreSQL, first sync: share of a bare COPY's rows/s",
    limit: Limit::AtLeast(0.8),
    unit: "",
};

pub(crate) const SQLITE_AGAINST_POSTGRES: Goal = Goal {
    what: "SQLite, first sync: records/s as a multiple of PostgreSQL's",
    limit: Limit::AtLeast(2.0),
    unit: "",
};

/// On PostgreSQL, because SQLite's own work is done in the process.
pub(crate) const CLIENT_CPU: Goal = Goal {
    what: "PostgreSQL: client CPU per 10,000 contacts, the worse pass",
    limit: Limit::AtMost(0.5),
    unit: " s",
};

pub(crate) const PEAK_MEMORY: Goal = Goal {
    what: "peak memory, the worst of all passes",
    limit: Limit::AtMost(64.0),
    unit: " MB",
};

pub(crate) const CPU_AGAINST_LOOP: Goal = Goal {
    what: "PostgreSQL: client CPU as a multiple of the simplest loop's, the worse pass",
    limit: Limit::AtMost(1.0),
    unit: "",
};

/// A page of 100 without raw data, 8 clients.
pub(crate) const LIST_AGAINST_SQL: Goal = Goal {
    what: "cached list: share of the bare SQL's pages/s, the worse database",
    limit: Limit::AtLeast(0.6),
    unit: "",
};

pub(crate) const FIRST_AGAINST_DLT: Goal = Goal {
    what: "PostgreSQL, first sync: records/s as a multiple of dlt's",
    limit: Limit::AtLeast(6.0),
    unit: "",
};

pub(crate) const UNCHANGED_AGAINST_DLT: Goal = Goal {
    what: "PostgreSQL, unchanged sync: records/s as a multiple of dlt's",
    limit: Limit::AtLeast(25.0),
    unit: "",
};

pub(crate) const FIRST_AGAINST_SUPAGLUE: Goal = Goal {
    what: "PostgreSQL, first sync: records/s as a multiple of Supaglue's way",
    limit: Limit::AtLeast(2.5),
    unit: "",
};

pub(crate) const UNCHANGED_AGAINST_SUPAGLUE: Goal = Goal {
    what: "PostgreSQL, unchanged sync: records/s as a multiple of Supaglue's way",
    limit: Limit::AtLeast(10.0),
    unit: "",
};

pub(crate) const PROXY_ADDS: Goal = Goal {
    what: "proxy, small answer: what it adds, as a multiple of what nginx adds, the worst",
    limit: Limit::AtMost(2.0),
    unit: "",
};

pub(crate) const PROXY_RATE: Goal = Goal {
    what: "proxy, page of contacts: share of nginx's requests/s, the worst",
    limit: Limit::AtLeast(1.0),
    unit: "",
};

pub(crate) struct Goal {
    pub(crate) what: &'static str,
    limit: Limit,
    unit: &'static str,
}

enum Limit {
    AtLeast(f64),
    AtMost(f64),
}

impl Goal {
    /// The goal, the value that was measured, and whether it reaches the goal.
    pub(crate) fn judge(&self, value: f64) -> [String; 3] {
        let unit = self.unit;
        let (goal, reached) = match self.limit {
            Limit::AtLeast(limit) => (format!("≥ {limit}{unit}"), value >= limit),
            Limit::AtMost(limit) => (format!("≤ {limit}{unit}"), value <= limit),
        };
        let verdict = if reached { "reached" } else { "not reached" };
        [goal, format!("{value:.2}{unit}"), verdict.to_owned()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_goal_is_reached_at_its_limit() {
        assert_eq!(FIRST_AGAINST_COPY.judge(0.8)[2], "reached");
        assert_eq!(FIRST_AGAINST_COPY.judge(0.79)[2], "not reached");
        assert_eq!(PEAK_MEMORY.judge(64.0)[2], "reached");
        assert_eq!(PEAK_MEMORY.judge(64.1)[2], "not reached");
    }
}
