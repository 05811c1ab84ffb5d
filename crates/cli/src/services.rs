//! The long-running parts of a process: the API, the engine, the webhooks and the destinations, each until
//! shutdown.

use std::net::SocketAddr;

use anyhow::Context;
use axum::Router;
use syncline_destinations::Destinations;
use syncline_engine::Engine;
use syncline_listener::ConnectionLimits;
use syncline_server::Metrics;
use syncline_webhooks::Webhooks;
use tokio::net::TcpListener;

use crate::{compose::Parts, lifecycle::Lifecycle, open_files};

/// The process's metrics, installed once.
pub(crate) fn metrics(lifecycle: &Lifecycle) -> anyhow::Result<Metrics> {
    let metrics = Metrics::install().context("the metrics can't be set up")?;
    lifecycle.spawn_until_shutdown(metrics.clone().run_upkeep());
    Ok(metrics)
}

/// Serves `router` until shutdown, and then until its last request is done.
pub(crate) fn serve(parts: &Parts, listener: TcpListener, router: Router) {
    let (guard, recorder) = (parts.guard.clone(), parts.recorder.clone());
    let shutdown = parts.lifecycle.clone();
    let limits = connection_limits(open_files::raise_limit());
    parts.lifecycle.spawn(async move {
        let answered = async {
            syncline_listener::serve(listener, router, limits, shutdown.requested()).await;
            guard.finished().await;
        };
        // A caller that keeps its connection open must not cost the audit log its last entries.
        tokio::select! {
            () = answered => {}
            () = shutdown.answer_time_is_over() => {}
        }
        recorder.flush().await;
    });
}

/// Half of the process's file descriptors are for callers; providers and the database need some
/// too.
fn connection_limits(files: Option<u64>) -> ConnectionLimits {
    let limits = ConnectionLimits::default();
    let half = files.and_then(|files| usize::try_from(files / 2).ok());
    ConnectionLimits {
        connections: limits.connections.min(half.unwrap_or(usize::MAX)).max(1),
        ..limits
    }
}

/// Schedules and runs syncs until shutdown.
pub(crate) fn work(lifecycle: &Lifecycle, engine: Engine) {
    let shutdown = lifecycle.clone();
    lifecycle.spawn(async move {
        tokio::join!(engine.run(), async {
            shutdown.requested().await;
            engine.shutdown();
        });
    });
}

/// Delivers webhooks until shutdown.
pub(crate) fn deliver(lifecycle: &Lifecycle, webhooks: Webhooks) {
    let shutdown = lifecycle.clone();
    lifecycle.spawn(async move {
        tokio::join!(webhooks.run(), async {
            shutdown.requested().await;
            webhooks.shutdown();
        });
    });
}

/// Writes destinations until shutdown.
pub(crate) fn write_destinations(lifecycle: &Lifecycle, destinations: Destinations) {
    let shutdown = lifecycle.clone();
    lifecycle.spawn(async move {
        tokio::join!(destinations.run(), async {
            shutdown.requested().await;
            destinations.shutdown();
        });
    });
}

pub(crate) async fn listen(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address)
        .await
        .with_context(|| format!("can't listen on {address}: choose another address with --listen"))
}
