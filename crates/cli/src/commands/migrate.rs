//! `syncline migrate`.

use crate::{
    cli::MigrateArgs,
    compose::{Exclusive, Parts},
    config::Config,
    logging,
};

#[expect(clippy::print_stdout, reason = "the command's answer")]
pub(crate) async fn run(args: &MigrateArgs) -> anyhow::Result<()> {
    let config = Config::load(&args.settings)?;
    logging::init(config.log.format);
    let parts = Parts::open(&config, Exclusive::No).await?;
    let restamped = if args.after_restore {
        parts.store.restamp().await
    } else {
        Ok(())
    };
    parts.store.close().await;
    restamped?;
    println!("the database schema is up to date");
    if args.after_restore {
        println!("every row is marked as changed now");
    }
    Ok(())
}
