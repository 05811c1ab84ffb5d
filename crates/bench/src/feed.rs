//! The change feed and a destination: changes per second that a reader gets, and rows per second that
//! are written to a PostgreSQL database, beside a bare `COPY` of the same rows there.

use std::{
    fmt,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    database::{Database, Server},
    plain_copy,
    service::Service,
    simulator::Simulator,
    sync::{Pass, Syncline, per_second},
    table::Table,
};

/// Changes of a page.
const LIMIT: usize = 1000;
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// The measurements of both databases.
pub(crate) struct Report {
    measured: Vec<Measured>,
}

struct Measured {
    database: &'static str,
    changes: i64,
    changes_per_second: f64,
    written_per_second: f64,
    copied_per_second: f64,
}

pub(crate) async fn run(
    syncline: &Syncline,
    simulator: &Simulator,
    server: &Server,
    scratch: &Path,
) -> anyhow::Result<Report> {
    let dir = tempfile::tempdir_in(scratch)?;
    let sqlite = Database::sqlite(&dir.path().join("syncline.db"));
    let mut measured = vec![measure(&sqlite, syncline, simulator, server, scratch).await?];
    let name = format!("feed_{}", std::process::id());
    let postgres = Database::Postgres(server.create(&name).await?);
    measured.push(measure(&postgres, syncline, simulator, server, scratch).await?);
    server.drop(&name).await?;
    Ok(Report { measured })
}

async fn measure(
    database: &Database,
    syncline: &Syncline,
    simulator: &Simulator,
    server: &Server,
    scratch: &Path,
) -> anyhow::Result<Measured> {
    let url = database.url();
    syncline.sync(&url, simulator.world(), Pass::First).await?;
    let home = tempfile::tempdir_in(scratch)?;
    let mut command = syncline.whole_service(&url, home.path());
    command.env("SYNCLINE_DESTINATIONS__ALLOW_PRIVATE_TARGETS", "true");
    let service = Service::start(command).await?;
    let began = Instant::now();
    let changes = read_all(&service).await?;
    let changes_per_second = per_second(changes, began.elapsed().as_secs_f64());
    let name = format!("warehouse_{}", std::process::id());
    let warehouse = server.create(&name).await?;
    let took = write_all(&service, &name).await?;
    let rows: i64 = Database::Postgres(warehouse.clone())
        .rows()
        .await?
        .iter()
        .sum();
    ensure!(rows == changes, "{rows} of {changes} rows were written");
    let copied_per_second = plain_copy::rows_per_second(&warehouse).await?;
    service.stop().await?;
    server.drop(&name).await?;
    Ok(Measured {
        database: database.name(),
        changes,
        changes_per_second,
        written_per_second: per_second(rows, took.as_secs_f64()),
        copied_per_second,
    })
}

/// Reads the whole feed, and returns how many changes it has.
async fn read_all(service: &Service) -> anyhow::Result<i64> {
    let mut changes = 0;
    let mut cursor = String::new();
    loop {
        let path = format!("/engagement/v2/changes?limit={LIMIT}{cursor}");
        let page: Value = serde_json::from_slice(&service.get(&path).await?)?;
        let some = page["changes"].as_array().context("no changes")?;
        changes += i64::try_from(some.len())?;
        if page["has_more"] == false {
            return Ok(changes);
        }
        let next = page["next_cursor"].as_str().context("no cursor")?;
        cursor = format!("&cursor={next}");
    }
}

/// Has everything written to this database, and returns how long that took.
async fn write_all(service: &Service, database: &str) -> anyhow::Result<Duration> {
    let configs: Value = serde_json::from_slice(&service.get("/mgmt/v2/sync_configs").await?)?;
    let config = &configs[0];
    let path = format!(
        "/mgmt/v2/sync_configs/{}?force_delete_syncs=true",
        config["id"].as_str().context("no sync config")?
    );
    service.send(Method::DELETE, &path, &Value::Null).await?;
    let destination = json!({
        "name": "Warehouse",
        "type": "postgres",
        "config": {
            "host": "127.0.0.1",
            "port": std::env::var("TEST_POSTGRES_PORT")?.parse::<u16>()?,
            "database": database,
            "schema": "public",
            "user": "syncline",
            "password": std::env::var("TEST_POSTGRES_PASSWORD")?,
        },
    });
    let path = "/mgmt/v2/destinations";
    let created = service.send(Method::POST, path, &destination).await?;
    let created: Value = serde_json::from_slice(&created)?;
    let path = format!("{path}/{}", created["id"].as_str().context("no id")?);
    let mut data = config["config"].clone();
    data["default_config"]["auto_start_on_connection"] = json!(false);
    let new = json!({
        "destination_name": "Warehouse",
        "provider_name": config["provider_name"],
        "config": data,
    });
    let began = Instant::now();
    service
        .send(Method::POST, "/mgmt/v2/sync_configs", &new)
        .await?;
    loop {
        let shown: Value = serde_json::from_slice(&service.get(&path).await?)?;
        ensure!(shown.get("failure").is_none(), "it fails: {shown}");
        if shown["connections_behind"] == 0 {
            return Ok(began.elapsed());
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let changes = self.measured.first().map_or(0, |it| it.changes);
        writeln!(
            f,
            "{changes} rows: the change feed in pages of {LIMIT}, and a PostgreSQL database as a destination"
        )?;
        let mut table = Table::new(&[
            "database",
            "feed, changes/s",
            "destination, rows/s",
            "COPY, rows/s",
            "of COPY",
        ]);
        for it in &self.measured {
            table.row([
                it.database.to_owned(),
                format!("{:.0}", it.changes_per_second),
                format!("{:.0}", it.written_per_second),
                format!("{:.0}", it.copied_per_second),
                format!("{:.2}", it.written_per_second / it.copied_per_second),
            ]);
        }
        write!(f, "{table}")
    }
}
