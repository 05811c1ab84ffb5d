//! What a provider may be able to do beyond syncs: a small trait each, which it has or has not.
//!
//! [`Capabilities`] is the table of what one has; asking it for another is the one answer "not
//! supported by …". Every call goes through the caller's [`Session`], which counts its requests. Writes return the
//! provider's own records, so that the tables can show them at once. A record that the provider
//! doesn't have is always an error of the kind `NotFound`, whatever status the provider used.

use std::borrow::Cow;

use async_trait::async_trait;
use syncline_model::{
    Object, ProviderName, Record, Records, Sequence, WindowUsage,
    draft::{
        AccountDraft, ContactDraft, LeaveMode, SequenceDraft, StepDraft, TaskDraft, TemplateUpdate,
    },
    live::{Company, SequenceStep, Task, TaskStatus},
};

use crate::{
    actions::Actions,
    enrichment::BatchEnrichments,
    error::ProviderError,
    http::{Method, Response},
    outcome::Outcome,
    passthrough::{Passthrough, Target},
    session::Session,
};

/// What a provider can do beyond syncs.
#[derive(Clone, Copy)]
pub struct Capabilities<'p> {
    pub provider: ProviderName,
    pub live_reads: Option<&'p dyn LiveReads>,
    pub record_writes: Option<&'p dyn RecordWrites>,
    pub sequence_writes: Option<&'p dyn SequenceWrites>,
    pub enrolments: Option<&'p dyn Enrolments>,
    pub tasks: Option<&'p dyn Tasks>,
    pub enrichments: Option<&'p dyn Enrichments>,
    pub batch_enrichments: Option<&'p dyn BatchEnrichments>,
    pub forwards: Option<&'p dyn Forwards>,
    pub actions: Option<&'p dyn Actions>,
}

/// The provider has no such capability.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} is not supported by {provider}")]
pub struct NotSupported {
    pub provider: ProviderName,
    what: Cow<'static, str>,
}

impl<'p> Capabilities<'p> {
    /// For a provider that is only synced.
    pub fn none(provider: ProviderName) -> Self {
        Self {
            provider,
            live_reads: None,
            record_writes: None,
            sequence_writes: None,
            enrolments: None,
            tasks: None,
            enrichments: None,
            batch_enrichments: None,
            forwards: None,
            actions: None,
        }
    }

    pub fn live_reads(&self) -> Result<&'p dyn LiveReads, NotSupported> {
        self.supported(self.live_reads, "reading records live")
    }

    /// The live reads, if they include an object's lists and gets.
    pub fn live_reads_of(&self, object: Object) -> Result<&'p dyn LiveReads, NotSupported> {
        let reads = self.live_reads()?;
        if reads.has(object) {
            Ok(reads)
        } else {
            Err(self.lacks(format!("reading {} live", object.plural())))
        }
    }

    pub fn record_writes(&self) -> Result<&'p dyn RecordWrites, NotSupported> {
        self.supported(self.record_writes, "writing accounts and contacts")
    }

    pub fn sequence_writes(&self) -> Result<&'p dyn SequenceWrites, NotSupported> {
        self.supported(self.sequence_writes, "writing sequences")
    }

    pub fn enrolments(&self) -> Result<&'p dyn Enrolments, NotSupported> {
        self.supported(self.enrolments, "adding contacts to sequences")
    }

    pub fn tasks(&self) -> Result<&'p dyn Tasks, NotSupported> {
        self.supported(self.tasks, "reading and writing tasks")
    }

    pub fn enrichments(&self) -> Result<&'p dyn Enrichments, NotSupported> {
        self.supported(self.enrichments, "enrichment")
    }

    pub fn batch_enrichments(&self) -> Result<&'p dyn BatchEnrichments, NotSupported> {
        self.supported(self.batch_enrichments, "enrichment of lists")
    }

    pub fn forwards(&self) -> Result<&'p dyn Forwards, NotSupported> {
        self.supported(self.forwards, "passing requests through")
    }

    pub fn actions(&self) -> Result<&'p dyn Actions, NotSupported> {
        self.supported(self.actions, "making actions")
    }

    fn supported<T: ?Sized>(
        &self,
        capability: Option<&'p T>,
        what: &'static str,
    ) -> Result<&'p T, NotSupported> {
        capability.ok_or_else(|| self.lacks(what))
    }

    fn lacks(&self, what: impl Into<Cow<'static, str>>) -> NotSupported {
        NotSupported {
            provider: self.provider,
            what: what.into(),
        }
    }
}

/// Reads records as they are now.
#[async_trait]
pub trait LiveReads: Send + Sync {
    /// Whether the object has lists and gets. It isn't asked for the others.
    fn has(&self, _object: Object) -> bool {
        true
    }

