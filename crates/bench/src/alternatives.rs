//! The same records into PostgreSQL by what somebody would use or write instead of a service: dlt,
//! the way that Supaglue wrote, and the simplest loop. Each is a command with the simulator's URL, the
//! database's, and a directory of its own; it prints what it took as JSON.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, ensure};
use serde::{Deserialize, Serialize};

use crate::{cost, round::Peers, simulator::World, sync::per_second};

/// The directory into which the script `run` installs what they need.
const INSTALLED: &str = "BENCH_ALTERNATIVES";
const DLT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/dlt/sync.py");

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Alternative {
    Dlt,
    Supaglue,
    Loop,
}

/// Both passes into one database.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Passes {
    pub(crate) first: Pass,
    pub(crate) unchanged: Pass,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Pass {
    pub(crate) records_per_second: f64,
    /// Of the command alone, without the database's.
    pub(crate) cpu_seconds: f64,
}

/// What a command prints.
#[derive(Serialize, Deserialize)]
pub(crate) struct Took {
    pub(crate) seconds: f64,
    pub(crate) contacts: i64,
    pub(crate) states: i64,
}

impl Alternative {
    /// `None` if it is not installed, which only a smoke test accepts.
    fn command(self) -> anyhow::Result<Option<Command>> {
        let installed = std::env::var(INSTALLED).ok().map(PathBuf::from);
        let script = |interpreter: &str, script: &dyn Fn(&Path) -> PathBuf| {
            installed.as_deref().map(|installed| {
                let mut command = Command::new(installed.join("bin").join(interpreter));
                command.arg(script(installed));
                command
            })
        };
        Ok(match self {
            Self::Dlt => script("python", &|_| DLT.into()),
            Self::Supaglue => script("node", &|installed| installed.join("supaglue/sync.mjs")),
            Self::Loop => {
                let mut command = Command::new(std::env::current_exe()?);
                command.arg("loop");
                Some(command)
            }
        })
    }
}

pub(crate) async fn measure(
    alternative: Alternative,
    number: u32,
    peers: Peers<'_>,
    scratch: &Path,
) -> anyhow::Result<Option<Passes>> {
    let Some(mut command) = alternative.command()? else {
        return Ok(None);
    };
    let name = format!("alternative_{}_{number}", std::process::id());
    let Peers {
        simulator, server, ..
    } = peers;
    server.create(&name).await?;
    let home = tempfile::tempdir_in(scratch)?;
    command
        .arg(simulator.base_url())
        .arg(url_of(&name)?)
        .arg(home.path());
    let first = pass(&command, simulator.world()).await?;
    let unchanged = pass(&command, simulator.world()).await?;
    server.drop(&name).await?;
    Ok(Some(Passes { first, unchanged }))
}

async fn pass(command: &Command, world: World) -> anyhow::Result<Pass> {
    let (cost, said) = cost::of(command).await?;
    let last = said.lines().last().unwrap_or_default();
    let took: Took = serde_json::from_str(last)
        .with_context(|| format!("{command:?} doesn't say what it took: {said}"))?;
    let World { contacts, states } = world;
    ensure!(
        (took.contacts, took.states) == (contacts, states),
        "{command:?} read {} contacts and {} states",
        took.contacts,
        took.states
    );
    Ok(Pass {
        records_per_second: per_second(contacts + states, took.seconds),
        cpu_seconds: cost.cpu_seconds,
    })
}

/// The database's address over TCP: not every driver takes the directory of a socket in it.
fn url_of(database: &str) -> anyhow::Result<String> {
    let variable = |name: &str| std::env::var(name).with_context(|| format!("{name} is not set"));
    Ok(format!(
        "postgresql://syncline:{}@127.0.0.1:{}/{database}",
        variable("TEST_POSTGRES_PASSWORD")?,
        variable("TEST_POSTGRES_PORT")?
    ))
}
