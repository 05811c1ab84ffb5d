//! One full sync, as a user would start it: `syncline sync … --json`.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, ensure};
use serde::Deserialize;

use crate::{
    cost::{self, Cost},
    simulator::{Provider, Simulator, World},
};

const OBJECTS: &str = "contact,sequence_state";
const API_KEY_ENV: &str = "BENCH_API_KEY";
/// The limit per object, hour and day: as many records as Apollo lists.
const MOST_RECORDS: &str = "50000";
/// 32 bytes; not a secret.
const ENCRYPTION_KEY: &str = "YmVuY2htYXJrIGtleSB0aGF0IGtlZXBzIG5vIHNlY3I=";

/// The measured binary, and its environment.
pub(crate) struct Syncline {
    program: PathBuf,
    provider: Provider,
    provider_url: String,
    /// An empty directory, so that no configuration file is found.
    home: PathBuf,
}

/// Which sync of a database it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pass {
    First,
    /// Nothing has changed at the provider since the first one.
    Unchanged,
}

/// The measurements of one sync.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Measured {
    pub(crate) records_per_second: f64,
    pub(crate) requests: i64,
    pub(crate) cost: Cost,
}

#[derive(Deserialize)]
struct Summary {
    objects: BTreeMap<String, Counts>,
    seconds: f64,
    records: i64,
    requests: i64,
}

#[derive(Debug, PartialEq, Eq, Deserialize)]
struct Counts {
    created: i64,
    updated: i64,
    unchanged: i64,
    rejected: i64,
}

impl Syncline {
    pub(crate) fn new(program: PathBuf, simulator: &Simulator, home: &Path) -> Self {
        Self {
            program,
            provider: simulator.provider,
            provider_url: simulator.base_url().to_owned(),
            home: home.to_owned(),
        }
    }

    /// Syncs into the database and checks the summary.
    pub(crate) async fn sync(
        &self,
        database_url: &str,
        world: World,
        pass: Pass,
    ) -> anyhow::Result<Measured> {
        let (cost, output) = cost::of(&self.sync_command(database_url)).await?;
        let summary: Summary =
            serde_json::from_str(&output).with_context(|| format!("no summary: {output}"))?;
        summary.check(world, pass)?;
        Ok(Measured {
            records_per_second: per_second(summary.records, summary.seconds),
            requests: summary.requests,
            cost,
        })
    }

    /// Connects the account and reads its users, so that `serve` reads nothing else meanwhile.
    pub(crate) fn connect_command(&self, database_url: &str) -> Command {
        let mut command = self.command("sync", database_url, &self.home);
        command
            .args(["--provider", self.provider.name, "--objects", "user"])
            .args(["--api-key-env", API_KEY_ENV])
            .env(API_KEY_ENV, Simulator::API_KEY);
        command
    }

    /// `serve` on a database that was synced by this.
    pub(crate) fn serve_command(&self, database_url: &str, home: &Path) -> Command {
        let mut command = self.command("serve", database_url, home);
        // An embedded database doesn't support split roles; nothing is due for an hour after a
        // sync.
        if database_url.starts_with("postgres") {
            command.args(["--role", "api"]);
        }
        command
    }

    /// `serve` with all roles, without a rate limit, and with webhooks to this machine allowed.
    pub(crate) fn whole_service(&self, database_url: &str, home: &Path) -> Command {
        let mut command = self.command("serve", database_url, home);
        command
            .env("SYNCLINE_LIMITS__REQUESTS_PER_MINUTE", "0")
            .env("SYNCLINE_WEBHOOKS__ALLOW_PRIVATE_TARGETS", "true");
        command
    }

    fn sync_command(&self, database_url: &str) -> Command {
        let mut command = self.command("sync", database_url, &self.home);
        command
            .args(["--provider", "apollo", "--objects", OBJECTS, "--json"])
            .args(["--api-key-env", API_KEY_ENV])
            .env(API_KEY_ENV, Simulator::API_KEY);
        if std::env::var_os("RUST_LOG").is_none() {
            command.env("RUST_LOG", "warn");
        }
        command
    }

    fn command(&self, name: &str, database_url: &str, home: &Path) -> Command {
        let mut command = Command::new(&self.program);
        command
            .arg(name)
            .args(["--database-url", database_url])
            .arg("--data-dir")
            .arg(home)
            .current_dir(home);
        // The caller's settings would change what is measured.
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("SYNCLINE_") {
                command.env_remove(name);
            }
        }
        command.env("SYNCLINE_ENCRYPTION_KEY", ENCRYPTION_KEY);
        let setting = format!("SYNCLINE_PROVIDERS__{}", self.provider.name.to_uppercase());
        command
            .env(format!("{setting}__BASE_URL"), &self.provider_url)
            .env(
                format!("{setting}__TOKEN_URL"),
                format!("{}/oauth/token", self.provider_url),
            );
        // Every sync of a round reads the whole account; the limits are checked, but never reached.
        for window in ["OBJECT", "HOUR", "DAY"] {
            let name = format!("{setting}__LIMITS__RECORDS_PER_{window}");
            command.env(name, MOST_RECORDS);
        }
        command
    }
}

impl Pass {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::First => "first",
            Self::Unchanged => "unchanged",
        }
    }

    fn counts(self, records: i64) -> Counts {
        let (created, unchanged) = match self {
            Self::First => (records, 0),
            Self::Unchanged => (0, records),
        };
        Counts {
            created,
            updated: 0,
            unchanged,
            rejected: 0,
        }
    }
}

impl Summary {
    fn check(&self, world: World, pass: Pass) -> anyhow::Result<()> {
        for (object, expected) in [
            ("contact", world.contacts),
            ("sequence_state", world.states),
        ] {
            let counts = self
                .objects
                .get(object)
                .with_context(|| format!("the summary has no {object}s"))?;
            let expected = pass.counts(expected);
            ensure!(
                *counts == expected,
                "{} sync of {object}s: {counts:?} instead of {expected:?}",
                pass.name()
            );
        }
        Ok(())
    }
}

#[expect(clippy::cast_precision_loss, reason = "a rate for people to read")]
pub(crate) fn per_second(count: i64, seconds: f64) -> f64 {
    count as f64 / seconds
}