    /// A page of an object's current records.
    async fn list_live(
        &self,
        session: &Session<'_>,
        object: Object,
        page: LivePageRequest<'_>,
    ) -> Result<LivePage, ProviderError>;

    /// One record by its id. Where sequence states are part of their contacts, a state comes with
    /// its contact, and a contact with its states.
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

    /// The contacts with one of these addresses, primary or not.
    async fn contacts_by_email(
        &self,
        session: &Session<'_>,
        emails: &[String],
    ) -> Result<Records, ProviderError>;

    /// The accounts that the provider finds for a name; matches need not be exact.
    async fn accounts_by_name(
        &self,
        session: &Session<'_>,
        name: &str,
    ) -> Result<Records, ProviderError>;

    /// The accounts that the provider finds for a domain; matches need not be exact.
    async fn accounts_by_domain(
        &self,
        session: &Session<'_>,
        domain: &str,
    ) -> Result<Records, ProviderError>;

    /// All states of a contact.
    async fn states_of_contact(
        &self,
        session: &Session<'_>,
        contact_id: &str,
    ) -> Result<Records, ProviderError>;

    /// A page of a sequence's states, or where they are part of their contacts, of its contacts.
    async fn states_of_sequence(
        &self,
        session: &Session<'_>,
        sequence_id: &str,
        page: LivePageRequest<'_>,
    ) -> Result<LivePage, ProviderError>;
}

/// Creates and changes accounts and contacts.
#[async_trait]
pub trait RecordWrites: Send + Sync {
    async fn create_account(
        &self,
        session: &Session<'_>,
        draft: &AccountDraft,
    ) -> Result<WriteResult, ProviderError>;

    async fn update_account(
        &self,
        session: &Session<'_>,
        id: &str,
        draft: &AccountDraft,
    ) -> Result<WriteResult, ProviderError>;

    async fn create_contact(
        &self,
        session: &Session<'_>,
        draft: &ContactDraft,
    ) -> Result<WriteResult, ProviderError>;

    async fn update_contact(
        &self,
        session: &Session<'_>,
        id: &str,
        draft: &ContactDraft,
    ) -> Result<WriteResult, ProviderError>;
}

/// Creates sequences with their steps, and changes what a step sends.
#[async_trait]
pub trait SequenceWrites: Send + Sync {
    async fn create_sequence(
        &self,
        session: &Session<'_>,
        draft: &SequenceDraft,
    ) -> Result<WriteResult, ProviderError>;

    /// Adds a step at position `order`, or at the end if that is not set. Returns its id.
    async fn create_step(
        &self,
        session: &Session<'_>,
        sequence_id: &str,
        draft: &StepDraft,
    ) -> Result<WriteResult, ProviderError>;

    async fn update_step(
        &self,
        session: &Session<'_>,
        sequence_id: &str,
        step_id: &str,
        template: &TemplateUpdate,
    ) -> Result<(), ProviderError>;
}

/// Adds contacts to sequences, and removes them.
#[async_trait]
pub trait Enrolments: Send + Sync {
    /// The reason to refuse an enrolment without a mailbox; `None` if none is needed.
    fn mailbox_required(&self) -> Option<&'static str>;

    /// The ways out of a sequence that the provider has.
    fn leave_modes(&self) -> &'static [LeaveMode];

    /// Adds contacts to a sequence, which may include some that are already in it.
    async fn enrol(
        &self,
        session: &Session<'_>,
        enrolment: &Enrolment<'_>,
    ) -> Result<Enrolled, ProviderError>;

    /// Removes contacts from a sequence, or stops them in it, in one of its modes.
    async fn leave(
        &self,
        session: &Session<'_>,
        sequence_id: &str,
        contact_ids: &[String],
        mode: LeaveMode,
    ) -> Result<Enrolled, ProviderError>;
}

/// Tasks of the provider's users.
#[async_trait]
pub trait Tasks: Send + Sync {
    async fn create_task(
        &self,
        session: &Session<'_>,
        draft: &TaskDraft,
    ) -> Result<Task, ProviderError>;

    async fn search_tasks(
        &self,
        session: &Session<'_>,
        filter: &TaskFilter,
        page: LivePageRequest<'_>,
    ) -> Result<TaskPage, ProviderError>;

    async fn complete_task(&self, session: &Session<'_>, id: &str) -> Result<Task, ProviderError>;
}

/// Looks up what the provider knows of companies. Both cost credits.
#[async_trait]
pub trait Enrichments: Send + Sync {
    /// The company behind an e-mail address; `None` if the provider doesn't know the person.
    async fn enrich_person(
        &self,
        session: &Session<'_>,
        email: &str,
    ) -> Result<Enrichment, ProviderError>;

