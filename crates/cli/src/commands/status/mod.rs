//! `syncline status`: the state of everything, on one screen, or of one customer. It reads the
//! database, so it works with and without a running `serve`.

mod customer;
mod overview;
mod text;

use std::sync::Arc;

use anyhow::{Context, bail};
use serde::Serialize;
use syncline_model::{Ids, ProviderLimits, SystemClock};
use syncline_store::{EncryptionKeys, Store};

use crate::{cli::StatusArgs, compose, config::Config, data_dir::database_file};

pub(crate) async fn run(args: &StatusArgs) -> anyhow::Result<()> {
    let config = Config::load(&args.settings)?;
    let store = open(&config).await?;
    let (_, limits) = compose::providers(&config)?;
    let printed = match &args.customer {
        Some(customer) => of_customer(&store, customer, args.json).await,
        None => of_all(&store, &limits, args.json).await,
    };
    store.close().await;
    print(&printed?);
    Ok(())
}

async fn of_all(store: &Store, limits: &ProviderLimits, json: bool) -> anyhow::Result<String> {
    let overview = overview::look(store, limits).await?;
    if json {
        as_json(&overview)
    } else {
        Ok(text::of_overview(&overview))
    }
}

async fn of_customer(store: &Store, customer: &str, json: bool) -> anyhow::Result<String> {
    let found = customer::look(store, customer).await?;
    if found.is_empty() {
        bail!("there is no customer {customer:?}: use the id that your application gave it");
    }
    if json {
        as_json(&found)
    } else {
        Ok(text::of_customer(&found))
    }
}

/// The database, if it exists and has this program's schema. Nothing is created or upgraded.
async fn open(config: &Config) -> anyhow::Result<Store> {
    let url = config.database_url();
    if !url.starts_with("postgres") {
        let file = database_file(&url)?;
        if !file.is_file() {
            bail!(
                "there is no database at {}: check --data-dir or --database-url, or start `serve`, \
                 which creates one",
                file.display()
            );
        }
    }
    // No secret is read, so any key will do.
    let ids = Arc::new(Ids::random());
    let keys: EncryptionKeys = EncryptionKeys::generate(&ids).parse()?;
    let store = Store::open(&url, Arc::new(SystemClock::default()), ids, keys)
        .await
        .context("the database can't be opened")?;
    store.ready().await?;
    Ok(store)
}

fn as_json(value: &impl Serialize) -> anyhow::Result<String> {
    Ok(serde_json::to_string_pretty(value)?)
}

#[expect(clippy::print_stdout, reason = "the command's answer")]
fn print(text: &str) {
    println!("{}", text.trim_end());
}
