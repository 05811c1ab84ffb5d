//! `syncline doctor`: a line for each check, with what to do if it fails.
//!
//! It changes nothing: no schema is upgraded, no key is created. Checks that depend on a failed one
//! are left out, so begin with the first bad line.

mod destinations;
mod keys;
mod postgres;
mod provider;
mod report;
mod stored;
mod webhooks;

use std::{os::unix::fs::PermissionsExt, path::Path, sync::Arc};

use anyhow::bail;
use chrono::TimeDelta;
use syncline_model::{Ids, SystemClock};
use syncline_store::{EncryptionKeys, Store};

use self::report::Report;
use crate::{
    cli::SettingsArgs, commands::one_line, compose, config::Config, data_dir::database_file,
};

/// A difference of clocks that does no harm.
const CLOCK_MAY_DIFFER: TimeDelta = TimeDelta::seconds(5);

pub(crate) async fn run(args: &SettingsArgs) -> anyhow::Result<()> {
    let mut report = Report::default();
    let config = configuration(&mut report, args)?;
    let url = config.database_url();
    let embedded = !url.starts_with("postgres");
    if embedded {
        data_directory(&mut report, &config);
    }
    let is_there = !embedded || database_file(&url).is_ok_and(|file| file.is_file());
    if !embedded {
        // First, because nothing else can be checked through a pooler that can't be used.
        postgres::look_at(&mut report, &url, config.database.max_connections).await;
    }
    let mut enabled = None;
    if is_there {
        let found = keys::configured(&mut report, &config);
        let has_keys = found.is_some();
        // The rest of the database can be checked without them.
        let some = || EncryptionKeys::generate(&Ids::random()).parse();
        let keys = found.map_or_else(some, Ok)?;
        if let Some(store) = database(&mut report, &url, keys).await {
            if has_keys {
                keys::sealed(&mut report, &store).await;
            }
            keys::of_the_api(&mut report, &store).await;
            webhooks::look_at(&mut report, &store).await;
            destinations::look_at(&mut report, &store).await;
            stored::look_at(&mut report, &store).await;
            enabled = store.enabled_providers().await.ok();
            store.close().await;
        }
    } else {
        report.note(
            "database",
            format!("there is none yet: `serve` creates it ({url})"),
        );
    }
    provider::look_at(&mut report, &config, enabled).await;
    match report.bad {
        0 => Ok(()),
        1 => bail!("1 check is bad"),
        n => bail!("{n} checks are bad"),
    }
}

/// The configuration; if it is invalid, only the settings that the other checks need.
fn configuration(report: &mut Report, args: &SettingsArgs) -> anyhow::Result<Config> {
    let wrong = match Config::load(args) {
        Ok(config) => match compose::providers(&config) {
            Ok(_) => {
                report.ok("configuration", "all settings are valid");
                return Ok(config);
            }
            Err(error) => error,
        },
        Err(error) => error,
    };
    report.bad("configuration", one_line(&wrong));
    let places = Config::places(args)?;
    report.note(
        "",
        "the checks below use only the data directory, the database, the keys and the providers' addresses",
    );
    Ok(places)
}

fn data_directory(report: &mut Report, config: &Config) {
    let name = "data directory";
    let dir = &config.data_dir;
    if !dir.exists() {
        report.note(
            name,
            format!("{} doesn't exist yet: `serve` creates it", dir.display()),
        );
        return;
    }
    // In a directory that others can't enter, the modes of the other files don't matter.
    let files: &[&str] = if open_to_others(dir).is_some() {
        &["syncline.db", "syncline.db-wal", "encryption.key"]
    } else {
        &["encryption.key"]
    };
    let mut open: Vec<String> = Vec::new();
    for path in files.iter().map(|file| dir.join(file)) {
        if let Some(mode) = open_to_others(&path) {
            open.push(format!("{} has mode {mode:o}", path.display()));
        }
    }
    if open.is_empty() {
        report.ok(name, format!("only the owner can access {}", dir.display()));
    } else {
        let what = format!(
            "{}: run `chmod go=` so that only the owner can access them",
            open.join(", ")
        );
        report.bad(name, what);
    }
}

/// The mode of a file that users other than its owner can access.
fn open_to_others(path: &Path) -> Option<u32> {
    let mode = path.metadata().ok()?.permissions().mode() & 0o777;
    (mode & 0o077 != 0).then_some(mode)
}

/// The database, if it has the right schema.
async fn database(report: &mut Report, url: &str, keys: EncryptionKeys) -> Option<Store> {
    let clock = Arc::new(SystemClock::default());
    let kind = if url.starts_with("postgres") {
        "PostgreSQL".to_owned()
    } else {
        url.to_owned()
    };
    let store = match Store::open(url, clock.clone(), Arc::new(Ids::random()), keys).await {
        Ok(store) => store,
        Err(error) => {
            report.bad("database", format!("{kind}: {}", one_line(&error.into())));
            return None;
        }
    };
    let ready = store.ready().await;
    if let Err(error) = &ready
        && error.is_unavailable()
    {
        report.bad("database", format!("{kind}: {}", error.outage()));
        return None;
    }
    report.ok("database", format!("{kind} answers"));
    match ready {
        Ok(()) => report.ok("schema", "up to date"),
        Err(error) => {
            report.bad("schema", one_line(&error.into()));
            store.close().await;
            return None;
        }
    }
    let before = clock.machine_now();
    match store.database_time().await {
        Ok(Some(time)) => difference(report, "database's clock", time - before),
        Ok(None) => {}
        Err(error) => report.bad("database's clock", one_line(&error.into())),
    }
    Some(store)
}

/// Reports how far another clock is ahead of this machine's.
fn difference(report: &mut Report, name: &str, ahead: TimeDelta) {
    let seconds = ahead.num_seconds();
    if ahead.abs() <= CLOCK_MAY_DIFFER {
        report.ok(name, "agrees with this machine's");
    } else {
        let word = if seconds > 0 { "ahead of" } else { "behind" };
        let apart = seconds.abs();
        report.bad(
            name,
            format!("{apart} s {word} this machine's: synchronize both with NTP"),
        );
    }
}
