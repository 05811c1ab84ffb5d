//! `syncline keys`: API keys, for operators.
//!
//! API keys are rows of the database, which every process reads again each second. So changes take
//! effect within a second in a running `serve`.

use anyhow::{Context, bail};
use chrono::{SubsecRound, TimeDelta};
use syncline_model::{ApiKey, Clock, Grants, Policy, Role, Time, time};
use syncline_store::{Application, NewApiKey, PageRequest, Store};

use crate::{
    audit,
    cli::{CreateKeyArgs, KeysCommand, ListKeysArgs, RevokeKeyArgs, SettingsArgs},
    compose::{Exclusive, Parts},
    config::Config,
    logging,
};

pub(crate) async fn run(command: &KeysCommand) -> anyhow::Result<()> {
    match command {
        KeysCommand::Create(args) => create(args).await,
        KeysCommand::List(args) => list(args).await,
        KeysCommand::Revoke(args) => revoke(args).await,
    }
}

/// Opens a database that must exist; only `keys create` may create one before the first `serve`.
async fn open_existing(settings: &SettingsArgs) -> anyhow::Result<Parts> {
    let config = Config::load(settings)?;
    logging::init(config.log.format);
    Parts::open_existing(&config).await
}

#[expect(clippy::print_stdout, reason = "the command's answer")]
async fn create(args: &CreateKeyArgs) -> anyhow::Result<()> {
    for (flag, name) in [("--name", &args.name), ("--application", &args.application)] {
        if name.trim().is_empty() || name.chars().count() > 255 || name.contains('\0') {
            bail!("{flag} must have 1 to 255 characters");
        }
    }
    let policy = policy_of(args);
    let grants = grants_of(args)?;
    if let Some(policy) = &policy {
        policy.check().context("these rules are not valid")?;
    }
    let config = Config::load(&args.settings)?;
    logging::init(config.log.format);
    let parts = Parts::open(&config, Exclusive::No).await?;
    if let Some(grants) = &grants {
        syncline_server::check_grants(&parts.providers, grants)
            .context("these grants are not valid")?;
    }
    let expires_at = expiry_of(args, parts.clock.now())?;
    let store = &parts.store;
    let application = store
        .find_or_create_application(&args.application, &parts.providers.enabled_at_first())
        .await?;
    let key = syncline_store::new_api_key(&parts.ids);
    let new = NewApiKey {
        name: &args.name,
        key: &key,
        role: args.role,
        policy: policy.as_ref(),
        grants: grants.as_ref(),
        expires_at,
    };
    let created = store.tenant(&application.id).create_api_key(&new).await?;
    created.context("the new key is in use already")?;
    let message = format!(
        "`syncline keys create` created the API key \"{}\" with the role {}",
        args.name, args.role
    );
    let at = parts.clock.now();
    let entry = audit::by_command(application.id, at, "api_key.create", &message);
    store.write_audit_log(&[entry]).await?;
    store.close().await;
    println!("API key: {key}");
    Ok(())
}

/// `None` if the role alone decides.
fn policy_of(args: &CreateKeyArgs) -> Option<Policy> {
    let has_rules = !args.allow.is_empty() || !args.allow_write.is_empty();
    if has_rules {
        return Some(Policy {
            passthrough: args.allow.clone(),
            writes: args.allow_write.clone(),
            credits: args.allow_credits,
        });
    }
    args.allow_credits.then(|| Policy {
        credits: true,
        ..Policy::of(args.role)
    })
}

/// `None` unless the key is an agent's.
fn grants_of(args: &CreateKeyArgs) -> anyhow::Result<Option<Grants>> {
    let has_grants =
        !args.grant.is_empty() || !args.customer.is_empty() || args.credits_per_day.is_some();
    let has_rules = !args.allow.is_empty() || !args.allow_write.is_empty() || args.allow_credits;
    if args.role != Role::Agent {
        if has_grants {
            bail!("--grant, --customer and --credits-per-day are for --role agent");
        }
        return Ok(None);
    }
    if has_rules {
        bail!(
            "an agent has no rules: use --grant in place of --allow, such as --grant contacts=read"
        );
    }
    if args.grant.is_empty() {
        bail!(
            "an agent needs a --grant, such as --grant contacts=read: without one it may do nothing"
        );
    }
    let mut grants = Grants {
        customers: (!args.customer.is_empty()).then(|| args.customer.iter().cloned().collect()),
        credits_per_day: args.credits_per_day,
        ..Grants::default()
    };
    for grant in &args.grant {
        grants
            .add(grant)
            .map_err(anyhow::Error::msg)
            .context("--grant")?;
    }
    Ok(Some(grants))
}

