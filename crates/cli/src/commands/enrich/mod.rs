//! `syncline enrich`: a CSV list in, the same list with what the provider knows out, in the foreground.
//!
//! It uses the same engine, store and jobs as `serve`. The same list with the same options is the same
//! job, so a command that was interrupted or killed is continued by running it again.

mod files;
mod progress;

use std::{convert::Infallible, io::Write, pin::pin, time::Duration};

use anyhow::{Context, bail};
use chrono::TimeDelta;
use syncline_engine::{Engine, EngineConfig, JobEnd};
use syncline_model::{
    Clock,
    enrichment::{JobCounts, JobState, MatchOptions},
};
use syncline_store::{
    Connection, ContinueJob, Continued, EnrichmentJob, NewCeiling, NewEnrichmentJob, Tenant,
};

use self::{files::ListFile, progress::Progress};
use crate::{
    cli::EnrichArgs,
    commands::account::{Account, Secret, check_customer, connect},
    compose::{self, Exclusive, Parts},
    config::{Config, LogFormat},
    lifecycle::{SHUTDOWN_TIMEOUT, Signals},
    logging,
};

/// How often the progress is read.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How long to wait before looking again whether a job can be taken.
const BUSY_FOR: Duration = Duration::from_secs(1);

pub(crate) async fn run(args: &EnrichArgs) -> anyhow::Result<()> {
    let mut signals = Signals::catch()?;
    let config = Config::load(&args.settings)?;
    if args.json || std::env::var_os("RUST_LOG").is_some() || config.log.format == LogFormat::Json {
        logging::init(config.log.format);
    }
    let providers = compose::connect_providers(&config)?;
    let provider = providers.named(&args.provider)?;
    provider.capabilities().batch_enrichments()?;
    check_customer(&args.customer)?;
    let list = ListFile::read(args)?;
    files::check_output(&args.output, &args.input)?;
    let secret = Secret::of(&args.secret, &**provider)?;
    let parts = Parts::open(&config, Exclusive::No).await?;
    let engine = parts.engine(EngineConfig {
        worker_name: compose::worker_name("enrich", &*parts.clock, &parts.ids),
        ..EngineConfig::default()
    });
    let account = Account {
        customer_id: &args.customer,
        provider: &**provider,
    };
    let connection = connect(&parts, &engine, &account, &secret).await?;
    let enriching = Enriching {
        parts: &parts,
        engine: &engine,
        connection: &connection,
        tenant: parts.store.tenant(&connection.application_id),
    };
    let job = enriching.job_of(list, args).await?;
    let mut progress = Progress::new(&job, args.json);
    let ended = Box::pin(enriching.work(&job, &mut progress, &mut signals)).await;
    progress.end();
    let newest = enriching.newest(&job).await?;
    files::write_results(&parts.store, &newest, &args.output).await?;
    ended?;
    print(&newest, args)?;
    parts.store.close().await;
    match &newest.error {
        Some(error) => bail!("{error}"),
        None if newest.state == JobState::Cancelled => {
            bail!("the job was cancelled: run the same command again to continue")
        }
        None => Ok(()),
    }
}

struct Enriching<'a> {
    parts: &'a Parts,
    engine: &'a Engine,
    connection: &'a Connection,
    tenant: Tenant,
}

