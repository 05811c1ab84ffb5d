//! `syncline demo`: shows the main features without an account anywhere.
//!
//! A simulated Apollo, Outreach and Salesloft and the real service, all on loopback, the service with
//! a temporary database. Everything is done over HTTP, as a customer's backend would do it: three
//! customers are connected, by key and by OAuth, and read for the first time; then two contacts change
//! at Apollo and the next sync finds them.

mod api;
mod customers;
mod first_sync;
mod receiver;
mod second_sync;
mod summary;

use std::{net::SocketAddr, sync::Arc};

use anyhow::{Context, bail};
use chrono::TimeDelta;
use syncline_engine::EngineConfig;
use syncline_model::Clock as _;
use syncline_sim::RunningSimulator;
use syncline_store::SessionKind;
use tokio::net::TcpListener;

use self::{
    api::Api,
    customers::{CUSTOMERS, Provider},
    receiver::Receiver,
    second_sync::SecondSync,
};
use crate::{
    cli::DemoArgs,
    compose::{Exclusive, Parts},
    config::{Config, ProviderSettings},
    lifecycle::Signals,
    logging, services,
};

pub(crate) async fn run(args: &DemoArgs) -> anyhow::Result<()> {
    if std::env::var_os("RUST_LOG").is_some() {
        logging::init(crate::config::LogFormat::Text);
    }
    let mut signals = Signals::catch()?;
    let providers = start_providers(args.seed).await?;
    let dir = tempfile::Builder::new()
        .prefix("syncline-demo-")
        .tempdir()?;
    let config = Config {
        data_dir: dir.path().to_owned(),
        ..demo_config(&providers, args.listen)
    };
    let parts = Arc::new(Parts::open(&config, Exclusive::Yes).await?);
    let (_, key) = parts.first_api_key(None).await?;
    let key = key.context("a new database has no key")?;
    let listener = listen_nearby(args.listen).await?;
    let api = Api::new(listener.local_addr()?, key);
    start(&parts, listener)?;

    let demo = Demo {
        receiver: Receiver::start(&api).await?,
        console: sign_in_link(&parts, &api).await?,
        api,
        providers,
    };
    let shown = tokio::select! {
        shown = demo.show() => shown,
        () = signals.received() => Err(anyhow::anyhow!("stopped before the demo was complete")),
    };
    if let (Ok(second), false) = (&shown, args.exit) {
        demo.print_serving(second, &dir.path().join("syncline.db"));
        signals.received().await;
    }
    parts.lifecycle.shutdown().await;
    parts.close().await;
    shown.map(drop)
}

/// An address of the console that signs in by itself, once.
async fn sign_in_link(parts: &Parts, api: &Api) -> anyhow::Result<String> {
    let known = parts.store.authenticate(&api.key).await?;
    let (tenant, key) = known.context("the demo's key is not known")?;
    let expires_at = parts.clock.now() + TimeDelta::days(1);
    let kind = SessionKind::Link;
    let token = tenant.begin_session(&key.id, kind, expires_at).await?;
    Ok(format!("{}/console/sign-in/{token}", api.base))
}

/// The same as `serve`, without its log.
fn start(parts: &Parts, listener: TcpListener) -> anyhow::Result<()> {
    let address = listener.local_addr()?;
    let engine = parts.engine(EngineConfig::default());
    let webhooks = parts.webhooks("demo".to_owned())?;
    let router = parts.router(&engine, services::metrics(&parts.lifecycle)?, address);
    services::serve(parts, listener, router);
    services::work(&parts.lifecycle, engine);
    services::deliver(&parts.lifecycle, webhooks);
    Ok(())
}

async fn start_providers(seed: u64) -> anyhow::Result<Vec<RunningSimulator>> {
    let mut providers = Vec::new();
    for customer in &CUSTOMERS {
        providers.push(customer.start_provider(seed).await?);
    }
    Ok(providers)
}

fn demo_config(providers: &[RunningSimulator], listen: SocketAddr) -> Config {
    let settings = CUSTOMERS
        .iter()
        .zip(providers)
        .map(|(customer, simulator)| {
            let base_url = simulator.base_url();
            let at_simulator = ProviderSettings {
                token_url: Some(format!("{base_url}/oauth/token"))
                    .filter(|_| customer.provider != Provider::Apollo),
                base_url: Some(base_url),
                ..ProviderSettings::default()
            };
            (customer.provider.name().to_owned(), at_simulator)
        });
    Config {
        listen,
        providers: settings.collect(),
        // The receiver is on this machine.
        webhooks: crate::config::Webhooks {
            allow_private_targets: true,
        },
        ..Config::defaults()
    }
}

/// Listens on the address, or on another port of it if that one is in use.
async fn listen_nearby(address: SocketAddr) -> anyhow::Result<TcpListener> {
    match services::listen(address).await {
        Ok(listener) => Ok(listener),
        Err(_) => services::listen(SocketAddr::new(address.ip(), 0)).await,
    }
}

struct Demo {
    api: Api,
    /// Signs in to the console, once.
    console: String,
    /// One for each customer, in their order.
    providers: Vec<RunningSimulator>,
    receiver: Receiver,
}

impl Demo {
    /// From the first connection to the second sync; an error if something is not as expected.
    async fn show(&self) -> anyhow::Result<SecondSync> {
        let first = self.first_sync().await?;
        self.print_first(&first).await?;
        if let Some(failure) = first.failures.first() {
            bail!("{failure}");
        }
        let second = self.second_sync().await?;
        summary::print_second(&second);
        second.check()?;
        Ok(second)
    }
}
