//! `syncline encryption rotate`: seals every secret with the newest key, while others work.

use anyhow::bail;
use syncline_model::Clock;
use syncline_store::{ReencryptionResult, Store};

use crate::{audit, cli::SettingsArgs, compose::Parts, config::Config, key_file::KeyFile, logging};

pub(crate) async fn run(args: &SettingsArgs) -> anyhow::Result<()> {
    let config = Config::load(args)?;
    logging::init(config.log.format);
    let parts = Parts::open_existing(&config).await?;
    let store = &parts.store;
    let held = parts.key_file.as_ref().map(KeyFile::hold).transpose()?;
    if let (Some(file), Some(held)) = (&parts.key_file, &held)
        && old_keys_in_use(store).await?.is_empty()
    {
        file.prepend_new_key(&parts.ids, held)?;
    }
    let done = store.reseal_secrets().await?;
    let in_use = old_keys_in_use(store).await?;
    record_audit(&parts, &done).await?;
    report(&parts, &done, &in_use)?;
    drop(held);
    store.close().await;
    if !done.unopened.is_empty() {
        bail!(
            "{} of the secrets can't be decrypted and were left unchanged: set them again",
            done.unopened.len()
        );
    }
    if !in_use.is_empty() {
        bail!(
            "another process still encrypts with an older key ({}): restart it with the newest one \
             first, and rotate again",
            in_use.join(", ")
        );
    }
    Ok(())
}

async fn record_audit(parts: &Parts, done: &ReencryptionResult) -> anyhow::Result<()> {
    let at = parts.clock.now();
    let message = format!(
        "`syncline encryption rotate` re-encrypted {} secrets with the newest key",
        done.values
    );
    let entry = |application| audit::by_command(application, at, "encryption.rotate", &message);
    Ok(parts.store.write_audit_log_of_all(entry).await?)
}

/// The keys that sealed something, except the newest.
async fn old_keys_in_use(store: &Store) -> anyhow::Result<Vec<String>> {
    let newest = store.encryption_key_ids().into_iter().next();
    let mut in_use: Vec<_> = store
        .sealed_by()
        .await?
        .into_iter()
        .filter_map(|sealed| sealed.key_id)
        .filter(|id| newest.as_ref() != Some(id))
        .collect();
    in_use.sort_unstable();
    in_use.dedup();
    Ok(in_use)
}

#[expect(clippy::print_stdout, reason = "the command's answer")]
fn report(parts: &Parts, done: &ReencryptionResult, in_use: &[String]) -> anyhow::Result<()> {
    let ids = parts.store.encryption_key_ids();
    let [newest, old @ ..] = &ids[..] else {
        bail!("there is no encryption key");
    };
    match done.values {
        0 => println!("every secret is already encrypted with the key {newest}"),
        1 => println!("1 secret was re-encrypted with the key {newest}"),
        n => println!("{n} secrets were re-encrypted with the key {newest}"),
    }
    for reason in &done.unopened {
        println!("left unchanged: {reason}");
    }
    let not_needed: Vec<_> = old.iter().filter(|id| !in_use.contains(id)).collect();
    if old.is_empty() {
        println!(
            "to use another key, put it before this one in SYNCLINE_ENCRYPTION_KEY; see --help"
        );
    } else if !not_needed.is_empty() {
        let listed: Vec<_> = not_needed.iter().map(|id| id.as_str()).collect();
        let place = match &parts.key_file {
            Some(file) => format!("{}, newest first", file.path().display()),
            None => "SYNCLINE_ENCRYPTION_KEY".to_owned(),
        };
        println!(
            "no longer needed: {} (in {place}); keep it as long as you keep backups from before",
            listed.join(", ")
        );
    }
    Ok(())
}
