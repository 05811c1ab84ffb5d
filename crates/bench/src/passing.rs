//! The latency that the proxy adds: the same small request to the simulator, through the service
//! and directly.

use std::time::{Duration, Instant};

use futures::future::try_join_all;

use crate::{
    service::{Service, body_of},
    simulator::Simulator,
    spread::Spread,
};

/// An answer of a few hundred bytes.
const SMALL: &str = "api/v1/users/api_profile";

/// The median duration of a request in milliseconds, with one and with eight concurrent callers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Passing {
    pub(crate) one_direct: f64,
    pub(crate) one_through: f64,
    pub(crate) eight_direct: f64,
    pub(crate) eight_through: f64,
}

pub(crate) async fn measure(
    service: &Service,
    simulator: &Simulator,
    requests: usize,
) -> anyhow::Result<Passing> {
    let http = reqwest::Client::builder().no_proxy().build()?;
    let url = format!("{}/{SMALL}", simulator.base_url());
    let direct = async || {
        let request = http.get(&url).header("x-api-key", Simulator::API_KEY);
        body_of(request).await
    };
    let path = format!("/actions/v2/proxy/{SMALL}");
    let through = async || service.get(&path).await;
    // Warm up: the first requests open connections.
    middle(&direct, 8, requests.min(64)).await?;
    middle(&through, 8, requests.min(64)).await?;
    Ok(Passing {
        one_direct: middle(&direct, 1, requests).await?,
        one_through: middle(&through, 1, requests).await?,
        eight_direct: middle(&direct, 8, requests).await?,
        eight_through: middle(&through, 8, requests).await?,
    })
}

/// The median duration of all requests, in milliseconds, with this many callers that each wait for
/// their answers.
async fn middle(
    ask: &impl AsyncFn() -> anyhow::Result<Vec<u8>>,
    callers: usize,
    requests: usize,
) -> anyhow::Result<f64> {
    let caller = async || {
        let mut times = Vec::new();
        for _ in 0..requests.div_ceil(callers) {
            let started = Instant::now();
            ask().await?;
            times.push(started.elapsed());
        }
        anyhow::Ok(times)
    };
    let times: Vec<Vec<Duration>> = try_join_all((0..callers).map(|_| caller())).await?;
    let times = times.into_iter().flatten();
    Ok(Spread::of(times.map(|time| time.as_secs_f64() * 1e3)).median)
}
