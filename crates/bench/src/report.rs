//! The report of all rounds: medians with minimum and maximum, ratios, and the goals with the
//! measured values.

use std::fmt;

use crate::{
    alternatives,
    database::Server,
    goals::{
        CLIENT_CPU, CPU_AGAINST_LOOP, FIRST_AGAINST_COPY, FIRST_AGAINST_DLT,
        FIRST_AGAINST_SUPAGLUE, LIST_AGAINST_SQL, PEAK_MEMORY, PROXY_ADDS, PROXY_RATE,
        SQLITE_AGAINST_POSTGRES, UNCHANGED_AGAINST_DLT, UNCHANGED_AGAINST_SUPAGLUE,
    },
    passing::{ASKED, CALLERS, Passed, Timing},
    providers::Rates,
    round::{Passes, Round},
    simulator::World,
    spread::Spread,
    sync::Measured,
    table::Table,
};

pub(crate) struct Report<'a> {
    pub(crate) world: World,
    pub(crate) server: &'a Server,
    pub(crate) rounds: &'a [Round],
    /// Per round, one of each provider.
    pub(crate) providers: &'a [Vec<Rates>],
}

/// Selects a sync of a round.
type Pick = fn(&Round) -> &Measured;

/// Selects a database of a round.
type PickDatabase = fn(&Round) -> &Passes;

const DATABASES: [(&str, PickDatabase); 2] = [
    ("SQLite", |round| &round.sqlite),
    ("PostgreSQL", |round| &round.postgres),
];

/// Selects what somebody would use instead, in a round.
type PickAlternative = fn(&Round) -> Option<&alternatives::Passes>;

const ALTERNATIVES: [(&str, PickAlternative); 3] = [
    ("dlt", |round| round.dlt.as_ref()),
    ("Supaglue's way", |round| round.supaglue.as_ref()),
    ("the simplest loop", |round| round.simplest_loop.as_ref()),
];

type PickPass = fn(&alternatives::Passes) -> &alternatives::Pass;

const ALTERNATIVE_PASSES: [(&str, PickPass); 2] = [
    ("first", |passes| &passes.first),
    ("unchanged", |passes| &passes.unchanged),
];

const PASSES: [(&str, &str, Pick); 4] = [
    ("SQLite", "first", |round| &round.sqlite.first),
    ("SQLite", "unchanged", |round| &round.sqlite.unchanged),
    ("PostgreSQL", "first", |round| &round.postgres.first),
    ("PostgreSQL", "unchanged", |round| &round.postgres.unchanged),
];

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let World { contacts, states } = self.world;
        writeln!(
            f,
            "{contacts} contacts and {states} sequence states per sync; rounds: {}, shown as \
             median (min–max)",
            self.rounds.len()
        )?;
        writeln!(
            f,
            "PostgreSQL {} with fsync, SQLite with synchronous=FULL; the simulator answers from \
             another process without latency\n",
            self.server.version
        )?;
        writeln!(f, "{}", self.passes())?;
        writeln!(f, "{}", self.ratios())?;
        writeln!(f, "{}", self.beside())?;
        writeln!(f, "{}", self.lists())?;
        writeln!(f, "{}", self.passthrough())?;
        writeln!(f, "{}", self.goals())?;
        write!(
            f,
            "Rows, requests and counters are right; the unchanged syncs wrote no row version."
        )
    }
}

