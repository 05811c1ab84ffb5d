//! Enrichment jobs as the API tells them.

use serde::Deserialize;
use syncline_model::Time;

use crate::{
    address::encoded,
    parts::State,
    resources::connection_path,
    words::{Count, When},
};

/// The jobs of the connection that a call's headers select.
pub(crate) const JOBS: &str = "/enrichment/v2/jobs";

#[derive(Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "they are the API's")]
pub(crate) struct Job {
    pub(crate) id: String,
    pub(crate) state: String,
    pub(crate) kind: String,
    pub(crate) customer_id: String,
    pub(crate) provider_name: String,
    pub(crate) total: i64,
    pub(crate) done: i64,
    pub(crate) matched: i64,
    pub(crate) not_matched: i64,
    pub(crate) failed: i64,
    pub(crate) uncertain: i64,
    pub(crate) reused: i64,
    pub(crate) credits_spent: i64,
    pub(crate) credits_reserved: i64,
    pub(crate) awaited: i64,
    pub(crate) max_credits: Option<i64>,
    pub(crate) reuse_days: i64,
    retry_uncertain: bool,
    reveal_personal_emails: bool,
    reveal_phone_number: bool,
    run_waterfall_email: bool,
    run_waterfall_phone: bool,
    pub(crate) error: Option<String>,
    waits_for: Option<String>,
    waits_until: Option<Time>,
    created_at: Time,
    finished_at: Option<Time>,
}

/// The address of a connection's jobs, without the base.
pub(crate) fn jobs_path(customer_id: &str, provider: &str) -> String {
    format!("{}/enrichment", connection_path(customer_id, provider))
}

/// The address of a job's page, without the base.
pub(crate) fn job_path(customer_id: &str, provider: &str, id: &str) -> String {
    format!("{}/{}", jobs_path(customer_id, provider), encoded(id))
}

impl Job {
    /// `23 people`
    pub(crate) fn list(&self) -> String {
        let one = match self.kind.as_str() {
            "people" => "person",
            "companies" => "company",
            other => other,
        };
        let what = if self.total == 1 { one } else { &self.kind };
        format!("{} {what}", Count(self.total))
    }

    pub(crate) fn state(&self) -> State {
        State::new(&self.state)
    }

    pub(crate) fn is_active(&self) -> bool {
        matches!(self.state.as_str(), "queued" | "running" | "waiting")
    }

    /// Whether it has ended and something may be left to ask about.
    pub(crate) fn can_go_on(&self) -> bool {
        !self.is_active() && (self.state != "succeeded" || self.uncertain > 0)
    }

    /// What it waits for, in words.
    pub(crate) fn waits_for(&self) -> Option<&str> {
        Some(match self.waits_for.as_deref()? {
            "provider_rate_limit" => "the request limits of all keys are used up",
            "credits_per_day" => "the keys have spent what they may in 24 hours",
            "provider_unavailable" => "the provider does not answer",
            "same_question" => "another job asks the same, and its answer serves both",
            other => other,
        })
    }

    pub(crate) fn waits_until(&self, now: &Time) -> Option<When> {
        self.waits_until.map(|at| When::new(at, *now))
    }

    pub(crate) fn created(&self, now: &Time) -> When {
        When::new(self.created_at, *now)
    }

    pub(crate) fn ended(&self, now: &Time) -> Option<When> {
        self.finished_at.map(|at| When::new(at, *now))
    }

    /// What is asked for beyond the usual, in words.
    pub(crate) fn options(&self) -> Vec<&'static str> {
        let options = [
            (self.reveal_personal_emails, "private e-mail addresses"),
            (self.reveal_phone_number, "phone numbers"),
            (
                self.run_waterfall_email,
                "e-mail addresses from other sources",
            ),
            (self.run_waterfall_phone, "phone numbers from other sources"),
            (
                self.retry_uncertain,
                "what may have been paid for is asked again",
            ),
        ];
        let asked = options.into_iter().filter(|(asked, _)| *asked);
        asked.map(|(_, words)| words).collect()
    }

    /// The address of its page, without the base.
    pub(crate) fn path(&self) -> String {
        job_path(&self.customer_id, &self.provider_name, &self.id)
    }
}
