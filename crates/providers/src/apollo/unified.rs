//! Apollo's implementation of the unified API; the details are in the other files.

use async_trait::async_trait;
use syncline_model::{
    Object, Records,
    draft::{
        AccountDraft, ContactDraft, LeaveMode, SequenceDraft, StepDraft, TaskDraft, TemplateUpdate,
    },
    live::Task,
};

use super::{Apollo, action, credits, error, usage};
use crate::{
    error::ProviderError,
    http::{Method, Response},
    passthrough::Passthrough,
    session::Session,
    unified::{
        Enrichment, Enrolled, Enrolment, LivePage, LivePageRequest, RateLimitInfo,
        SequenceWithSteps, TaskFilter, TaskPage, Unified, WriteResult,
    },
};

#[async_trait]
impl Unified for Apollo {
    async fn list_live(
        &self,
        session: &Session<'_>,
        object: Object,
        page: LivePageRequest,
    ) -> Result<LivePage, ProviderError> {
        self.live_page(session, object, page).await
    }

    async fn get_live(
        &self,
        session: &Session<'_>,
        object: Object,
        id: &str,
    ) -> Result<Records, ProviderError> {
        self.live_record(session, object, id).await
    }

    async fn get_sequence(
        &self,
        session: &Session<'_>,
        id: &str,
    ) -> Result<SequenceWithSteps, ProviderError> {
        self.live_sequence(session, id).await
    }

    async fn contacts_by_email(
        &self,
        session: &Session<'_>,
        emails: &[String],
    ) -> Result<Records, ProviderError> {
        self.with_emails(session, emails).await
    }

    async fn accounts_by_name(
        &self,
        session: &Session<'_>,
        name: &str,
    ) -> Result<Records, ProviderError> {
        self.accounts_named(session, name).await
    }

    async fn states_of_sequence(
        &self,
        session: &Session<'_>,
        sequence_id: &str,
        page: LivePageRequest,
    ) -> Result<LivePage, ProviderError> {
        self.in_sequence(session, sequence_id, page).await
    }

    async fn create_account(
        &self,
        session: &Session<'_>,
        draft: &AccountDraft,
    ) -> Result<WriteResult, ProviderError> {
        self.write_account(session, None, draft).await
    }

    async fn update_account(
        &self,
        session: &Session<'_>,
        id: &str,
        draft: &AccountDraft,
    ) -> Result<WriteResult, ProviderError> {
        self.write_account(session, Some(id), draft).await
    }

    async fn create_contact(
        &self,
        session: &Session<'_>,
        draft: &ContactDraft,
    ) -> Result<WriteResult, ProviderError> {
        self.write_contact(session, None, draft).await
    }

    async fn update_contact(
        &self,
        session: &Session<'_>,
        id: &str,
        draft: &ContactDraft,
    ) -> Result<WriteResult, ProviderError> {
        self.write_contact(session, Some(id), draft).await
    }

    async fn create_sequence(
        &self,
        session: &Session<'_>,
        draft: &SequenceDraft,
    ) -> Result<WriteResult, ProviderError> {
        self.make_sequence(session, draft).await
    }

    async fn create_step(
        &self,
        session: &Session<'_>,
        sequence_id: &str,
        draft: &StepDraft,
    ) -> Result<WriteResult, ProviderError> {
        self.add_step(session, sequence_id, draft).await
    }

    async fn update_step(
        &self,
        session: &Session<'_>,
        sequence_id: &str,
        step_id: &str,
        template: &TemplateUpdate,
    ) -> Result<(), ProviderError> {
        self.change_step(session, sequence_id, step_id, template)
            .await
    }

    async fn enrol(
        &self,
        session: &Session<'_>,
        enrolment: &Enrolment<'_>,
    ) -> Result<Enrolled, ProviderError> {
        self.add_to_sequence(session, enrolment).await
    }

    async fn leave(
        &self,
        session: &Session<'_>,
        sequence_id: &str,
        contact_ids: &[String],
        mode: LeaveMode,
    ) -> Result<Enrolled, ProviderError> {
        self.take_from_sequence(session, sequence_id, contact_ids, mode)
            .await
    }

    async fn create_task(
        &self,
        session: &Session<'_>,
        draft: &TaskDraft,
    ) -> Result<Task, ProviderError> {
        self.make_task(session, draft).await
    }

    async fn search_tasks(
        &self,
        session: &Session<'_>,
        filter: &TaskFilter,
        page: LivePageRequest,
    ) -> Result<TaskPage, ProviderError> {
        self.tasks_now(session, filter, page).await
    }

    async fn complete_task(&self, session: &Session<'_>, id: &str) -> Result<Task, ProviderError> {
        self.end_task(session, id).await
    }

    async fn enrich(
        &self,
        session: &Session<'_>,
        email: &str,
    ) -> Result<Enrichment, ProviderError> {
        self.company_of(session, email).await
    }

    fn passthrough(&self) -> &Passthrough {
        &self.passthrough
    }

    fn endpoint_of(&self, method: &Method, path: &str) -> String {
        action::of(method, path)
    }

    fn may_cost_credits(&self, path: &str) -> bool {
        credits::may_cost(path)
    }

    fn rate_limit_info(&self, answer: &Response) -> RateLimitInfo {
        RateLimitInfo {
            usage: usage::usage_of(answer),
            refusal: error::refusal_of(answer),
        }
    }
}
