//! The provider: `syncline sim` in its own process, and its request counts.

use std::{path::Path, process::Stdio};

use anyhow::{Context, ensure};
use serde::{Deserialize, de::DeserializeOwned};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
    task::JoinSet,
};

/// A provider that can be simulated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Provider {
    /// As the command line and the API call it.
    pub(crate) name: &'static str,
    /// The path of its API.
    api_path: &'static str,
    /// The option for the number of contacts.
    contacts: &'static str,
    /// The endpoints that scans of contacts and sequence states read.
    pages: &'static [&'static str],
}

pub(crate) const APOLLO: Provider = Provider {
    name: "apollo",
    api_path: "/api/v1",
    contacts: "--contacts",
    pages: &["contacts/search"],
};

pub(crate) const OUTREACH: Provider = Provider {
    name: "outreach",
    api_path: "/api/v2",
    contacts: "--prospects",
    pages: &["prospects/list", "sequenceStates/list"],
};

pub(crate) const SALESLOFT: Provider = Provider {
    name: "salesloft",
    api_path: "/v2",
    contacts: "--people",
    pages: &["people/list", "cadence_memberships/list"],
};

pub(crate) struct Simulator {
    pub(crate) provider: Provider,
    base_url: String,
    http: reqwest::Client,
    world: World,
    /// Killed when this is dropped.
    _process: Child,
    _output: JoinSet<()>,
}

/// The numbers of records at the provider.
#[derive(Debug, Clone, Copy, Deserialize)]
pub(crate) struct World {
    pub(crate) contacts: i64,
    pub(crate) states: i64,
}

#[derive(Deserialize)]
struct Worlds {
    teams: Vec<World>,
}

#[derive(Deserialize)]
struct Ledger {
    actions: std::collections::BTreeMap<String, Action>,
}

#[derive(Deserialize)]
struct Action {
    requests: i64,
    refused: i64,
}

impl Simulator {
    pub(crate) const API_KEY: &str = "sim-master-key";

    pub(crate) async fn start(syncline: &Path, contacts: u32) -> anyhow::Result<Self> {
        Self::with_teams(syncline, contacts, 1).await
    }

    /// An Apollo with several workspaces, each with its own key.
    pub(crate) async fn with_teams(
        syncline: &Path,
        contacts: u32,
        teams: u32,
    ) -> anyhow::Result<Self> {
        Self::of(APOLLO, syncline, contacts, teams).await
    }

    pub(crate) async fn of(
        provider: Provider,
        syncline: &Path,
        contacts: u32,
        teams: u32,
    ) -> anyhow::Result<Self> {
        Self::with_latency(provider, syncline, (contacts, teams), 0).await
    }

    /// One whose answers take that many milliseconds.
    pub(crate) async fn with_latency(
        provider: Provider,
        syncline: &Path,
        (contacts, teams): (u32, u32),
        latency_ms: u32,
    ) -> anyhow::Result<Self> {
        let mut process = Command::new(syncline)
            .args(["sim", provider.name, "--listen", "127.0.0.1:0"])
            .args([provider.contacts, &contacts.to_string()])
            .args(["--teams", &teams.to_string()])
            .args(["--latency-ms", &latency_ms.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .context("the simulator can't be started")?;
        let stdout = process.stdout.take().context("it has an output")?;
        let mut lines = BufReader::new(stdout).lines();
        let first = lines.next_line().await?.unwrap_or_default();
        let base_url = first
            .split_whitespace()
            .last()
            .and_then(|url| url.strip_suffix(provider.api_path))
            .with_context(|| format!("the simulator says no address but {first:?}"))?
            .to_owned();
        // Keep reading, so that the process isn't blocked by a full pipe.
        let mut output = JoinSet::new();
        output.spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });

        let http = reqwest::Client::builder().no_proxy().build()?;
        let worlds: Worlds = ask(&http, &format!("{base_url}/_sim/world")).await?;
        let world = worlds.teams.first().copied().context("it has a team")?;
        ensure!(
            world.contacts == i64::from(contacts),
            "{contacts} contacts were asked for, the simulator made {}",
            world.contacts
        );
        Ok(Self {
            provider,
            base_url,
            http,
            world,
            _process: process,
            _output: output,
        })
    }

    /// The key of one of the workspaces, counted from 0.
    pub(crate) fn key_of(team: u32) -> String {
        match team {
            0 => Self::API_KEY.to_owned(),
            _ => format!("{}-{}", Self::API_KEY, team + 1),
        }
    }

    pub(crate) fn base_url(&self) -> &str {
        &self.base_url
    }

    pub(crate) fn world(&self) -> World {
        self.world
    }

    /// Gives every team that many credits.
    pub(crate) async fn set_credits(&self, teams: u32, credits: u32) -> anyhow::Result<()> {
        for team in 0..teams {
            let url = format!(
                "{}/_sim/set_credits?team={team}&credits={credits}",
                self.base_url
            );
            self.http.post(url).send().await?.error_for_status()?;
        }
        Ok(())
    }

    /// Makes a contact in a workspace.
    pub(crate) async fn make_contact(
        &self,
        team: u32,
        contact: &serde_json::Value,
    ) -> anyhow::Result<()> {
        let url = format!("{}/api/v1/contacts", self.base_url);
        let request = self.http.post(url).header("x-api-key", Self::key_of(team));
        request.json(contact).send().await?.error_for_status()?;
        Ok(())
    }

    pub(crate) async fn reset_ledger(&self) -> anyhow::Result<()> {
        let url = format!("{}/_sim/reset_ledger", self.base_url);
        self.http.post(url).send().await?.error_for_status()?;
        Ok(())
    }

    /// The number of requests for a page of contacts or sequence states.
    pub(crate) async fn page_requests(&self) -> anyhow::Result<i64> {
        let ledger: Ledger = ask(&self.http, &format!("{}/_sim/ledger", self.base_url)).await?;
        let refused: i64 = ledger.actions.values().map(|action| action.refused).sum();
        ensure!(refused == 0, "the simulator refused {refused} requests");
        let pages = self.provider.pages.iter();
        let pages = pages.filter_map(|page| ledger.actions.get(*page));
        Ok(pages.map(|action| action.requests).sum())
    }
}

async fn ask<T: DeserializeOwned>(http: &reqwest::Client, url: &str) -> anyhow::Result<T> {
    Ok(http
        .get(url)
        .send()
        .await?
        .error_for_status()?
        .json()
        .await?)
}
