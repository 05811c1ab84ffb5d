//! `syncline serve`.

use std::sync::Arc;

use anyhow::bail;
use syncline_engine::EngineConfig;

use crate::{
    cli::{ProcessRole, ServeArgs},
    compose::{self, Exclusive, Parts},
    config::Config,
    lifecycle::Signals,
    logging, services,
};

pub(crate) async fn run(args: &ServeArgs) -> anyhow::Result<()> {
    let mut signals = Signals::catch()?;
    let config = Config::load_for_serve(args)?;
    logging::init(config.log.format);
    let parts = Arc::new(Parts::open(&config, Exclusive::Yes).await?);
    if args.role != ProcessRole::All && parts.store.is_embedded() {
        bail!("an embedded database serves one process: a split --role needs PostgreSQL");
    }
    let (_, generated) = parts.first_api_key(config.api_key.as_ref()).await?;
    let listener = services::listen(config.listen).await?;
    let address = listener.local_addr()?;
    print_start(&address.to_string(), generated.as_deref());

    let worker_name = compose::worker_name("serve", &*parts.clock, &parts.ids);
    let webhooks = parts.webhooks(worker_name.clone())?;
    let destinations = parts.destinations(worker_name.clone());
    let engine = parts.engine(EngineConfig {
        worker_name,
        ..EngineConfig::default()
    });
    if parts.store.is_embedded() {
        parts.store.free_leases_of("serve-").await?;
        parts.store.free_endpoints_of("serve-").await?;
        parts.store.free_destination_feeds_of("serve-").await?;
    }
    let lifecycle = &parts.lifecycle;
    let metrics = services::metrics(lifecycle)?;
    syncline_server::report_panics();
    let router = match args.role {
        ProcessRole::All | ProcessRole::Api => parts.router(&engine, metrics, address),
        ProcessRole::Worker => parts.health_router(&engine, metrics, address),
    };
    services::serve(&parts, listener, router);
    if args.role != ProcessRole::Api {
        services::work(lifecycle, engine);
        services::deliver(lifecycle, webhooks);
        services::write_destinations(lifecycle, destinations);
    }
    lifecycle.spawn_until_shutdown(parts.clone().watch_database());

    signals.received().await;
    tracing::info!("shutting down");
    lifecycle.shutdown().await;
    parts.close().await;
    Ok(())
}

#[expect(clippy::print_stdout, reason = "the one line that shows the key")]
fn print_start(address: &str, generated_key: Option<&str>) {
    tracing::info!("listening on http://{address}");
    if let Some(key) = generated_key {
        println!("API key: {key}");
    }
}
