//! What the proxy costs: the same requests to the simulator directly, through nginx, and through the
//! service.

use std::time::{Duration, Instant};

use futures::future::try_join_all;
use reqwest::{Client, Method};

use crate::{
    nginx::Nginx,
    service::{API_KEY, Service, body_of},
    simulator::Simulator,
    spread::Spread,
};

/// A request whose answer is passed on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked {
    pub(crate) name: &'static str,
    method: &'static str,
    path: &'static str,
    body: Option<&'static str>,
}

/// An answer of about 2 KB, and one of 343 KB.
pub(crate) const ASKED: [Asked; 2] = [
    Asked {
        name: "small answer",
        method: "GET",
        path: "api/v1/users/search?per_page=4",
        body: None,
    },
    Asked {
        name: "page of contacts",
        method: "POST",
        path: "api/v1/contacts/search",
        body: Some(r#"{"page": 1, "per_page": 100}"#),
    },
];

pub(crate) const CALLERS: [usize; 2] = [1, 8];

/// One request with so many callers, on each way.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Passed {
    pub(crate) direct: Timing,
    /// Only where nginx is installed.
    pub(crate) nginx: Option<Timing>,
    pub(crate) proxy: Timing,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Timing {
    /// The median duration of a request.
    pub(crate) millis: f64,
    pub(crate) per_second: f64,
}

/// By request, and by the number of callers.
pub(crate) type Passing = [[Passed; 2]; 2];

impl Passed {
    /// What the proxy adds to a request, as a multiple of what nginx adds.
    pub(crate) fn added_against_nginx(&self) -> Option<f64> {
        let added = |timing: Timing| timing.millis - self.direct.millis;
        Some(added(self.proxy) / added(self.nginx?))
    }

    pub(crate) fn rate_against_nginx(&self) -> Option<f64> {
        Some(self.proxy.per_second / self.nginx?.per_second)
    }
}

pub(crate) async fn measure(
    service: &Service,
    nginx: Option<&Nginx>,
    simulator: &Simulator,
    requests: usize,
) -> anyhow::Result<Passing> {
    let http = Client::builder().no_proxy().build()?;
    let proxy = format!("{}/actions/v2/proxy", service.base_url());
    let mut measured = Vec::new();
    for asked in ASKED {
        for callers in CALLERS {
            let time = async |base_url: &str, key| {
                let way = Way {
                    http: &http,
                    base_url,
                    key,
                    asked,
                };
                // The first requests open connections.
                way.time(callers, requests.min(64)).await?;
                way.time(callers, requests).await
            };
            let direct = time(simulator.base_url(), Simulator::API_KEY).await?;
            let nginx = match nginx {
                Some(nginx) => Some(time(nginx.base_url(), API_KEY).await?),
                None => None,
            };
            let proxy = time(&proxy, API_KEY).await?;
            measured.push(Passed {
                direct,
                nginx,
                proxy,
            });
        }
    }
    Ok([[measured[0], measured[1]], [measured[2], measured[3]]])
}

/// Where a request is sent.
struct Way<'w> {
    http: &'w Client,
    base_url: &'w str,
    key: &'w str,
    asked: Asked,
}

impl Way<'_> {
    /// So many requests, of so many callers that each wait for their answers.
    #[expect(clippy::cast_precision_loss, reason = "some thousand requests")]
    async fn time(&self, callers: usize, requests: usize) -> anyhow::Result<Timing> {
        let caller = async || {
            let mut times = Vec::new();
            for _ in 0..requests.div_ceil(callers) {
                let started = Instant::now();
                self.ask().await?;
                times.push(started.elapsed());
            }
            anyhow::Ok(times)
        };
        let started = Instant::now();
        let times: Vec<Vec<Duration>> = try_join_all((0..callers).map(|_| caller())).await?;
        let took = started.elapsed().as_secs_f64();
        let times: Vec<Duration> = times.into_iter().flatten().collect();
        Ok(Timing {
            per_second: times.len() as f64 / took,
            millis: Spread::of(times.iter().map(|time| time.as_secs_f64() * 1e3)).median,
        })
    }

    async fn ask(&self) -> anyhow::Result<Vec<u8>> {
        let Asked {
            method, path, body, ..
        } = self.asked;
        let url = format!("{}/{path}", self.base_url);
        let mut request = self
            .http
            .request(Method::from_bytes(method.as_bytes())?, url)
            .header("x-api-key", self.key)
            .header("x-customer-id", "default")
            .header("x-provider-name", "apollo");
        if let Some(body) = body {
            request = request
                .header("content-type", "application/json")
                .body(body);
        }
        body_of(request).await
    }
}
