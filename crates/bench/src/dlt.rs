//! The same records into PostgreSQL with dlt, which somebody would use instead of a service.

use std::path::Path;

use anyhow::{Context, ensure};
use serde::Deserialize;
use tokio::process::Command;

use crate::{
    database::Server,
    simulator::{Simulator, World},
    sync::per_second,
};

/// A Python that has dlt.
const PYTHON: &str = "BENCH_DLT_PYTHON";
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/dlt/sync.py");

/// Records per second of both passes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Dlt {
    pub(crate) first: f64,
    pub(crate) unchanged: f64,
}

#[derive(Deserialize)]
struct Took {
    seconds: f64,
    contacts: i64,
    states: i64,
}

/// `None` if dlt is not installed, which only a smoke test accepts.
pub(crate) async fn measure(
    number: u32,
    simulator: &Simulator,
    server: &Server,
    scratch: &Path,
) -> anyhow::Result<Option<Dlt>> {
    let Ok(python) = std::env::var(PYTHON) else {
        return Ok(None);
    };
    let name = format!("dlt_{}_{number}", std::process::id());
    server.create(&name).await?;
    let home = tempfile::tempdir_in(scratch)?;
    let pass = async || {
        let output = Command::new(&python)
            .arg(SCRIPT)
            .arg(simulator.base_url())
            .arg(url_of(&name)?)
            .arg(home.path())
            .output()
            .await
            .context("dlt can't be started")?;
        let said = String::from_utf8_lossy(&output.stdout);
        ensure!(
            output.status.success(),
            "dlt failed: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        let last = said.lines().last().unwrap_or_default();
        let took: Took = serde_json::from_str(last).context("dlt says what it took")?;
        let World { contacts, states } = simulator.world();
        ensure!(
            (took.contacts, took.states) == (contacts, states),
            "dlt read {} contacts and {} states",
            took.contacts,
            took.states
        );
        anyhow::Ok(per_second(contacts + states, took.seconds))
    };
    let (first, unchanged) = (pass().await?, pass().await?);
    server.drop(&name).await?;
    Ok(Some(Dlt { first, unchanged }))
}

/// The database's address over TCP: dlt's driver takes no directory of a socket in it.
fn url_of(database: &str) -> anyhow::Result<String> {
    let variable = |name: &str| std::env::var(name).with_context(|| format!("{name} is not set"));
    Ok(format!(
        "postgresql://syncline:{}@127.0.0.1:{}/{database}",
        variable("TEST_POSTGRES_PASSWORD")?,
        variable("TEST_POSTGRES_PORT")?
    ))
}