    /// The company with that domain, a bare host; `None` if the provider doesn't know it.
    async fn enrich_organization(
        &self,
        session: &Session<'_>,
        domain: &str,
    ) -> Result<Enrichment, ProviderError>;
}

/// Takes requests that callers wrote.
pub trait Forwards: Send + Sync {
    /// Forwards callers' own requests.
    fn passthrough(&self) -> &Passthrough;

    /// The name under which the provider counts a caller's own request.
    fn endpoint_of(&self, method: &Method, path: &str) -> String;

    /// What it takes of that endpoint's request windows.
    fn cost_of(&self, _method: &Method, _target: &Target) -> i64 {
        1
    }

    /// Whether such a request may cost the customer's credits. `path` is [`Target::normalized_path`].
    ///
    /// [`Target::normalized_path`]: crate::Target::normalized_path
    fn may_cost_credits(&self, path: &str) -> bool;

    /// What the response to a caller's own request says about the provider's rate limits. Its body
    /// is empty if it has not been read.
    fn rate_limit_info(&self, answer: &Response) -> RateLimitInfo;
}

/// What a response says about the provider's rate limits.
#[derive(Debug, Clone)]
pub struct RateLimitInfo {
    pub usage: Vec<WindowUsage>,
    /// The error, if the response is a 429.
    pub refusal: Option<ProviderError>,
}

/// Which page of a live list to read, and its size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LivePageRequest<'a> {
    /// The first is 1.
    pub page: u32,
    /// [`NextLivePage::token`] of the page before; `None` for the first page. Callers can forge it.
    pub token: Option<&'a str>,
    pub size: u32,
}

impl LivePageRequest<'_> {
    /// The page of a list whose pages have numbers only.
    pub(crate) fn numbered(page: u32, size: u32) -> Self {
        Self {
            page,
            token: None,
            size,
        }
    }

    /// The page after this one. Its token is `None` where its number is enough.
    pub(crate) fn next(&self, token: Option<String>) -> NextLivePage {
        NextLivePage {
            page: self.page.saturating_add(1),
            token,
        }
    }
}

/// That a live list has another page, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NextLivePage {
    pub page: u32,
    /// In the provider's own form, which nobody else reads.
    pub token: Option<String>,
}

#[derive(Debug, Clone)]
pub struct LivePage {
    pub records: Records,
    pub next: Option<NextLivePage>,
    /// The provider's own total, if it reports one.
    pub total: Option<i64>,
}

#[derive(Debug, Clone)]
pub struct SequenceWithSteps {
    pub sequence: Record<Sequence>,
    pub steps: Vec<SequenceStep>,
}

/// The result of a write.
#[derive(Debug, Clone)]
pub struct WriteResult {
    pub id: String,
    /// As the provider now shows them; `None` if it didn't.
    pub records: Option<Records>,
    /// What was requested but not done, although the record was written.
    pub warnings: Vec<String>,
}

/// Contacts to add to a sequence.
#[derive(Debug, Clone, Copy)]
pub struct Enrolment<'a> {
    pub sequence_id: &'a str,
    pub mailbox_id: Option<&'a str>,
    pub user_id: Option<&'a str>,
    pub contact_ids: &'a [String],
}

/// The results for contacts that were to be added or removed.
#[derive(Debug, Clone)]
pub struct Enrolled {
    /// By contact, in the requested order.
    pub outcomes: Vec<(String, Outcome)>,
    /// The contacts with their states, as the provider shows them now.
    pub records: Records,
    /// Ids of states that no longer exist, as far as the provider named them.
    pub removed: Vec<String>,
    /// What was requested but not done for any of them.
    pub warnings: Vec<String>,
}

#[derive(Debug, Clone, Default)]
pub struct TaskFilter {
    pub contact_id: Option<String>,
    pub user_id: Option<String>,
    pub status: Option<TaskStatus>,
}

impl TaskFilter {
    pub(crate) fn is_empty(&self) -> bool {
        self.contact_id.is_none() && self.user_id.is_none() && self.status.is_none()
    }

    /// Whether it lets a task through, for providers that can't filter themselves.
    pub(crate) fn admits(&self, task: &Task) -> bool {
        let same = |wanted: &Option<String>, is: &Option<String>| wanted.is_none() || wanted == is;
        same(&self.contact_id, &task.contact_id)
            && same(&self.user_id, &task.user_id)
            && self.status.is_none_or(|wanted| wanted == task.status)
    }
}

#[derive(Debug, Clone)]
pub struct TaskPage {
    pub tasks: Vec<Task>,
    pub next: Option<NextLivePage>,
    pub total: Option<i64>,
}

#[derive(Debug, Clone)]
pub struct Enrichment {
    pub company: Option<Company>,
    /// What the provider took for it, as far as it says.
    pub credits: u32,
}
