//! The command lines of `syncline sim`, one for each dialect.

mod apollo;
mod outreach;
mod salesloft;

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};

use tokio::net::TcpListener;

pub use self::apollo::{Args, PlanName, run};
pub use self::outreach::{OutreachArgs, run_outreach};
pub use self::salesloft::{SalesloftArgs, run_salesloft};
use crate::options::Options;
use crate::server::serve;
use crate::simulator::Simulator;

/// Prints what `announce` says, and serves until ctrl-c or a request to terminate.
async fn serve_until_told(
    listen: SocketAddr,
    options: Options,
    announce: fn(&Options, SocketAddr),
) -> io::Result<()> {
    let listener = TcpListener::bind(listen).await.map_err(|error| {
        let said =
            format!("can't listen on {listen}: choose another address with --listen: {error}");
        io::Error::new(error.kind(), said)
    })?;
    announce(&options, listener.local_addr()?);
    serve(listener, Simulator::new(options), terminated()).await
}

/// Accepts an IP address or a host name; IPv4 before IPv6.
fn address(text: &str) -> Result<SocketAddr, String> {
    let found = text
        .to_socket_addrs()
        .map_err(|_| format!("can't listen on '{text}': write HOST:PORT, as in 127.0.0.1:8090"))?;
    let mut found: Vec<SocketAddr> = found.collect();
    found.sort_by_key(SocketAddr::is_ipv6);
    found
        .first()
        .copied()
        .ok_or_else(|| format!("'{text}' is not an address of this machine"))
}

async fn terminated() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminate.recv() => {}
            }
            return;
        }
    }
    // If the handler can't be installed, wait until the process is killed.
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}
