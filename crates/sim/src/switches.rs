//! Switches for behaviour that Apollo's documentation leaves open or that has been seen both ways.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::plans::PlanTable;

/// Behaviour nobody can be sure of. The defaults are what was seen most recently, or what the documentation
/// says where nothing was seen.
#[derive(Debug, Clone)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is an independent yes-or-no question about the API"
)]
pub struct Switches {
    /// A 429 says in `retry-after` when its window closes. Documented in 2026 and captured live that year;
    /// older clients report that no time was given.
    pub retry_after: bool,
    /// Calls each plan allows. The page they are published on has been read in two ways.
    pub plans: PlanTable,
    /// `auth/health` refuses an unknown key with 401. Nobody has published an answer: several clients look
    /// for `is_logged_in: false` in a 200, others expect the 401.
    pub health_refuses_bad_keys: bool,
    /// The words of the refusal past 50,000 records. People search answers in the short ones, e-mail message
    /// search is documented with the long ones; for contacts and accounts one client's test has the short ones.
    pub deep_page_text: DeepPageText,
    /// The order of contacts, accounts and sequences when no `sort_by_field` is given. The documentation names
    /// none, and a recorded page of contacts was in order of neither creation, nor change, nor name.
    pub default_order: DefaultOrder,
    /// How long searches of contacts and accounts go on answering with a record as it was before it was
    /// created, changed or enrolled. A rename was in its place 47 seconds later; nobody has measured less.
    /// Reads by id and answers to writes are never behind.
    pub search_lag: Duration,
    /// How long the same searches go on showing a deleted record. Unmeasured.
    pub delete_lag: Duration,
    /// The texts of `inactive_reason`. It is free text in mixed case with no published list: documented
    /// examples show a few, integrators report others.
    pub inactive_reasons: InactiveReasons,
    /// What deleting a contact answers. The call is undocumented; integrators use it with master keys, and a
    /// connection without the permission was refused by the name of the action, so it exists. No successful
    /// answer has been published.
    pub delete_answer: DeleteAnswer,
    /// A call rejected with 429 uses up quota as well. Nobody has documented or measured it.
    pub rejected_calls_count: bool,
    /// A call answered 422 uses up quota. The documentation's wording says so; nobody has measured it.
    pub invalid_calls_count: bool,
    /// Which searches echo `page` and `per_page` as strings when they came in the query string. Recorded for
    /// users; a deal search asked the same way answered with numbers.
    pub echo: Echo,
    /// What a free plan gets from the searches. The documentation says paid plans only; a free workspace was
    /// served in May 2026.
    pub free_plan: FreePlan,
    /// Sequence search still lists archived sequences. Nobody has documented it; clients read `archived` from
    /// what they list.
    pub archived_sequences_listed: bool,
    /// An e-mail sent, opened or replied to moves `updated_at` as well as `last_activity_date`. Phone calls do,
    /// by their documented examples; for e-mail nothing is known.
    pub activity_touches_contact: bool,
    /// What a page of more than 100 gets. The refusal is documented for tasks and has been seen elsewhere;
    /// some clients report smaller pages instead.
    pub oversized_page: OversizedPage,
    /// Adding a contact to a sequence, or a change of its state there, moves the contact's `updated_at`.
    /// Documented answers show one contact before and after with the same time.
    pub enrolment_touches_contact: bool,
    /// A change to an account moves its place in `account_updated_at` order. A recorded search shows a renamed
    /// account staying where it was.
    pub account_changes_move_order: bool,
    /// The reason for skipping a contact that is in the very sequence already. The documentation has a code
    /// of its own for it; live answers used the one for other sequences.
    pub re_enrolment: ReEnrolment,
    /// A key of limited scope may call `users/api_profile`, which tells its team, though no scope was asked
    /// for. Unknown: the documentation has no refusal but 401 for the call, and nobody has published what such
    /// a key gets.
    pub scoped_keys_read_profile: bool,
}

impl Default for Switches {
    fn default() -> Self {
        Self {
            retry_after: true,
            plans: PlanTable::default(),
            health_refuses_bad_keys: false,
            deep_page_text: DeepPageText::Short,
            default_order: DefaultOrder::Arbitrary,
            search_lag: Duration::ZERO,
            delete_lag: Duration::ZERO,
            inactive_reasons: InactiveReasons::default(),
            delete_answer: DeleteAnswer::Contact,
            rejected_calls_count: false,
            invalid_calls_count: true,
            echo: Echo::Users,
            free_plan: FreePlan::Served,
            archived_sequences_listed: true,
            activity_touches_contact: false,
            oversized_page: OversizedPage::Refused,
            enrolment_touches_contact: false,
            account_changes_move_order: false,
            re_enrolment: ReEnrolment::AlreadyInCampaign,
            scoped_keys_read_profile: true,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OversizedPage {
    /// 422 `Per page not supported` from every search.
    Refused,
    /// The same from task search alone; others serve 100.
    RefusedForTasks,
    /// Served as 100 by every search.
    Clamped,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeepPageText {
    /// `Page * per page number is over threshold.`
    Short,
    /// `Invalid parameter passed in. Page * per page number is over threshold.`
    Long,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DefaultOrder {
    /// No order one could name, the same one each time.
    Arbitrary,
    /// By creation, newest first.
    NewestFirst,
    /// By last change, newest first; sequences, which show no such time, by creation.
    LastChangedFirst,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Echo {
    /// `users/search` alone, as recorded.
    Users,
    Everywhere,
    Nowhere,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FreePlan {
    Served,
    /// 403 `This endpoint is only available to Apollo users on paid plans.`
    PaidPlansOnly,
    /// 403 `… is not accessible with this api_key on a free plan …`
    NamesTheEndpoint,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeleteAnswer {
    /// `{"contact": …}`, the contact as it was.
    Contact,
    /// `{}`
    Empty,
    /// 403: `api/v1/contacts/destroy is not accessible with this api_key`. The contact stays.
    Refused,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReEnrolment {
    /// `contacts_already_exists_in_current_campaign`
    AlreadyInCampaign,
    /// `contacts_active_in_other_campaigns`
    ActiveInOthers,
}

/// Why a contact is not, or no longer, active in a sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    SequenceInactive,
    ManuallyPaused,
    ManuallyFinished,
    CompletedLastStep,
    Replied,
    Bounced,
    SpamBlocked,
    UserDeleted,
}

/// The text of each [`Reason`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InactiveReasons(BTreeMap<Reason, String>);

impl InactiveReasons {
    /// The same with another text for `reason`.
    pub fn with(mut self, reason: Reason, text: &str) -> Self {
        self.0.insert(reason, text.to_owned());
        self
    }

    pub fn text(&self, reason: Reason) -> &str {
        if let Some(text) = self.0.get(&reason) {
            return text;
        }
        match reason {
            Reason::SequenceInactive => "Sequence inactive",
            Reason::ManuallyPaused => "manually paused",
            Reason::ManuallyFinished => "manually finished",
            Reason::CompletedLastStep => "Completed last step",
            Reason::Replied => "replied",
            Reason::Bounced => "bounced",
            // A guess, after the failure of that name.
            Reason::SpamBlocked => "spam blocked",
            Reason::UserDeleted => "User deleted",
        }
    }
}
