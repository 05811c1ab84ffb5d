//! `syncline mcp`: an agent's actions as tools over stdin and stdout, for clients that start their servers.
//!
//! It calls the same API within the process as `/mcp` does, on the same database, beside a `serve` if one
//! runs.

use anyhow::{Context, bail};
use syncline_engine::EngineConfig;
use syncline_server::agents::Agents;

use crate::{
    cli::McpArgs,
    compose::{self, Parts},
    config::Config,
    logging, services,
};

pub(crate) async fn run(args: &McpArgs) -> anyhow::Result<()> {
    let name = &args.api_key_env;
    let key = std::env::var(name).unwrap_or_default();
    if key.is_empty() {
        bail!("set {name} to an agent's API key: `syncline keys create --role agent` makes one");
    }
    let config = Config::load(&args.settings)?;
    logging::init(config.log.format);
    let parts = Parts::open_existing(&config).await?;
    let engine = parts.engine(EngineConfig {
        worker_name: compose::worker_name("mcp", &*parts.clock, &parts.ids),
        ..EngineConfig::default()
    });
    let state = parts.local_state(&engine, services::metrics(&parts.lifecycle)?);
    let agents = Agents::new(&state);
    if let Err(why) = agents.find(&key).await {
        bail!("{name}: {}", why.in_words());
    }
    let api = syncline_server::api(&state);
    let served = syncline_mcp::serve_stdio(api, agents, &key).await;
    parts.lifecycle.shutdown().await;
    parts.close().await;
    served
        .map_err(anyhow::Error::msg)
        .context("the client can't be served")
}