fn expiry_of(args: &CreateKeyArgs, now: Time) -> anyhow::Result<Option<Time>> {
    let days = args
        .expires_in_days
        .map(|days| now + TimeDelta::days(days.into()));
    let end = args.expires_at.or(days).map(|end| end.trunc_subsecs(3));
    if end.is_some_and(|end| end <= now) {
        bail!("--expires-at must be in the future");
    }
    Ok(end)
}

async fn list(args: &ListKeysArgs) -> anyhow::Result<()> {
    let parts = open_existing(&args.settings).await?;
    let mut applications = parts.store.list_applications().await?;
    if let Some(name) = &args.application {
        applications.retain(|application| application.name == *name);
        if applications.is_empty() {
            bail!("there is no application called {name}");
        }
    }
    let mut rows = vec![COLUMNS.map(str::to_owned)];
    for application in &applications {
        for key in keys_of(&parts.store, application).await? {
            rows.push(row(application, &key));
        }
    }
    parts.store.close().await;
    print(&rows);
    Ok(())
}

async fn keys_of(store: &Store, application: &Application) -> anyhow::Result<Vec<ApiKey>> {
    let all = PageRequest {
        limit: i64::MAX,
        ..PageRequest::default()
    };
    Ok(store.tenant(&application.id).list_api_keys(&all).await?)
}

#[expect(clippy::print_stdout, reason = "the command's answer")]
async fn revoke(args: &RevokeKeyArgs) -> anyhow::Result<()> {
    let parts = open_existing(&args.settings).await?;
    let mut found = false;
    for application in parts.store.list_applications().await? {
        let tenant = parts.store.tenant(&application.id);
        if found || !tenant.revoke_api_key(&args.id).await? {
            continue;
        }
        found = true;
        let message = format!("`syncline keys revoke` revoked the API key {}", args.id);
        let at = parts.clock.now();
        let entry = audit::by_command(application.id, at, "api_key.revoke", &message);
        parts.store.write_audit_log(&[entry]).await?;
    }
    parts.store.close().await;
    if !found {
        bail!(
            "there is no API key with the id {}: see `syncline keys list`",
            args.id
        );
    }
    println!("{} is revoked", args.id);
    Ok(())
}

const COLUMNS: [&str; 8] = [
    "ID",
    "NAME",
    "APPLICATION",
    "ROLE",
    "CREATED",
    "LAST USED",
    "EXPIRES",
    "REVOKED",
];

fn row(application: &Application, key: &ApiKey) -> [String; COLUMNS.len()] {
    let moment = |at: Option<Time>| at.map_or_else(|| "-".to_owned(), time::format);
    let role = match key.policy {
        Some(_) => format!("{} with rules", key.role),
        None => key.role.to_string(),
    };
    [
        key.id.clone(),
        shown(&key.name),
        shown(&application.name),
        role,
        time::format(key.created_at),
        moment(key.last_used_at),
        moment(key.expires_at),
        moment(key.revoked_at),
    ]
}

/// Replaces control characters, which a terminal could interpret.
fn shown(name: &str) -> String {
    let plain = |it: char| if it.is_control() { '\u{fffd}' } else { it };
    name.chars().map(plain).collect()
}

#[expect(clippy::print_stdout, reason = "the command's answer")]
fn print(rows: &[[String; COLUMNS.len()]]) {
    let chars = |text: &String| text.chars().count();
    let width = |column: usize| rows.iter().map(|row| chars(&row[column])).max();
    let widths: Vec<usize> = (0..COLUMNS.len()).filter_map(width).collect();
    for row in rows {
        let cells = row.iter().zip(&widths);
        let cells: Vec<String> = cells
            .map(|(cell, width)| format!("{cell:<width$}"))
            .collect();
        println!("{}", cells.join("  ").trim_end());
    }
}
