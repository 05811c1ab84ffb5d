//! `syncline doctor`: a line for each thing that could be wrong, and what to do about it.
//!
//! It changes nothing: no schema is upgraded, no key is made. What can't be looked at because of
//! something before it is left out, so the first bad line is the one to begin with.

mod keys;
mod postgres;
mod provider;
mod report;
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

/// A difference of clocks that nobody notices.
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
        // First: through a pooler that can't be used, nothing else can be looked at.
        postgres::look_at(&mut report, &url, config.database.max_connections).await;
    }
    if is_there {
        let found = keys::configured(&mut report, &config);
        let has_keys = found.is_some();
        // Without them the rest of the database can be looked at.
        let some = || EncryptionKeys::generate(&Ids::random()).parse();
        let keys = found.map_or_else(some, Ok)?;
        if let Some(store) = database(&mut report, &url, keys).await {
            if has_keys {
                keys::sealed(&mut report, &store).await;
            }
            keys::of_the_api(&mut report, &store).await;
            webhooks::look_at(&mut report, &store).await;
            store.close().await;
        }
    } else {
        report.note(
            "database",
            format!("there is none yet: `serve` makes it ({url})"),
        );
    }
    provider::look_at(&mut report, &config).await;
    match report.bad {
        0 => Ok(()),
        1 => bail!("1 thing is bad"),
        n => bail!("{n} things are bad"),
    }
}

/// The configuration; where it is wrong, as much of it as the other checks need.
fn configuration(report: &mut Report, args: &SettingsArgs) -> anyhow::Result<Config> {
    let wrong = match Config::load(args) {
        Ok(config) => match compose::providers(&config) {
            Ok(_) => {
                report.ok("configuration", "every setting is understood");
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
        "what follows goes by the data directory, the database, the keys and Apollo's address alone",
    );
    Ok(places)
}

fn data_directory(report: &mut Report, config: &Config) {
    let name = "data directory";
    let dir = &config.data_dir;
    if !dir.exists() {
        report.note(
            name,
            format!("{} is not there yet: `serve` makes it", dir.display()),
        );
        return;
    }
    // What lies in a directory that others can't enter is out of their reach.
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
        report.ok(
            name,
            format!("what is in {} is its owner's alone", dir.display()),
        );
    } else {
        let what = format!(
            "{}: `chmod go=` makes them their owner's alone",
            open.join(", ")
        );
        report.bad(name, what);
    }
}

/// The mode of a file that others than its owner may use.
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

/// How far another clock is ahead of this machine's.
fn difference(report: &mut Report, name: &str, ahead: TimeDelta) {
    let seconds = ahead.num_seconds();
    if ahead.abs() <= CLOCK_MAY_DIFFER {
        report.ok(name, "goes like this machine's");
    } else {
        let word = if seconds > 0 { "ahead of" } else { "behind" };
        let apart = seconds.abs();
        report.bad(
            name,
            format!("{apart} s {word} this machine's: set both by NTP"),
        );
    }
}