impl Enriching<'_> {
    /// The job of this list: the one that was begun before, or a new one.
    async fn job_of(&self, list: ListFile, args: &EnrichArgs) -> anyhow::Result<EnrichmentJob> {
        let fingerprint = list.fingerprint(args);
        let connection_id = &self.connection.id;
        let found = self
            .tenant
            .find_enrichment_job(connection_id, &fingerprint)
            .await?;
        let how = ContinueJob {
            max_credits: args.max_credits.map_or(NewCeiling::Unlimited, |most| {
                NewCeiling::At(i64::from(most))
            }),
            retry_uncertain: args.retry_uncertain,
        };
        match found {
            Some(job) if self.is_outdated(&job) => self.new_job(list, args, fingerprint).await,
            Some(job) => {
                let taken_up = self
                    .tenant
                    .take_up_enrichment_job(connection_id, &job.id, how);
                match taken_up.await? {
                    Continued::Now(continued) => Ok(*continued),
                    Continued::InFlight => bail!(
                        "a request of this list is still under way: run the command again when it is \
                         answered, or in five minutes"
                    ),
                    // The results of a list that is done are written once more.
                    Continued::NothingLeft | Continued::Active | Continued::Unknown => Ok(job),
                }
            }
            None => self.new_job(list, args, fingerprint).await,
        }
    }

    /// Whether a job that is done is so old that its answers are not used again.
    fn is_outdated(&self, job: &EnrichmentJob) -> bool {
        let reuse = TimeDelta::days(i64::from(job.reuse_days));
        let now = self.parts.clock.now();
        job.state == JobState::Succeeded && job.finished_at.is_some_and(|at| at <= now - reuse)
    }

    async fn new_job(
        &self,
        list: ListFile,
        args: &EnrichArgs,
        fingerprint: String,
    ) -> anyhow::Result<EnrichmentJob> {
        let new = NewEnrichmentJob {
            kind: list.kind,
            options: MatchOptions {
                reveal_personal_emails: args.reveal_personal_emails,
                ..MatchOptions::default()
            },
            reuse_days: args.reuse_days,
            retry_uncertain: args.retry_uncertain,
            max_credits: args.max_credits.map(i64::from),
            columns: Some(list.list.columns),
            fingerprint: Some(fingerprint),
            foreground: true,
            items: list.list.items,
        };
        let job = self
            .tenant
            .create_enrichment_job(self.connection, &new)
            .await?;
        Ok(job)
    }

    /// Works on the job until it ends, or somebody interrupts the command.
    async fn work(
        &self,
        job: &EnrichmentJob,
        progress: &mut Progress,
        signals: &mut Signals,
    ) -> anyhow::Result<()> {
        let mut working = pin!(self.work_to_end(job));
        let done = tokio::select! {
            done = &mut working => done,
            never = self.watch(job, progress) => match never {},
            () = signals.received() => {
                self.engine.shutdown();
                let stopped = tokio::time::timeout(SHUTDOWN_TIMEOUT, working).await;
                stopped.unwrap_or(Ok(()))?;
                bail!("interrupted: run the same command again to continue")
            }
        };
        done
    }

    async fn work_to_end(&self, job: &EnrichmentJob) -> anyhow::Result<()> {
        loop {
            let newest = self.newest(job).await?;
            if newest.state.has_ended() {
                return Ok(());
            }
            if newest.state == JobState::Waiting {
                let wait = newest.due_at - self.parts.clock.now();
                let wait = wait.max(TimeDelta::zero()).to_std().unwrap_or(BUSY_FOR);
                tokio::time::sleep(wait.min(BUSY_FOR)).await;
                if newest.due_at > self.parts.clock.now() {
                    continue;
                }
            }
            match self.engine.claim_enrichment_job(&job.id).await? {
                Some(leased) => {
                    let end = self.engine.work_on_enrichment(leased).await;
                    if end == JobEnd::Released {
                        return Ok(());
                    }
                }
                // A process that was killed may still have the lease, for half a minute.
                None => tokio::time::sleep(BUSY_FOR).await,
            }
        }
    }

    async fn watch(&self, job: &EnrichmentJob, progress: &mut Progress) -> Infallible {
        loop {
            if let Ok(newest) = self.newest(job).await {
                progress.show(&newest);
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    async fn newest(&self, job: &EnrichmentJob) -> anyhow::Result<EnrichmentJob> {
        let found = self
            .tenant
            .get_enrichment_job(&self.connection.id, &job.id)
            .await?;
        found.context("the connection was deleted meanwhile")
    }
}

fn print(job: &EnrichmentJob, args: &EnrichArgs) -> anyhow::Result<()> {
    let counts: &JobCounts = &job.counts;
    let text = if args.json {
        let mut summary = serde_json::to_value(counts)?;
        summary["job_id"] = job.id.clone().into();
        summary["state"] = job.state.as_str().into();
        summary["error"] = job.error.clone().into();
        summary.to_string()
    } else {
        let left = counts.failed + (counts.total - counts.done);
        format!(
            "{} of {} {} matched, {} not, {left} were not asked about, {} are uncertain.\n\
             {} credits spent; {} answers were paid for before. Results: {}",
            counts.matched,
            counts.total,
            job.kind.as_str(),
            counts.not_matched,
            counts.uncertain,
            counts.credits_spent,
            counts.reused,
            args.output.display()
        )
    };
    writeln!(std::io::stdout(), "{text}").context("can't print the summary")
}
