//! What `syncline enrich` shows while it works: a bar, and a line whenever the job waits.

use indicatif::{ProgressBar, ProgressStyle};
use syncline_model::{
    enrichment::{JobState, JobWait},
    time,
};
use syncline_store::EnrichmentJob;

pub(super) struct Progress {
    bar: ProgressBar,
    /// The wait that was told last.
    said: Option<String>,
    quiet: bool,
}

impl Progress {
    pub(super) fn new(job: &EnrichmentJob, quiet: bool) -> Self {
        let bar = if quiet {
            ProgressBar::hidden()
        } else {
            ProgressBar::new(u64::try_from(job.counts.total).unwrap_or_default())
        };
        let style = ProgressStyle::with_template("{bar:30.cyan} {pos:>6}/{len:<6} {msg}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        let mut progress = Self {
            bar,
            said: None,
            quiet,
        };
        progress.show(job);
        progress
    }

    pub(super) fn show(&mut self, job: &EnrichmentJob) {
        if self.quiet {
            return;
        }
        let counts = &job.counts;
        self.bar
            .set_position(u64::try_from(counts.done).unwrap_or_default());
        self.bar.set_message(format!(
            "{} matched, {} credits",
            counts.matched, counts.credits_spent
        ));
        let Some(wait) = wait_of(job) else {
            return;
        };
        // Once for each wait, also if there is no terminal to draw a bar on.
        if self.said.as_ref() != Some(&wait) {
            self.bar.suspend(|| eprintln!("{wait}"));
            self.said = Some(wait);
        }
    }

    pub(super) fn end(&self) {
        self.bar.abandon();
    }
}

fn wait_of(job: &EnrichmentJob) -> Option<String> {
    if job.state != JobState::Waiting {
        return None;
    }
    let why = match job.waits_for? {
        JobWait::ProviderRateLimit => "for the provider's request limit",
        JobWait::CreditsPerDay => "for the day's credits of the keys",
        JobWait::ProviderUnavailable => "because the provider does not answer",
        JobWait::SameQuestion => "for another job that asks the same",
    };
    let until = time::format(job.due_at);
    Some(format!("waits until {until} {why}"))
}
