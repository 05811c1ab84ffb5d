//! What the unified API may ask of a provider, beside what syncs ask.
//!
//! Every call goes through the caller's [`Session`], which counts its requests. What is written comes
//! back as the provider's own records, so that the tables can show it at once. A record that the
//! provider doesn't have is an error of the kind `NotFound`, whatever status it used to say so.

use async_trait::async_trait;
use syncline_model::{
    Object, Record, Records, Sequence, WindowUsage,
    draft::{
        AccountDraft, ContactDraft, LeaveMode, SequenceDraft, StepDraft, TaskDraft, TemplateUpdate,
    },
    live::{Company, SequenceStep, Task, TaskStatus},
};

use crate::{
    error::ProviderError,
    http::{Method, Response},
    passthrough::Passthrough,
    provider::Provider,
    session::Session,
};

#[async_trait]
pub trait Unified: Provider {
    /// A page of an object's records, as they are now.
    async fn list_live(
        &self,
        session: &Session<'_>,
        object: Object,
        page: PageAsk,
    ) -> Result<LivePage, ProviderError>;

    /// One record by its id. A sequence state's contact comes along.
    async fn get_live(
        &self,
        session: &Session<'_>,
        object: Object,
        id: &str,
    ) -> Result<Records, ProviderError>;

    async fn get_sequence(
        &self,
        session: &Session<'_>,
        id: &str,
    ) -> Result<SequenceWithSteps, ProviderError>;

    /// The contacts that have one of these addresses, whichever of theirs it is.
    async fn contacts_by_email(
        &self,
        session: &Session<'_>,
        emails: &[String],
    ) -> Result<Records, ProviderError>;

    /// The accounts that the provider finds under a name, exact or not.
    async fn accounts_by_name(
        &self,
        session: &Session<'_>,
        name: &str,
    ) -> Result<Records, ProviderError>;

    /// A page of the contacts that are in a sequence, with their states.
    async fn states_of_sequence(
        &self,
        session: &Session<'_>,
        sequence_id: &str,
        page: PageAsk,
    ) -> Result<LivePage, ProviderError>;

    async fn create_account(
        &self,
        session: &Session<'_>,
        draft: &AccountDraft,
    ) -> Result<Wrote, ProviderError>;

    async fn update_account(
        &self,
        session: &Session<'_>,
        id: &str,
        draft: &AccountDraft,
    ) -> Result<Wrote, ProviderError>;

    async fn create_contact(
        &self,
        session: &Session<'_>,
        draft: &ContactDraft,
    ) -> Result<Wrote, ProviderError>;

    async fn update_contact(
        &self,
        session: &Session<'_>,
        id: &str,
        draft: &ContactDraft,
    ) -> Result<Wrote, ProviderError>;

    async fn create_sequence(
        &self,
        session: &Session<'_>,
        draft: &SequenceDraft,
    ) -> Result<Wrote, ProviderError>;

    /// Adds a step; `order` is its place, the last one where none is given. Answers with its id.
    async fn create_step(
        &self,
        session: &Session<'_>,
        sequence_id: &str,
        draft: &StepDraft,
    ) -> Result<Wrote, ProviderError>;

    async fn update_step(
        &self,
        session: &Session<'_>,
        sequence_id: &str,
        step_id: &str,
        template: &TemplateUpdate,
    ) -> Result<(), ProviderError>;

    /// Puts contacts into a sequence, those that are in it already included.
    async fn enrol(
        &self,
        session: &Session<'_>,
        enrolment: &Enrolment<'_>,
    ) -> Result<Enrolled, ProviderError>;

    /// Takes contacts out of a sequence, or stops them in it.
    async fn leave(
        &self,
        session: &Session<'_>,
        sequence_id: &str,
        contact_ids: &[String],
        mode: LeaveMode,
    ) -> Result<Enrolled, ProviderError>;

    async fn create_task(
        &self,
        session: &Session<'_>,
        draft: &TaskDraft,
    ) -> Result<Task, ProviderError>;

    async fn search_tasks(
        &self,
        session: &Session<'_>,
        filter: &TaskFilter,
        page: PageAsk,
    ) -> Result<TaskPage, ProviderError>;

    async fn complete_task(&self, session: &Session<'_>, id: &str) -> Result<Task, ProviderError>;

    /// The company behind an e-mail address; `None` where the provider knows no such person. Costs
    /// credits.
    async fn enrich(&self, session: &Session<'_>, email: &str)
    -> Result<Enrichment, ProviderError>;

    /// The way for requests that somebody else wrote.
    fn passthrough(&self) -> &Passthrough;

    /// The name under which the provider counts a request that somebody else wrote.
    fn endpoint_of(&self, method: &Method, path: &str) -> String;

    /// Whether such a request may cost the customer's credits. `path` is [`Target::as_read`].
    ///
    /// [`Target::as_read`]: crate::Target::as_read
    fn may_cost_credits(&self, path: &str) -> bool;

    /// What the answer to such a request tells of the provider's request limits; its body is empty
    /// where nobody has read it.
    fn rate_limit_info(&self, answer: &Response) -> RateLimitInfo;
}

/// What an answer tells of the provider's request limits.
#[derive(Debug, Clone)]
pub struct RateLimitInfo {
    pub usage: Vec<WindowUsage>,
    /// A refusal, where the answer is one.
    pub refusal: Option<ProviderError>,
}

/// A page of a live list, by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageAsk {
    /// The first is 1.
    pub page: u32,
    pub size: u32,
}

#[derive(Debug, Clone)]
pub struct LivePage {
    pub records: Records,
    pub next: Option<u32>,
    /// The provider's own total, where it tells one.
    pub total: Option<i64>,
}

#[derive(Debug, Clone)]
pub struct SequenceWithSteps {
    pub sequence: Record<Sequence>,
    pub steps: Vec<SequenceStep>,
}

/// What a write made.
#[derive(Debug, Clone)]
pub struct Wrote {
    pub id: String,
    /// As the provider shows them now; empty where it didn't say.
    pub records: Option<Records>,
    /// What was asked for and not done, though the record was written.
    pub warnings: Vec<String>,
}

/// Contacts to put into a sequence.
#[derive(Debug, Clone, Copy)]
pub struct Enrolment<'a> {
    pub sequence_id: &'a str,
    pub mailbox_id: &'a str,
    pub user_id: Option<&'a str>,
    pub contact_ids: &'a [String],
}

/// What became of the contacts that were to enter a sequence, or leave it.
#[derive(Debug, Clone)]
pub struct Enrolled {
    /// By contact, in the order asked for.
    pub outcomes: Vec<(String, Outcome)>,
    /// The contacts with their states, as the provider shows them now.
    pub records: Records,
    /// Ids of states that are no more, as far as the provider named them.
    pub removed: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The contact's state in the sequence.
    State { id: String },
    /// The contact is in the sequence, but its state could not be read.
    InIt,
    /// The contact is not in the sequence any more.
    Out,
    /// The provider left the contact as it was: its code, and what that means.
    Skipped { code: String, reason: String },
}

#[derive(Debug, Clone, Default)]
pub struct TaskFilter {
    pub contact_id: Option<String>,
    pub user_id: Option<String>,
    pub status: Option<TaskStatus>,
}

#[derive(Debug, Clone)]
pub struct TaskPage {
    pub tasks: Vec<Task>,
    pub next: Option<u32>,
    pub total: Option<i64>,
}

#[derive(Debug, Clone)]
pub struct Enrichment {
    pub company: Option<Company>,
    /// What the provider took for it, as far as it says.
    pub credits: u32,
}