impl Report<'_> {
    fn passes(&self) -> Table {
        let mut table = Table::new(&[
            "database",
            "pass",
            "records/s",
            "CPU s",
            "CPU s per 10,000 contacts",
            "peak MB",
            "requests",
        ]);
        for (database, pass, pick) in PASSES {
            let spread = |value: &dyn Fn(&Measured) -> f64| self.spread(|round| value(pick(round)));
            table.row([
                database.to_owned(),
                pass.to_owned(),
                shown(spread(&|sync| sync.records_per_second), 0),
                shown(spread(&|sync| sync.cost.cpu_seconds), 2),
                shown(spread(&|sync| self.cpu_per_10_000(sync)), 2),
                shown(spread(&megabytes), 1),
                shown(spread(&requests), 0),
            ]);
        }
        let copy = shown(self.spread(|round| round.copy), 0);
        table.row(["PostgreSQL", "bare COPY", &copy, "", "", "", ""].map(str::to_owned));
        for (name, of) in ALTERNATIVES {
            for (pass, pick) in ALTERNATIVE_PASSES {
                let spread = |value: fn(&alternatives::Pass) -> f64| {
                    self.known(|round| Some(value(pick(of(round)?))))
                };
                table.row([
                    "PostgreSQL".to_owned(),
                    format!("{name}, {pass}"),
                    known(spread(|it| it.records_per_second), 0),
                    known(spread(|it| it.cpu_seconds), 2),
                    String::new(),
                    String::new(),
                    String::new(),
                ]);
            }
        }
        table
    }

    fn ratios(&self) -> Table {
        let mut table = Table::new(&[
            "records/s, one against the other in the same round",
            "ratio",
        ]);
        let mut row = |what: &str, ratio: &dyn Fn(&Round) -> f64| {
            table.row([what.to_owned(), shown(self.spread(ratio), 2)]);
        };
        row("PostgreSQL first / bare COPY", &first_against_copy);
        row("SQLite first / PostgreSQL first", &sqlite_against_postgres);
        row("SQLite unchanged / first", &|round| again(&round.sqlite));
        row("PostgreSQL unchanged / first", &|round| {
            again(&round.postgres)
        });
        table
    }

    fn beside(&self) -> Table {
        let mut table = Table::new(&[
            "provider, by a service, records/s",
            "SQLite first",
            "unchanged",
            "PostgreSQL first",
            "unchanged",
            "requests",
        ]);
        let names = self.providers.first().into_iter().flatten();
        for (index, of) in names.enumerate() {
            let rounds = self.providers.iter().filter_map(|round| round.get(index));
            let spread = |value: fn(&Rates) -> f64| Spread::of(rounds.clone().map(value));
            table.row([
                of.provider.to_owned(),
                shown(spread(|it| it.sqlite.first), 0),
                shown(spread(|it| it.sqlite.unchanged), 0),
                shown(spread(|it| it.postgres.first), 0),
                shown(spread(|it| it.postgres.unchanged), 0),
                of.requests.to_string(),
            ]);
        }
        table
    }

    fn lists(&self) -> Table {
        let mut table = Table::new(&[
            "cached list, 8 clients, pages of 100",
            "pages/s",
            "bare SQL",
            "share",
        ]);
        for (database, pick) in DATABASES {
            let spread = |value: &dyn Fn(&Passes) -> f64| self.spread(|it| value(pick(it)));
            table.row([
                database.to_owned(),
                shown(spread(&|it| it.reading.over_http), 0),
                shown(spread(&|it| it.reading.bare_sql), 0),
                shown(spread(&list_against_sql), 2),
            ]);
        }
        table
    }

    fn passthrough(&self) -> Table {
        let mut table = Table::new(&[
            "the proxy, ms of the middle request (requests/s)",
            "callers",
            "direct",
            "nginx",
            "proxy",
            "adds, × nginx",
            "rate, × nginx",
        ]);
        for (database, pick) in DATABASES {
            for (index, asked) in ASKED.iter().enumerate() {
                for (of, callers) in CALLERS.iter().enumerate() {
                    let passed = |round: &Round| pick(round).passing[index][of];
                    let timing = |value: &dyn Fn(Passed) -> Option<Timing>| {
                        let spread = |of: fn(&Timing) -> f64| {
                            self.known(|round| value(passed(round)).as_ref().map(of))
                        };
                        let millis = known(spread(|it| it.millis), 3);
                        format!("{millis} ({})", known(spread(|it| it.per_second), 0))
                    };
                    table.row([
                        format!("{database}, {}", asked.name),
                        callers.to_string(),
                        timing(&|it| Some(it.direct)),
                        timing(&|it| it.nginx),
                        timing(&|it| Some(it.proxy)),
                        known(self.known(|round| passed(round).added_against_nginx()), 2),
                        known(self.known(|round| passed(round).rate_against_nginx()), 2),
                    ]);
                }
            }
        }
        table
    }

    /// The worst of all databases and numbers of callers.
    fn worst_passing(
        &self,
        asked: usize,
        ratio: fn(&Passed) -> Option<f64>,
        worse: fn(f64, f64) -> f64,
    ) -> Option<f64> {
        let medians = DATABASES.iter().flat_map(|(_, pick)| {
            (0..CALLERS.len())
                .filter_map(move |of| self.known(|round| ratio(&pick(round).passing[asked][of])))
        });
        medians.map(|spread| spread.median).reduce(worse)
    }

    fn goals(&self) -> Table {
        let worst = |value: &dyn Fn(&Measured) -> f64, passes: &[(&str, &str, Pick)]| {
            passes
                .iter()
                .map(|(_, _, pick)| self.spread(|round| value(pick(round))).median)
                .fold(0.0, f64::max)
        };
        let reached = [
            (FIRST_AGAINST_COPY, self.spread(first_against_copy).median),
            (
                SQLITE_AGAINST_POSTGRES,
                self.spread(sqlite_against_postgres).median,
            ),
            (
                CLIENT_CPU,
                worst(&|sync| self.cpu_per_10_000(sync), &PASSES[2..]),
            ),
            (PEAK_MEMORY, worst(&megabytes, &PASSES)),
            (LIST_AGAINST_SQL, self.worse_list()),
        ];
        let dlt = self.against(|round| round.dlt.as_ref());
        let supaglue = self.against(|round| round.supaglue.as_ref());
        let beside_others = [
            (FIRST_AGAINST_DLT, dlt[0]),
            (UNCHANGED_AGAINST_DLT, dlt[1]),
            (FIRST_AGAINST_SUPAGLUE, supaglue[0]),
            (UNCHANGED_AGAINST_SUPAGLUE, supaglue[1]),
            (CPU_AGAINST_LOOP, self.cpu_against_loop()),
            (
                PROXY_ADDS,
                self.worst_passing(0, Passed::added_against_nginx, f64::max),
            ),
            (
                PROXY_RATE,
                self.worst_passing(1, Passed::rate_against_nginx, f64::min),
            ),
        ];
        let beside_others = beside_others
            .into_iter()
            .filter_map(|(goal, value)| Some((goal, value?)));
        let mut table = Table::new(&["goal", "at", "median", ""]);
        for (goal, value) in reached.into_iter().chain(beside_others) {
            let [limit, value, verdict] = goal.judge(value);
            table.row([goal.what.to_owned(), limit, value, verdict]);
        }
        table
    }

    /// Of the first pass, and of the unchanged one.
    fn against(&self, other: PickAlternative) -> [Option<f64>; 2] {
        let ours: [Pick; 2] = [|it| &it.postgres.first, |it| &it.postgres.unchanged];
        [0, 1].map(|pass| {
            let theirs = ALTERNATIVE_PASSES[pass].1;
            let ratio = |round: &Round| {
                let rate = ours[pass](round).records_per_second;
                Some(rate / theirs(other(round)?).records_per_second)
            };
            self.known(ratio).map(|spread| spread.median)
        })
    }

    fn cpu_against_loop(&self) -> Option<f64> {
        let ratio = |round: &Round| {
            let simplest = round.simplest_loop.as_ref()?;
            let first = round.postgres.first.cost.cpu_seconds / simplest.first.cpu_seconds;
            let again = round.postgres.unchanged.cost.cpu_seconds / simplest.unchanged.cpu_seconds;
            Some(first.max(again))
        };
        self.known(ratio).map(|spread| spread.median)
    }

    fn worse_list(&self) -> f64 {
        DATABASES
            .iter()
            .map(|(_, pick)| self.spread(|round| list_against_sql(pick(round))).median)
            .fold(f64::INFINITY, f64::min)
    }

    /// `None` if it was not measured.
    fn known(&self, value: impl Fn(&Round) -> Option<f64>) -> Option<Spread> {
        let values: Option<Vec<f64>> = self.rounds.iter().map(value).collect();
        values.map(Spread::of)
    }

    fn spread(&self, value: impl Fn(&Round) -> f64) -> Spread {
        Spread::of(self.rounds.iter().map(value))
    }

    #[expect(clippy::cast_precision_loss, reason = "some thousand contacts")]
    fn cpu_per_10_000(&self, sync: &Measured) -> f64 {
        sync.cost.cpu_seconds * 10_000.0 / self.world.contacts as f64
    }
}

