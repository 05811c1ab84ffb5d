//! `syncline migrate`.

use crate::{
    cli::SettingsArgs,
    compose::{Exclusive, Parts},
    config::Config,
    logging,
};

#[expect(clippy::print_stdout, reason = "the command's answer")]
pub(crate) async fn run(args: &SettingsArgs) -> anyhow::Result<()> {
    let config = Config::load(args)?;
    logging::init(config.log.format);
    let parts = Parts::open(&config, Exclusive::No).await?;
    parts.store.close().await;
    println!("the database schema is up to date");
    Ok(())
}
