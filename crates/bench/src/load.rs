//! A load test: many concurrent callers on one service, each with its own keep-alive connection,
//! each sending its next request as soon as it has its answer.
//!
//! The service runs with its default limits, except for the two that would refuse callers who share one
//! key: its rate, and its places. They would ask again at once, and the service would be measured at
//! refusing. Slow answers are no failure, wrong ones are: no answer, or one that is neither a success nor
//! a refusal (503, 429).

use std::{
    collections::BTreeMap,
    fmt,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use reqwest::{Client, Method, StatusCode};
use serde::Deserialize;
use serde_json::json;
use tokio::task::JoinSet;

use crate::{
    database::{Database, Server},
    service::{API_KEY, Service},
    simulator::Simulator,
    sync::{Pass, Syncline},
    table::Table,
};

/// The timeout of an answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
const LIST: &str = "/engagement/v2/contacts?read_from_cache=true&page_size=10";

/// The number of callers, and the duration.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Crowd {
    pub(crate) clients: u32,
    pub(crate) seconds: u32,
}

/// The kinds of requests, with their shares in percent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    List,
    Get,
    Manage,
    Write,
}

const MIX: [(Kind, u64); 4] = [
    (Kind::List, 60),
    (Kind::Get, 25),
    (Kind::Manage, 10),
    (Kind::Write, 5),
];

/// The result of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum End {
    Ok,
    /// 503: come back later.
    Shed,
    /// 429.
    Limited,
    /// Any other status.
    Wrong(u16),
    /// No answer.
    Broken,
}

/// The requests of one caller: kind, result and duration.
type Asked = Vec<(Kind, End, Duration)>;

/// The result of a load test.
pub(crate) struct Met {
    database: &'static str,
    crowd: Crowd,
    took: Duration,
    asked: Asked,
    /// The service's memory, before and after.
    resident: [Option<u64>; 2],
}

#[derive(Deserialize)]
struct Page {
    records: Vec<Record>,
}

#[derive(Deserialize)]
struct Record {
    id: String,
}

/// A load test on each database, one after the other.
pub(crate) async fn run(
    crowd: Crowd,
    syncline: &Syncline,
    simulator: &Simulator,
    server: &Server,
    scratch: &Path,
) -> anyhow::Result<Vec<Met>> {
    let dir = tempfile::tempdir_in(scratch)?;
    let sqlite = Database::sqlite(&dir.path().join("syncline.db"));
    let first = meet(crowd, &sqlite, syncline, simulator, scratch).await?;
    let name = format!("load_{}", std::process::id());
    let postgres = Database::Postgres(server.create(&name).await?);
    let second = meet(crowd, &postgres, syncline, simulator, scratch).await?;
    server.drop(&name).await?;
    Ok(vec![first, second])
}

async fn meet(
    crowd: Crowd,
    database: &Database,
    syncline: &Syncline,
    simulator: &Simulator,
    scratch: &Path,
) -> anyhow::Result<Met> {
    let url = database.url();
    syncline.sync(&url, simulator.world(), Pass::First).await?;
    let home = tempfile::tempdir_in(scratch)?;
    let mut command = syncline.serve_command(&url, home.path());
    // One key gets two thirds of the places.
    let places = (2 * crowd.clients).to_string();
    command
        .env("SYNCLINE_LIMITS__REQUESTS_PER_MINUTE", "0")
        .env("SYNCLINE_LIMITS__CONCURRENT_REQUESTS", places);
    let service = Service::start(command).await?;
    let page: Page = serde_json::from_slice(&service.get(LIST).await?).context("no page")?;
    let ids: Vec<String> = page.records.into_iter().map(|record| record.id).collect();
    ensure!(!ids.is_empty(), "the list is empty");

    let before = service.resident_bytes();
    let started = Instant::now();
    let until = started + Duration::from_secs(u64::from(crowd.seconds));
    let mut callers = JoinSet::new();
    for number in 0..crowd.clients {
        let caller = Caller {
            number,
            base: service.base_url().to_owned(),
            ids: ids.clone(),
        };
        callers.spawn(caller.stay(until));
    }
    let mut asked = Asked::new();
    while let Some(caller) = callers.join_next().await {
        asked.extend(caller.context("a caller panicked")??);
    }
    Ok(Met {
        database: database.name(),
        crowd,
        took: started.elapsed(),
        asked,
        resident: [before, service.resident_bytes()],
    })
}

struct Caller {
    number: u32,
    base: String,
    ids: Vec<String>,
}

impl Caller {
    async fn stay(self, until: Instant) -> anyhow::Result<Asked> {
        // One keep-alive connection.
        let http = Client::builder()
            .no_proxy()
            .pool_max_idle_per_host(1)
            .timeout(ANSWER_TIMEOUT)
            .build()?;
        let mut asked = Asked::new();
        let mut turn = u64::from(self.number);
        while Instant::now() < until {
            let kind = kind_of(turn);
            let sent = Instant::now();
            let end = self.ask(&http, kind, turn).await;
            asked.push((kind, end, sent.elapsed()));
            turn += 1;
        }
        Ok(asked)
    }