fn list_against_sql(passes: &Passes) -> f64 {
    passes.reading.over_http / passes.reading.bare_sql
}

fn first_against_copy(round: &Round) -> f64 {
    round.postgres.first.records_per_second / round.copy
}

fn sqlite_against_postgres(round: &Round) -> f64 {
    round.sqlite.first.records_per_second / round.postgres.first.records_per_second
}

fn again(passes: &Passes) -> f64 {
    passes.unchanged.records_per_second / passes.first.records_per_second
}

#[expect(clippy::cast_precision_loss, reason = "shown in megabytes")]
fn megabytes(sync: &Measured) -> f64 {
    sync.cost.peak_bytes as f64 / 1e6
}

#[expect(clippy::cast_precision_loss, reason = "some hundred requests")]
fn requests(sync: &Measured) -> f64 {
    sync.requests as f64
}

fn known(spread: Option<Spread>, decimals: usize) -> String {
    spread.map_or_else(|| "–".to_owned(), |spread| shown(spread, decimals))
}

fn shown(spread: Spread, decimals: usize) -> String {
    let Spread { median, min, max } = spread;
    let [median, min, max] = [median, min, max].map(|value| format!("{value:.decimals$}"));
    if min == max {
        median
    } else {
        format!("{median} ({min}–{max})")
    }
}