    async fn ask(&self, http: &Client, kind: Kind, turn: u64) -> End {
        let (method, path) = match kind {
            Kind::List => (Method::GET, LIST.to_owned()),
            Kind::Get => {
                let id = usize::try_from(turn).unwrap_or_default() % self.ids.len();
                let id = &self.ids[id];
                let path = format!("/engagement/v2/contacts/{id}?read_from_cache=true");
                (Method::GET, path)
            }
            Kind::Manage => (Method::GET, "/mgmt/v2/syncs?page_size=10".to_owned()),
            Kind::Write => (Method::PUT, "/mgmt/v2/customers".to_owned()),
        };
        let mut request = http
            .request(method, format!("{}{path}", self.base))
            .header("x-api-key", API_KEY)
            .header("x-customer-id", "default")
            .header("x-provider-name", "apollo");
        if kind == Kind::Write {
            let id = format!("crowd-{}", self.number);
            request = request
                .json(&json!({"customer_id": id, "name": "One of many", "email": "o@example.com"}));
        }
        let Ok(answer) = request.send().await else {
            return End::Broken;
        };
        let status = answer.status();
        if answer.bytes().await.is_err() {
            return End::Broken;
        }
        match status {
            _ if status.is_success() => End::Ok,
            StatusCode::SERVICE_UNAVAILABLE => End::Shed,
            StatusCode::TOO_MANY_REQUESTS => End::Limited,
            other => End::Wrong(other.as_u16()),
        }
    }
}

/// Spreads the mix evenly, without randomness.
fn kind_of(turn: u64) -> Kind {
    // 37 is coprime with 100, so 100 turns give each value once.
    let mut left = turn.wrapping_mul(37) % 100;
    for (kind, share) in MIX {
        if left < share {
            return kind;
        }
        left -= share;
    }
    Kind::List
}

impl Met {
    /// An error if any request got a wrong answer, or none.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        let wrong = |end| matches!(end, End::Wrong(_) | End::Broken);
        let count = self.asked.iter().filter(|(_, end, _)| wrong(*end)).count();
        ensure!(
            count == 0,
            "{}: {count} requests ended wrong: {}",
            self.database,
            self.ends()
        );
        Ok(())
    }

    fn ends(&self) -> String {
        let mut ends: BTreeMap<End, u64> = BTreeMap::new();
        for (_, end, _) in &self.asked {
            *ends.entry(*end).or_default() += 1;
        }
        let named = ends.into_iter().map(|(end, count)| match end {
            End::Ok => format!("{count} ok"),
            End::Shed => format!("{count} shed (503)"),
            End::Limited => format!("{count} limited (429)"),
            End::Wrong(status) => format!("{count} wrong ({status})"),
            End::Broken => format!("{count} without an answer"),
        });
        named.collect::<Vec<_>>().join(", ")
    }
}

impl fmt::Display for Met {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        #[expect(clippy::cast_precision_loss, reason = "some million requests")]
        let rate = self.asked.len() as f64 / self.took.as_secs_f64();
        writeln!(
            f,
            "{}: {} callers for {} s, {rate:.0} requests/s: {}",
            self.database,
            self.crowd.clients,
            self.crowd.seconds,
            self.ends()
        )?;
        if let [Some(before), Some(after)] = self.resident {
            writeln!(
                f,
                "memory {} MB before, {} MB after",
                before >> 20,
                after >> 20
            )?;
        }
        let mut table = Table::new(&["of", "requests", "p50 ms", "p99 ms", "max ms"]);
        let all = [
            ("all", None),
            ("cached lists", Some(Kind::List)),
            ("cached gets", Some(Kind::Get)),
            ("management reads", Some(Kind::Manage)),
            ("management writes", Some(Kind::Write)),
        ];
        for (name, kind) in all {
            let of_kind = self
                .asked
                .iter()
                .filter(|(it, ..)| kind.is_none_or(|kind| *it == kind));
            let mut times: Vec<Duration> = of_kind.map(|(_, _, took)| *took).collect();
            times.sort_unstable();
            table.row([
                name.to_owned(),
                times.len().to_string(),
                millis(percentile(&times, 50)),
                millis(percentile(&times, 99)),
                millis(percentile(&times, 100)),
            ]);
        }
        write!(f, "\n{table}")
    }
}

fn percentile(sorted: &[Duration], percent: usize) -> Option<Duration> {
    let last = sorted.len().checked_sub(1)?;
    sorted.get(last * percent / 100).copied()
}

fn millis(time: Option<Duration>) -> String {
    let time = time.map(|time| format!("{:.1}", time.as_secs_f64() * 1e3));
    time.unwrap_or_else(|| "–".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hundred_turns_are_the_mix() {
        for (kind, share) in MIX {
            let turns = (0..100).filter(|turn| kind_of(*turn) == kind).count();
            assert_eq!(u64::try_from(turns).unwrap(), share, "{kind:?}");
        }
    }

    #[test]
    fn percentiles_are_among_what_was_measured() {
        let times: Vec<_> = (1..=100).map(Duration::from_millis).collect();
        assert_eq!(percentile(&times, 50), Some(Duration::from_millis(50)));
        assert_eq!(percentile(&times, 100), Some(Duration::from_millis(100)));
        assert_eq!(percentile(&[], 50), None);
    }
}
